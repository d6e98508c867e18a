"""What holds for every function alike: purity, memory layouts, dtypes, the empty batch, determinism."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

import impl

Array: TypeAlias = NDArray[Any]
Function: TypeAlias = Callable[..., Any]

# A name, a function of arrays alone, and the arrays' shapes for a batch of n. The identities are in: a copy that is
# left out would show there first.
CASES: dict[str, tuple[Function, Callable[[int], list[tuple[int, ...]]]]] = {
    "conv2d": (
        lambda x, w, b: impl.conv2d(x, w, b, stride=2, padding=1, groups=2),
        lambda n: [(n, 4, 5, 6), (6, 2, 3, 2), (6,)],
    ),
    "conv2d-1x1": (impl.conv2d, lambda n: [(n, 1, 3, 4), (1, 1, 1, 1)]),
    "conv2d_backward": (
        lambda g, x, w, b: impl.conv2d_backward(g, x, w, b, stride=2, padding=1, groups=2),
        lambda n: [(n, 6, 3, 4), (n, 4, 5, 6), (6, 2, 3, 2), (6,)],
    ),
    # so many places that images are not laid side by side
    "conv2d_backward-turned": (
        lambda g, x, w: impl.conv2d_backward(g, x, w, padding=1)[:2],
        lambda n: [(n, 2, 12, 13), (n, 3, 12, 13), (2, 3, 3, 3)],
    ),
    "conv2d_backward-added": (
        lambda g, x, w: impl.conv2d_backward(g, x, w, stride=2, padding=1)[:2],
        lambda n: [(n, 2, 12, 13), (n, 3, 23, 25), (2, 3, 3, 3)],
    ),
    "conv2d_backward-1x1": (impl.conv2d_backward, lambda n: [(n, 1, 3, 4), (n, 1, 3, 4), (1, 1, 1, 1), (1,)]),
    "conv2d_backward-1x1-pixel": (impl.conv2d_backward, lambda n: [(n, 1, 1, 1), (n, 1, 1, 1), (1, 1, 1, 1), (1,)]),
    "avg_pool2d": (
        lambda x: impl.avg_pool2d(x, (3, 2), stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        lambda n: [(n, 3, 5, 6)],
    ),
    "avg_pool2d-1x1": (lambda x: impl.avg_pool2d(x, 1), lambda n: [(n, 1, 3, 4)]),
    "avg_pool2d_backward": (
        lambda g, x: impl.avg_pool2d_backward(g, x, (3, 2), stride=2, padding=1),
        lambda n: [(n, 3, 3, 4), (n, 3, 5, 6)],
    ),
    "avg_pool2d_backward-1x1": (
        lambda g, x: impl.avg_pool2d_backward(g, x, 1),
        lambda n: [(n, 1, 3, 4), (n, 1, 3, 4)],
    ),
    "max_pool2d": (lambda x: impl.max_pool2d(x, 2, stride=1, padding=1, dilation=2), lambda n: [(n, 3, 5, 6)]),
    "max_pool2d-1x1": (lambda x: impl.max_pool2d(x, 1), lambda n: [(n, 1, 3, 4)]),
    "max_pool2d_backward": (
        lambda g, x: impl.max_pool2d_backward(g, x, 2, stride=1, padding=1, dilation=2),
        lambda n: [(n, 3, 5, 6), (n, 3, 5, 6)],
    ),
    "max_pool2d_backward-1x1": (
        lambda g, x: impl.max_pool2d_backward(g, x, 1),
        lambda n: [(n, 1, 3, 4), (n, 1, 3, 4)],
    ),
    "im2col": (lambda x: impl.im2col(x, (2, 3), padding=1), lambda n: [(n, 3, 5, 6)]),
    "im2col-1x1": (lambda x: impl.im2col(x, 1), lambda n: [(n, 1, 3, 4)]),
    "im2col-whole": (lambda x: impl.im2col(x, (3, 4)), lambda n: [(n, 2, 3, 4)]),
    "col2im-1x1": (
        lambda columns: impl.col2im(columns, (columns.shape[1] // 12, 1, 3, 4), 1),
        lambda n: [(1, 12 * n)],
    ),
    "col2im": (
        lambda columns: impl.col2im(columns, (columns.shape[1] // 12, 3, 4, 5), 2),
        lambda n: [(12, 12 * n)],
    ),
}

DTYPES = (np.float32, np.float64)


def arrays_of(name: str, *, n: int = 2, dtype: Any = np.float64) -> list[Array]:
    """Arguments for a case, drawn from small integers."""
    rng = np.random.default_rng(7)
    return [rng.integers(-9, 10, shape).astype(dtype) for shape in CASES[name][1](n)]


def results_of(name: str, arguments: list[Array]) -> list[Array]:
    """Call a case; its results as a list."""
    results = CASES[name][0](*arguments)
    return list(results) if isinstance(results, tuple) else [results]


def layouts(array: Array) -> Iterator[Array]:
    """Yield the same values in other memory."""
    yield np.asfortranarray(array)
    yield np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 0, -1)), -1, 0)
    everywhere = (slice(None, None, -1),) * array.ndim
    yield np.ascontiguousarray(array[everywhere])[everywhere]
    wide = np.full([3 * size + 1 for size in array.shape], np.nan, array.dtype)
    sliced = wide[(slice(1, None, 3),) * array.ndim]
    sliced[...] = array
    yield sliced
    unaligned = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    unaligned[...] = array
    yield unaligned
    read_only = array.copy()
    read_only.flags.writeable = False
    yield read_only


@pytest.mark.parametrize("name", CASES)
def test_layouts_do_not_matter(name: str) -> None:
    arguments = arrays_of(name)
    expected = results_of(name, arguments)
    for laid_out in zip(*map(layouts, arguments), strict=True):
        for actual, wanted in zip(results_of(name, list(laid_out)), expected, strict=True):
            np.testing.assert_array_equal(actual, wanted)


@pytest.mark.parametrize("shapes", [[(3, 4, 5, 6), (6, 2, 3, 2), (6,)], [(2, 48, 9, 9), (34, 24, 3, 3), (34,)]])
def test_rounding_does_not_depend_on_the_layout(shapes: list[tuple[int, ...]]) -> None:
    """All layouts take one way through the matrix products, so that even what is rounded is the same to the bit."""
    rng = np.random.default_rng(13)
    x, weight, bias = (rng.standard_normal(shape) for shape in shapes)
    y = impl.conv2d(x, weight, bias, groups=2)
    gradients = impl.conv2d_backward(y, x, weight, bias, groups=2)
    for y2, *arguments in zip(*map(layouts, (y, x, weight, bias)), strict=True):
        np.testing.assert_array_equal(impl.conv2d(*arguments, groups=2), y)
        again = impl.conv2d_backward(y2, *arguments, groups=2)
        for actual, expected in zip(again, gradients, strict=True):
            assert actual is not None
            assert expected is not None
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("name", CASES)
def test_broadcast_arguments(name: str) -> None:
    """Arrays of stride 0: all elements of each are one number in memory."""
    shapes = [array.shape for array in arrays_of(name)]
    broadcast = [np.broadcast_to(np.float64(3), shape) for shape in shapes]
    expected = results_of(name, [np.full(shape, 3.0) for shape in shapes])
    for actual, wanted in zip(results_of(name, broadcast), expected, strict=True):
        np.testing.assert_array_equal(actual, wanted)


@pytest.mark.parametrize("name", CASES)
def test_arguments_are_not_changed(name: str) -> None:
    arguments = arrays_of(name)
    before = [array.copy() for array in arguments]
    results_of(name, arguments)
    for array, copy in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_results_share_no_memory(name: str, n: int) -> None:
    """Not with the arguments, not with one another, not with another call's results; and are C-contiguous."""
    arguments = arrays_of(name, n=n)
    results = results_of(name, arguments) + results_of(name, arguments)
    for index, result in enumerate(results):
        assert result.flags.writeable
        assert result.flags.c_contiguous
        assert not any(np.may_share_memory(result, other) for other in arguments + results[:index])


