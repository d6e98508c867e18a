"""Layers are the functions with their options, and what backward needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import impl


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.mark.parametrize("bias", [True, False])
def test_conv2d_is_the_function(bias: bool) -> None:
    options: dict[str, Any] = {"stride": (2, 1), "padding": 1, "dilation": (1, 2), "groups": 2}
    layer = impl.Conv2d(4, 6, (3, 2), bias=bias, rng=rng(), **options)
    x = rng().standard_normal((2, 4, 7, 8))
    y = layer.forward(x)
    np.testing.assert_array_equal(y, impl.conv2d(x, layer.weight, layer.bias, **options))
    g = rng().standard_normal(y.shape)
    grad_input, grad_weight, grad_bias = impl.conv2d_backward(g, x, layer.weight, layer.bias, **options)
    np.testing.assert_array_equal(layer.backward(g), grad_input)
    np.testing.assert_array_equal(layer.grad_weight, grad_weight)
    assert (layer.bias is None) == (layer.grad_bias is None) == (not bias)
    if bias:
        np.testing.assert_array_equal(layer.grad_bias, grad_bias)


def test_avg_pool2d_is_the_function() -> None:
    options: dict[str, Any] = {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}
    layer = impl.AvgPool2d(3, **options)
    x = rng().standard_normal((2, 3, 6, 5))
    y = layer.forward(x)
    np.testing.assert_array_equal(y, impl.avg_pool2d(x, 3, **options))
    np.testing.assert_array_equal(layer.backward(y), impl.avg_pool2d_backward(y, x, 3, **options))


def test_max_pool2d_is_the_function() -> None:
    options: dict[str, Any] = {"stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True}
    layer = impl.MaxPool2d(3, **options)
    x = rng().standard_normal((2, 3, 6, 7))
    y = layer.forward(x)
    np.testing.assert_array_equal(y, impl.max_pool2d(x, 3, **options))
    np.testing.assert_array_equal(layer.backward(y), impl.max_pool2d_backward(y, x, 3, **options))


@pytest.mark.parametrize("layer", [impl.Conv2d(1, 1, 1, rng=rng()), impl.AvgPool2d(1), impl.MaxPool2d(1)])
def test_backward_before_forward(layer: Any) -> None:
    with pytest.raises(RuntimeError, match="backward needs the input of a forward pass; call forward first"):
        layer.backward(np.zeros((1, 1, 1, 1)))


@pytest.mark.parametrize("layer", [impl.Conv2d(1, 1, 2, rng=rng()), impl.AvgPool2d(2), impl.MaxPool2d(2)])
def test_a_failed_forward_keeps_nothing(layer: Any) -> None:
    with pytest.raises(ValueError, match="more than the padded input"):
        layer.forward(np.zeros((1, 1, 1, 1)))
    with pytest.raises(RuntimeError, match="call forward first"):
        layer.backward(np.zeros((1, 1, 1, 1)))


@pytest.mark.parametrize("layer", [impl.Conv2d(1, 1, 3, rng=rng()), impl.AvgPool2d(3), impl.MaxPool2d(3)])
def test_layers_keep_the_input_and_not_the_columns(layer: Any) -> None:
    x = np.ones((1, 1, 9, 9))
    layer.forward(x)
    assert all(not isinstance(kept, np.ndarray) or kept.size <= x.size for kept in vars(layer).values())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_are_within_one_over_the_root_of_fan_in(dtype: Any) -> None:
    """fan_in is 8/2 * 3 * 3 = 36, so the bound is 1/6; 1152 draws leave no gap of a tenth at either end."""
    layer = impl.Conv2d(8, 32, 3, groups=2, rng=rng(), dtype=dtype)
    assert layer.weight.shape == (32, 4, 3, 3)
    assert layer.bias is not None
    assert layer.weight.dtype == layer.bias.dtype == dtype
    assert np.abs(layer.bias).max() <= dtype(1 / 6)
    assert 0.9 / 6 < layer.weight.max() <= dtype(1 / 6)
    assert -0.9 / 6 > layer.weight.min() >= dtype(-1 / 6)


def test_parameters_are_the_generators() -> None:
    first, again = (impl.Conv2d(2, 3, 2, rng=rng()) for _ in range(2))
    np.testing.assert_array_equal(first.weight, again.weight)
    np.testing.assert_array_equal(first.bias, again.bias)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((0, 1, 1), {}, ValueError, "in_channels must be at least 1, got 0"),
        ((1, -1, 1), {}, ValueError, "out_channels must be at least 1, got -1"),
        ((1, 1.0, 1), {}, TypeError, "out_channels must be an integer, got 1.0"),
        ((1, 1, 0), {}, ValueError, r"kernel_size must be at least 1 on every axis, got \(0, 0\)"),
        ((4, 6, 1), {"groups": 4}, ValueError, "groups must divide in_channels and out_channels, got 4 with 4 and 6"),
        ((1, 1, 1), {"stride": 0}, ValueError, r"stride must be at least 1 on every axis, got \(0, 0\)"),
        ((1, 1, 1), {"dtype": np.int64}, TypeError, "dtype must be float32 or float64, got int64"),
    ],
)
def test_conv2d_rejects_at_once(arguments: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        impl.Conv2d(*arguments, rng=rng(), **options)
