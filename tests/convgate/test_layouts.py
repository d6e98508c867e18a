"""Memory layouts: the same values, elsewhere in memory."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convgate.cases.case import lay_out, values_of
from convgate.cases.layouts import LAYOUTS
from convgate.cases.spec import parse_spec

Array = NDArray[Any]

SHAPES = [(2, 3, 4, 5), (1, 1, 1, 1), (3, 2, 1, 4), (0, 2, 3, 3), (6, 8), (4,), (1,)]


def numbered(shape: tuple[int, ...], dtype: str) -> Array:
    """1, 2, 3 ... in that shape."""
    return np.arange(1, prod(shape) + 1, dtype=dtype).reshape(shape)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {"broadcast"}))
def test_a_layout_keeps_the_values(layout: str, shape: tuple[int, ...], dtype: str) -> None:
    values = numbered(shape, dtype)
    found = LAYOUTS[layout](values)
    assert np.array_equal(found, numbered(shape, dtype))
    assert found.dtype == values.dtype


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_broadcast_repeats_the_first_image(shape: tuple[int, ...]) -> None:
    values = numbered(shape, "f8")
    found = LAYOUTS["broadcast"](values)
    assert found.shape == shape
    assert found.dtype == values.dtype
    assert all(np.array_equal(image, values[0]) for image in found)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_gives_fresh_memory_each_time(layout: str, shape: tuple[int, ...]) -> None:
    """A subject may write into what it gets; neither the values nor the next call's arrays change."""
    values = numbered(shape, "f8")
    first, second = LAYOUTS[layout](values), LAYOUTS[layout](values)
    assert not np.shares_memory(first, values)
    assert not np.shares_memory(second, values)
    assert not np.shares_memory(first, second)


def strides_of(*elements: int) -> Callable[[Array], bool]:
    """Whether the strides are so many elements."""
    return lambda array: array.strides == tuple(step * array.itemsize for step in elements)


# Of an array of 2 x 3 x 4 x 5.
MEMORY: dict[str, Callable[[Array], bool]] = {
    "contiguous": lambda array: array.flags.c_contiguous and array.flags.aligned,
    "fortran": lambda array: array.flags.f_contiguous and not array.flags.c_contiguous,
    "transposed": strides_of(60, 1, 15, 3),
    "sliced": strides_of(960, 160, 20, 2),
    "reversed": strides_of(-60, -20, -5, -1),
    "offset": lambda array: array.flags.c_contiguous and address(array) == address(whole(array)) + array.itemsize,
    "window": lambda array: strides_of(336, 56, 8, 1)(array) and starts_inside(array),
    "channelslice": lambda array: strides_of(120, 1, 30, 6)(array) and starts_inside(array),
    "oddones": strides_of(60, 20, 5, 1),
    "broadcast": strides_of(0, 20, 5, 1),
    "readonly": lambda array: array.flags.c_contiguous,
}


def starts_inside(array: Array) -> bool:
    """Whether memory of the same buffer lies before the first element and behind the last."""
    buffer = whole(array)
    last = array[tuple(slice(-1, None) for _ in array.shape)]
    return address(buffer) < address(array) and address(last) < address(buffer) + buffer.nbytes - buffer.itemsize


def address(array: Array) -> int:
    """Where its first element lies."""
    return int(array.__array_interface__["data"][0])


def whole(array: Array) -> Array:
    """The array that owns the memory of a view."""
    return whole(array.base) if isinstance(array.base, np.ndarray) else array


def test_every_layout_is_looked_at() -> None:
    assert set(MEMORY) == set(LAYOUTS)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_has_the_memory_that_its_name_says(layout: str, dtype: str) -> None:
    assert MEMORY[layout](LAYOUTS[layout](numbered((2, 3, 4, 5), dtype)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_readonly_and_broadcast_memory_cannot_be_written_to(layout: str) -> None:
    found = LAYOUTS[layout](numbered((2, 3, 4, 5), "f8"))
    assert found.flags.writeable == (layout not in {"readonly", "broadcast"})


@pytest.mark.parametrize("layout", ["sliced", "offset", "window", "channelslice"])
def test_what_lies_between_is_not_zero(layout: str) -> None:
    """So that reading past an edge, or with a wrong stride, changes the result."""
    found = LAYOUTS[layout](np.zeros((2, 3, 4, 5)))
    memory = whole(found)
    assert memory.size > found.size
    assert np.count_nonzero(memory) == memory.size - found.size


COLUMNS: dict[str, Callable[[Array], bool]] = {
    "contiguous": strides_of(8, 1),
    "fortran": strides_of(1, 6),
    "transposed": strides_of(8, 1),
    "sliced": strides_of(32, 2),
    "reversed": strides_of(-8, -1),
    "offset": strides_of(8, 1),
    "window": strides_of(11, 1),
    "channelslice": strides_of(11, 1),
    "oddones": strides_of(8, 1),
    "broadcast": strides_of(0, 1),
    "readonly": strides_of(8, 1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_columns_have_layouts_of_their_own(layout: str) -> None:
    assert COLUMNS[layout](LAYOUTS[layout](numbered((6, 8), "f8")))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_axes_of_length_1_have_strides_that_are_no_use(dtype: str) -> None:
    for shape in ((1, 1, 1, 1), (1, 2, 1, 3), (2, 1, 3, 1), (1, 8), (1,)):
        found = LAYOUTS["oddones"](numbered(shape, dtype))
        plain = numbered(shape, dtype).strides
        for length, stride, usual in zip(shape, found.strides, plain, strict=True):
            assert (stride == usual) == (length > 1)
        assert found.flags.c_contiguous
        assert found.flags.aligned
        assert np.array_equal(found + 0, numbered(shape, dtype))
    strides = LAYOUTS["oddones"](numbered((1, 1, 1, 1), dtype)).strides
    assert strides == (0, 2**40, 0, 2**40)


def test_lay_out_puts_every_array_into_the_layout() -> None:
    values = {"x": numbered((2, 3, 4, 5), "f4"), "weight": numbered((2, 3, 4, 5), "f4") * 2}
    found = lay_out(values, "transposed")
    assert list(found) == ["x", "weight"]
    assert all(MEMORY["transposed"](array) for array in found.values())
    assert all(np.array_equal(found[name], values[name]) for name in values)


def test_lay_out_puts_one_array_alone_into_the_layout_if_asked() -> None:
    values = {"x": numbered((2, 3, 4, 5), "f4"), "weight": numbered((2, 3, 4, 5), "f4") * 2}
    found = lay_out(values, "transposed", "weight")
    assert MEMORY["transposed"](found["weight"])
    assert MEMORY["contiguous"](found["x"])
    assert all(np.array_equal(found[name], values[name]) for name in values)


def test_broadcasting_one_array_leaves_the_data_of_the_others() -> None:
    plain = values_of(parse_spec("conv2d:n2c2w3o2k1x2"))
    found = values_of(parse_spec("conv2d:n2c2w3o2k1x2:broadcast@weight"))
    assert np.array_equal(found["x"], plain["x"])
    assert np.array_equal(found["weight"][1], plain["weight"][0])
    assert not np.array_equal(plain["weight"][1], plain["weight"][0])
