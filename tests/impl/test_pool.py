"""Pooling: the divisor of an average and the winner of a maximum, in all the special cases."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from impl import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward

Array: TypeAlias = NDArray[Any]

INF, NAN = np.inf, np.nan


def image(*rows: list[float]) -> Array:
    """One image of one channel."""
    return np.array(rows, dtype=np.float64)[np.newaxis, np.newaxis]


def winners(x: Array, kernel_size: Any, **options: Any) -> Array:
    """How many windows each pixel wins."""
    y = max_pool2d(x, kernel_size, **options)
    times: Array = max_pool2d_backward(np.ones_like(y), x, kernel_size, **options)[0, 0]
    return times


# --- average ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [3]),  # what is left over is not seen
        ({"ceil_mode": True}, [3, 9]),  # the overhang is not counted: 18 over 2
        ({"padding": (0, 1)}, [2, 9]),  # 6 over 3, 27 over 3
        ({"padding": (0, 1), "count_include_pad": False}, [3, 9]),
        ({"padding": (0, 1), "divisor_override": 1}, [6, 27]),
        ({"padding": (0, 1), "count_include_pad": False, "divisor_override": -3}, [-2, -9]),
        ({"ceil_mode": True, "divisor_override": 3}, [3, 6]),
    ],
)
def test_divisor(options: dict[str, Any], expected: list[float]) -> None:
    x = image([0, 6, 3, 6, 12]) if "padding" not in options else image([0, 6, 3, 12, 12])
    np.testing.assert_array_equal(avg_pool2d(x, (1, 3), **options)[0, 0], [expected])


def test_divisor_counts_the_padding_but_not_the_overhang() -> None:
    """Windows of 3 every 3 on a row of 3 padded by 1: the second has one pixel, one of padding, and one beyond."""
    x = image([6, 6, 6])
    options: dict[str, Any] = {"stride": (1, 3), "padding": (0, 1), "ceil_mode": True}
    np.testing.assert_array_equal(avg_pool2d(x, (1, 3), **options)[0, 0], [[4, 3]])
    np.testing.assert_array_equal(avg_pool2d(x, (1, 3), count_include_pad=False, **options)[0, 0], [[6, 6]])
    g = image([12, 12])
    np.testing.assert_array_equal(avg_pool2d_backward(g, x, (1, 3), **options)[0, 0], [[4, 4, 6]])


def test_a_mean_is_divided_once() -> None:
    """The sum 49 over 49 is 1; times the rounded reciprocal of 49 it would be less than 1."""
    assert 49 * (1 / 49) < 1
    np.testing.assert_array_equal(avg_pool2d(np.ones((1, 1, 7, 7)), 7), [[[[1]]]])
    np.testing.assert_array_equal(avg_pool2d_backward(image([49]), np.ones((1, 1, 7, 7)), 7), np.ones((1, 1, 7, 7)))


def test_ceil_mode_takes_a_kernel_larger_than_the_input_by_less_than_a_stride() -> None:
    x = image([1, 2], [3, 6])
    np.testing.assert_array_equal(avg_pool2d(x, 3, stride=2, ceil_mode=True), [[[[3]]]])
    np.testing.assert_array_equal(max_pool2d(x, 3, stride=2, ceil_mode=True), [[[[6]]]])


@given(
    kernel_size=st.integers(1, 4),
    stride=st.integers(1, 4),
    padding=st.integers(0, 2),
    ceil_mode=st.booleans(),
    count_include_pad=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_average_backward_is_the_adjoint_of_forward(
    *, kernel_size: int, stride: int, padding: int, ceil_mode: bool, count_include_pad: bool, seed: int
) -> None:
    """<avg(x), g> = <x, backward(g)>, exactly: 144 is a multiple of every divisor that occurs."""
    rng = np.random.default_rng(seed)
    x = 144 * rng.integers(-20, 21, (2, 3, 5, 7)).astype(np.float64)
    options: dict[str, Any] = {
        "stride": stride,
        "padding": min(padding, kernel_size // 2),
        "ceil_mode": ceil_mode,
        "count_include_pad": count_include_pad,
    }
    y = avg_pool2d(x, kernel_size, **options)
    g = 144 * rng.integers(-20, 21, y.shape).astype(np.float64)
    assert np.sum(y * g) == np.sum(x * avg_pool2d_backward(g, x, kernel_size, **options))


@pytest.mark.parametrize("pool", [avg_pool2d, max_pool2d])
def test_stride_is_the_kernel_size_unless_given(pool: Any) -> None:
    x = np.arange(60.0).reshape(1, 2, 5, 6)
    np.testing.assert_array_equal(pool(x, (2, 3)), pool(x, (2, 3), stride=(2, 3)))


# --- maximum ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "maximum", "winner"),
    [
        (image([1, 2], [4, 3]), 4, (1, 0)),
        (image([3, 7], [7, 7]), 7, (0, 1)),  # the first of equals
        (image([-0.0, 0.0], [0.0, 0.0]), 0, (0, 0)),  # zeros are equal
        (image([INF, 1], [INF, -INF]), INF, (0, 0)),
        (image([-INF, -INF], [-INF, -INF]), -INF, (0, 0)),
        (image([1, NAN], [INF, 2]), NAN, (0, 1)),  # a NaN beats all numbers
        (image([NAN, 1], [NAN, 9]), NAN, (1, 0)),  # the last of the NaN
        (image([-INF, NAN], [-INF, -INF]), NAN, (0, 1)),
    ],
)
def test_winner(x: Array, maximum: float, winner: tuple[int, int]) -> None:
    expected = np.zeros((2, 2))
    expected[winner] = 1
    np.testing.assert_array_equal(max_pool2d(x, 2), [[[[maximum]]]])
    np.testing.assert_array_equal(winners(x, 2), expected)


def test_padding_never_wins() -> None:
    """Not over negative numbers, and not over minus infinity, which it equals: the first real pixel wins."""
    options: dict[str, Any] = {"stride": 3, "padding": 1}
    np.testing.assert_array_equal(max_pool2d(image([-5, -7], [-6, -8]), 3, **options), [[[[-5]]]])
    nothing = np.full((1, 1, 2, 2), -INF)
    np.testing.assert_array_equal(max_pool2d(nothing, 3, **options), [[[[-INF]]]])
    np.testing.assert_array_equal(winners(nothing, 3, **options), [[1, 0], [0, 0]])


def test_a_window_wholly_on_padding() -> None:
    """Two places 2 apart, one on either side of the only pixel: minus infinity, and no gradient."""
    x = image([5])
    options: dict[str, Any] = {"stride": 1, "padding": (0, 1), "dilation": (1, 2)}
    np.testing.assert_array_equal(max_pool2d(x, (1, 2), **options), [[[[-INF]]]])
    np.testing.assert_array_equal(winners(x, (1, 2), **options), [[0]])


def test_overlapping_windows_add_their_gradients() -> None:
    x = image([1, 9, 1, 1])
    g = image([10, 20, 40])
    np.testing.assert_array_equal(max_pool2d_backward(g, x, (1, 2), stride=1)[0, 0], [[0, 30, 40, 0]])


def test_an_infinite_gradient_does_not_spread() -> None:
    g = image([INF, NAN])
    np.testing.assert_array_equal(max_pool2d_backward(g, image([1, 2, 4, 3]), (1, 2))[0, 0], [[0, INF, NAN, 0]])


def test_dilation_skips_pixels() -> None:
    np.testing.assert_array_equal(max_pool2d(image([1, 9, 2, 8, 3]), (1, 3), dilation=(1, 2)), [[[[3]]]])


@given(
    kernel_size=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 1),
    dilation=st.integers(1, 2),
    ceil_mode=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_maximum_is_its_gradient_times_its_input(
    *, kernel_size: int, stride: int, padding: int, dilation: int, ceil_mode: bool, seed: int
) -> None:
    """Max is positively homogeneous, so <max(x), g> = <x, backward(g)> (Euler), exactly on integers, ties or none."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, (2, 2, 6, 5)).astype(np.float64)
    options: dict[str, Any] = {
        "stride": stride,
        "padding": min(padding, kernel_size // 2),
        "dilation": dilation,
        "ceil_mode": ceil_mode,
    }
    y = max_pool2d(x, kernel_size, **options)
    g = rng.integers(-20, 21, y.shape).astype(np.float64)
    assert np.sum(y * g) == np.sum(x * max_pool2d_backward(g, x, kernel_size, **options))