@pytest.mark.parametrize("name", CASES)
def test_same_arguments_same_results(name: str) -> None:
    """To the bit, also after a call with others, and after the earlier results were overwritten."""
    arguments = [array / 7 for array in arrays_of(name)]
    first = results_of(name, arguments)
    kept = [result.copy() for result in first]
    for result in first:
        result.fill(np.nan)
    results_of(name, [array + 1 for array in arguments])
    for again, before in zip(results_of(name, arguments), kept, strict=True):
        np.testing.assert_array_equal(again, before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_dtype_is_kept(name: str, dtype: Any) -> None:
    expected = results_of(name, arrays_of(name))
    for actual, wanted in zip(results_of(name, arrays_of(name, dtype=dtype)), expected, strict=True):
        assert type(actual) is np.ndarray
        assert actual.dtype == dtype
        np.testing.assert_allclose(actual, wanted, rtol=1e-6)  # averages of integers are rounded


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_empty_batch(name: str, dtype: Any) -> None:
    """Results have their shapes with N = 0; a gradient by a parameter, a sum over nothing, is 0."""
    full = results_of(name, arrays_of(name, n=2))
    for empty, of_two in zip(results_of(name, arrays_of(name, n=0, dtype=dtype)), full, strict=True):
        assert empty.dtype == dtype
        if 0 in empty.shape:
            assert all(a == b or (a, b % 2) == (0, 0) for a, b in zip(empty.shape, of_two.shape, strict=True))
        else:
            assert empty.shape == of_two.shape
            assert not empty.any()


@pytest.mark.parametrize("name", CASES)
def test_overflow_and_nan_pass_without_a_warning(name: str) -> None:
    """Warnings are errors here, and so are they in other people's test runs."""
    for value in (np.finfo(np.float32).max, np.inf, -np.inf, np.nan):
        results_of(name, [np.full_like(array, value) for array in arrays_of(name, dtype=np.float32)])
        mixed = [np.where(array > 0, np.float32(value), -np.float32(value)) for array in arrays_of(name)]
        with np.errstate(all="raise"):
            results_of(name, mixed)


def test_the_module_is_a_subject() -> None:
    assert impl.__all__ == sorted(impl.__all__)
    assert all(callable(getattr(impl, name)) for name in impl.__all__)
