"""Convolution: small cases by hand, and the laws that it obeys exactly on integers."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from impl import conv2d, conv2d_backward

Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = tuple[Array, Array, Array, dict[str, Any]]


@st.composite
def convolutions(draw: st.DrawFn) -> Arrays:
    """Draw input, weight and bias of integers, and options that fit them."""

    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    groups, kernel_size, dilation, padding = draw(st.integers(1, 3)), pair(1, 3), pair(1, 2), pair(0, 3)
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel_size, dilation, padding, strict=True)]
    size = (least[0] + draw(st.integers(0, 3)), least[1] + draw(st.integers(0, 3)))
    channels, filters = pair(1, 2)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shapes = (
        (draw(st.integers(0, 3)), channels * groups, *size),
        (filters * groups, channels, *kernel_size),
        (filters * groups,),
    )
    x, weight, bias = (rng.integers(-20, 21, shape).astype(np.float64) for shape in shapes)
    return x, weight, bias, {"stride": pair(1, 3), "padding": padding, "dilation": dilation, "groups": groups}


@given(convolutions(), st.integers(0, 2**32 - 1))
def test_backward_is_the_adjoint_of_forward(arrays: Arrays, seed: int) -> None:
    """<conv(x, w) + b, g> is the same sum as each gradient gives: forward is linear in each argument."""
    x, weight, bias, options = arrays
    y = conv2d(x, weight, **options)
    g = np.random.default_rng(seed).integers(-20, 21, y.shape).astype(np.float64)
    grad_input, grad_weight, grad_bias = conv2d_backward(g, x, weight, bias, **options)
    assert grad_bias is not None
    assert np.sum(y * g) == np.sum(x * grad_input) == np.sum(weight * grad_weight)
    assert np.sum((conv2d(x, weight, bias, **options) - y) * g) == np.sum(bias * grad_bias)


@given(convolutions())
def test_groups_are_a_split(arrays: Arrays) -> None:
    x, weight, bias, options = arrays
    groups = options["groups"]
    parts = [
        conv2d(*part, **{**options, "groups": 1})
        for part in zip(
            np.split(x, groups, axis=1), np.split(weight, groups), np.split(bias, groups), strict=True
        )
    ]  # fmt: skip
    np.testing.assert_array_equal(conv2d(x, weight, bias, **options), np.concatenate(parts, axis=1))


@given(convolutions())
def test_images_do_not_meet(arrays: Arrays) -> None:
    x, weight, bias, options = arrays
    together = conv2d(x, weight, bias, **options)
    for n in range(len(x)):
        np.testing.assert_array_equal(together[n : n + 1], conv2d(x[n : n + 1], weight, bias, **options))


@given(convolutions())
def test_transposing_height_and_width_throughout_transposes_the_output(arrays: Arrays) -> None:
    x, weight, bias, options = arrays
    turned: dict[str, Any] = {
        name: value[::-1] if isinstance(value, tuple) else value for name, value in options.items()
    }
    y = conv2d(x.swapaxes(2, 3), weight.swapaxes(2, 3), bias, **turned)
    np.testing.assert_array_equal(y.swapaxes(2, 3), conv2d(x, weight, bias, **options))


@given(convolutions())
def test_bias_gradient_is_there_exactly_if_the_bias_is(arrays: Arrays) -> None:
    x, weight, bias, options = arrays
    g = np.ones_like(conv2d(x, weight, **options))
    *with_bias, grad_bias = conv2d_backward(g, x, weight, bias, **options)
    *without, absent = conv2d_backward(g, x, weight, None, **options)
    assert absent is None
    np.testing.assert_array_equal(grad_bias, np.full(len(bias), g[:, 0].size))
    for actual, expected in zip(without, with_bias, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_a_weight_of_one_picks_the_pixel_that_it_points_at() -> None:
    """The weight is not flipped: it is cross-correlation that is computed."""
    x = np.arange(20.0).reshape(1, 1, 4, 5)
    weight = np.zeros((1, 1, 2, 3))
    weight[0, 0, 1, 2] = 1
    np.testing.assert_array_equal(conv2d(x, weight), x[:, :, 1:, 2:])


def test_padding_stride_and_dilation_by_hand() -> None:
    """Ones with ones: each output counts the pixels that its window sees, 3 rows by 3 columns, 2 columns apart."""
    y = conv2d(np.ones((1, 1, 3, 4)), np.ones((1, 1, 3, 3)), stride=(1, 2), padding=(1, 2), dilation=(1, 2))
    np.testing.assert_array_equal(y[0, 0], [[4, 4], [6, 6], [4, 4]])


def test_pixels_that_no_window_sees_have_gradient_zero() -> None:
    x = np.ones((1, 1, 1, 5))
    grad_input, grad_weight, _ = conv2d_backward(np.full((1, 1, 1, 2), 7.0), x, np.ones((1, 1, 1, 1)), stride=3)
    np.testing.assert_array_equal(grad_input[0, 0], [[7, 0, 0, 7, 0]])
    np.testing.assert_array_equal(grad_weight, [[[[14]]]])


@pytest.mark.parametrize("channels", [7, 8, 9, 33])
def test_float32_sums_of_integers_are_exact(channels: int) -> None:
    """Every partial sum stays below 2**24, so the order of summation does not show."""
    rng = np.random.default_rng(channels)
    x, weight = rng.integers(-99, 100, (2, channels, 6, 5)), rng.integers(-99, 100, (9, channels, 3, 3))
    single = conv2d(x.astype(np.float32), weight.astype(np.float32))
    np.testing.assert_array_equal(single, conv2d(x.astype(np.float64), weight.astype(np.float64)))


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("where", ["x", "weight"])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_number_that_is_not_finite_is_only_where_windows_see_it(bad: float, where: str, batch: int) -> None:
    """Multiplied by padding it would be NaN in places that have nothing to do with it."""
    x, weight, grad = np.ones((batch, 2, 12, 13)), np.ones((2, 2, 3, 3)), np.ones((batch, 2, 12, 13))
    spoiled = {"x": x, "weight": weight}[where]
    spoiled[0, 0, 0, 0] = bad
    grad_input, grad_weight, _ = conv2d_backward(grad, x, weight, padding=(1, 1))
    expected_input, expected_weight = np.zeros_like(x), np.zeros_like(weight)
    for i, j, a, b in np.ndindex(12, 13, 3, 3):
        u, v = i + a - 1, j + b - 1
        if 0 <= u < 12 and 0 <= v < 13:
            expected_input[:, :, u, v] += np.einsum("no,oc->nc", grad[:, :, i, j], weight[:, :, a, b])
            expected_weight[:, :, a, b] += np.einsum("no,nc->oc", grad[:, :, i, j], x[:, :, u, v])
    np.testing.assert_array_equal(grad_input, expected_input)
    np.testing.assert_array_equal(grad_weight, expected_weight)
