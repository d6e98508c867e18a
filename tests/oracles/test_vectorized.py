"""The vectorised definition equals the loops, the statement of record, on every problem of a bounded scope."""

import tracemalloc
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from oracles import definition, vectorized

Axis = tuple[int, int, int, int, int]

# Size, kernel, stride, padding, dilation.
AXES: list[Axis] = list(product(range(1, 6), range(1, 4), range(1, 4), range(3), range(1, 3)))
OTHERS: tuple[Axis, ...] = ((4, 2, 1, 1, 1), (3, 3, 2, 1, 1), (5, 2, 2, 0, 2))


@pytest.fixture(params=["matrices", "slices"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two forms for every problem, however large or small."""
    monkeypatch.setattr(vectorized, "DENSE_PRODUCTS", 2**60 if request.param == "matrices" else -1)
    return str(request.param)


def integers(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Small integers, never 0."""
    words = np.random.PCG64(np.random.SeedSequence([seed, *shape])).random_raw(int(np.prod(shape)))
    values = (words % np.uint64(9)).astype(np.int64) - 4
    return np.where(values == 0, 5, values).astype(np.float64).reshape(shape)


def said(function: Callable[..., Any], *arguments: Any, **options: Any) -> list[Any]:
    """Results, or that the arguments were rejected."""
    try:
        with np.errstate(all="ignore"):
            results = function(*arguments, **options)
    except ValueError:
        return ["rejected"]
    return list(results) if isinstance(results, tuple) else [results]


def require_same(name: str, *arguments: Any, **options: Any) -> None:
    for loops, arrays in zip(
        said(getattr(definition, name), *arguments, **options),
        said(getattr(vectorized, name), *arguments, **options),
        strict=True,
    ):
        if isinstance(loops, np.ndarray):
            assert arrays.dtype == loops.dtype, (name, options)
            np.testing.assert_array_equal(arrays, loops, f"{name} {options}")
            np.testing.assert_array_equal(np.signbit(arrays)[loops != 0], np.signbit(loops)[loops != 0])
        else:
            assert arrays is loops or arrays == loops, (name, options)


def pairs_of_axes(least: Callable[[Axis], bool] = lambda _: True) -> Iterator[tuple[tuple[int, int], ...]]:
    """Every axis as the height and as the width, beside a few others: its five options, each as a pair."""
    for axis in filter(least, AXES):
        for other in OTHERS:
            for height, width in ((axis, other), (other, axis)):
                yield tuple(zip(height, width, strict=True))


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("groups", [1, 2])
def test_every_small_convolution_and_its_gradients_are_those_of_the_loops(groups: int) -> None:
    for number, (size, kernel, stride, padding, dilation) in enumerate(pairs_of_axes()):
        batch, per_group, filters = ((1, 1, 1), (2, 2, 1), (1, 1, 3), (0, 1, 1))[number % 4]
        x = integers((batch, groups * per_group, *size), number)
        weight = integers((groups * filters, per_group, *kernel), number + 1)
        bias = integers((groups * filters,), number + 2) if number % 3 else None
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        require_same("conv2d", x, weight, bias, **options)
        y = said(vectorized.conv2d, x, weight, bias, **options)[0]
        if isinstance(y, np.ndarray):
            require_same("conv2d_backward", integers(y.shape, number + 3), x, weight, bias, **options)


@pytest.mark.usefixtures("form")
def test_every_small_average_and_its_gradient_are_those_of_the_loops() -> None:
    for number, (size, kernel, stride, padding, _) in enumerate(pairs_of_axes(lambda axis: axis[4] == 1)):
        # a multiple of every divisor there can be: all averages are integers
        x = 27720 * integers((1 + number % 2, 2, *size), number)
        for ceil_mode, include in product((False, True), repeat=2):
            options = {
                "stride": stride,
                "padding": padding,
                "ceil_mode": ceil_mode,
                "count_include_pad": include,
                "divisor_override": (None, None, 3, -2)[number % 4],
            }
            require_same("avg_pool2d", x, kernel, **options)
            y = said(vectorized.avg_pool2d, x, kernel, **options)[0]
            if isinstance(y, np.ndarray):
                require_same("avg_pool2d_backward", 27720 * integers(y.shape, number), x, kernel, **options)


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_every_small_maximum_and_its_gradient_are_those_of_the_loops(ceil_mode: bool) -> None:
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0])
    for number, (size, kernel, stride, padding, dilation) in enumerate(pairs_of_axes()):
        x = integers((1, 2, *size), number)
        if number % 2:
            chosen = integers(x.shape, number + 1) > 1
            x = np.where(chosen, special[integers(x.shape, number + 2).astype(int) % 5], x)
        options = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
        require_same("max_pool2d", x, kernel, **options)
        y = said(vectorized.max_pool2d, x, kernel, **options)[0]
        if isinstance(y, np.ndarray):
            require_same("max_pool2d_backward", integers(y.shape, number), x, kernel, **options)


def test_all_small_columns_and_their_sums_are_those_of_the_loops() -> None:
    for number, (size, kernel, stride, padding, dilation) in enumerate(pairs_of_axes()):
        x = integers((1 + number % 2, 2, *size), number)
        options = {"stride": stride, "padding": padding, "dilation": dilation}
        require_same("im2col", np.where(x > 3, -0.0, x), kernel, **options)
        columns = said(vectorized.im2col, x, kernel, **options)[0]
        if isinstance(columns, np.ndarray):
            require_same("col2im", integers(columns.shape, number), x.shape, kernel, **options)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_meets_no_padding(value: float) -> None:
    for number, (size, kernel, stride, padding, dilation) in enumerate(pairs_of_axes(lambda axis: axis[0] > 2)):
        arrays = [integers((1, 1, *size), number), integers((2, 1, *kernel), number)]
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": 1}
        y = said(vectorized.conv2d, *arrays, **options)[0]
        if not isinstance(y, np.ndarray):
            continue
        arrays.append(integers(y.shape, number))
        spoiled = arrays[number % 3]
        spoiled.flat[number % spoiled.size] = value
        x, weight, grad_output = arrays
        require_same("conv2d", x, weight, **options)
        require_same("conv2d_backward", grad_output, x, weight, None, **options)


@pytest.mark.usefixtures("form")
def test_results_are_of_the_dtype_of_the_data() -> None:
    x, weight = integers((2, 4, 6, 5), 0).astype(np.float32), integers((6, 2, 3, 2), 1).astype(np.float32)
    require_same("conv2d", x, weight, None, stride=(1, 2), padding=(1, 1), groups=2)
    require_same("max_pool2d", x, (2, 2), stride=(1, 1))
    require_same("im2col", x, (2, 2))


def test_large_problems_are_done_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight, grad = integers((5, 2, 6, 6), 0), integers((3, 2, 3, 3), 1), integers((5, 3, 4, 4), 2)
    pooled = integers((5, 2, 4, 4), 3)
    monkeypatch.setattr(vectorized, "DENSE_PRODUCTS", -1)
    whole = [*said(vectorized.conv2d, x, weight), *said(vectorized.conv2d_backward, grad, x, weight)]
    whole += said(vectorized.max_pool2d_backward, pooled, x, (3, 3), stride=(1, 1))
    monkeypatch.setattr(vectorized, "MOST_BYTES", 1)
    blocks = [*said(vectorized.conv2d, x, weight), *said(vectorized.conv2d_backward, grad, x, weight)]
    blocks += said(vectorized.max_pool2d_backward, pooled, x, (3, 3), stride=(1, 1))
    for one, other in zip(whole, blocks, strict=True):
        np.testing.assert_array_equal(one, other)


def test_integers_are_left_to_the_loops() -> None:
    with pytest.raises(ValueError, match=r"exact numbers to oracles\.definition"):
        vectorized.im2col(np.ones((1, 1, 2, 2), np.int64), (1, 1))


@pytest.mark.parametrize("batch", [0, 1])
def test_long_axes_and_long_kernels_take_no_more_memory_than_their_results(batch: int) -> None:
    """A matrix of an axis with 70,000 positions would have 5 * 10**9 entries, whether there are images or not."""
    x, gradient = np.ones((batch, 1, 70_000, 1)), np.ones((batch, 1, 4464, 1))
    tracemalloc.start()
    try:
        vectorized.avg_pool2d_backward(gradient, x, (65_537, 1), stride=(1, 1))
        vectorized.conv2d(x, np.ones((1, 1, 3, 1)))
        vectorized.conv2d_backward(np.ones((batch, 1, 69_998, 1)), x, np.ones((1, 1, 3, 1)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2**27
