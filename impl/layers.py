"""Layers: the operators with their options and parameters, and what backward needs kept from forward.

A layer keeps its input, not a copy and not the columns: leave the input as it is until backward is done.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from impl.arrays import DTYPES
from impl.conv import conv2d, conv2d_backward
from impl.geometry import count, sizes
from impl.pool import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from impl.arrays import Array
    from impl.geometry import Sizes

__all__ = ["AvgPool2d", "Conv2d", "MaxPool2d"]


class Conv2d:
    """Convolution with parameters of its own; see `impl.conv2d`.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    kernel_size, stride, padding, dilation : int or pair of int
        As in `impl.conv2d`.
    groups : int
        As in `impl.conv2d`.
    bias : bool
        Whether there is a bias.
    rng : numpy.random.Generator
        Draws the parameters, uniform within 1/sqrt(fan_in), fan_in = in_channels/groups * kh * kw. It is the default
        of `torch.nn.Conv2d` ("Variables" in its documentation), He et al., "Delving deep into rectifiers", 2015, with
        a negative slope of sqrt(5).
    dtype : float32 or float64
        Of the parameters, hence of the input.

    Attributes
    ----------
    weight : array, out_channels x in_channels/groups x kh x kw
    bias : array, out_channels, or None
    grad_weight, grad_bias : array or None
        Gradients that the last `backward` left, replaced at each; None before the first. `grad_bias` is None also if
        there is no bias.

    Raises
    ------
    TypeError
        If an option is not made of integers, or `dtype` is another.
    ValueError
        If an option is out of its range, or `groups` does not divide the channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        *,
        stride: Sizes = (1, 1),
        padding: Sizes = (0, 0),
        dilation: Sizes = (1, 1),
        groups: int = 1,
        bias: bool = True,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float64,
    ) -> None:
        in_channels, out_channels = count("in_channels", in_channels), count("out_channels", out_channels)
        kernel_size = sizes("kernel_size", kernel_size, 2, minimum=1)
        self.groups = count("groups", groups)
        if in_channels % self.groups or out_channels % self.groups:
            raise ValueError(
                f"groups must divide in_channels and out_channels, got {self.groups} with {in_channels} "
                f"and {out_channels}"
            )
        if np.dtype(dtype) not in DTYPES:
            raise TypeError(f"dtype must be float32 or float64, got {np.dtype(dtype)}")
        self.stride = sizes("stride", stride, 2, minimum=1)
        self.padding = sizes("padding", padding, 2, minimum=0)
        self.dilation = sizes("dilation", dilation, 2, minimum=1)
        shape = (out_channels, in_channels // self.groups, *kernel_size)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.weight: Array = rng.uniform(-bound, bound, shape).astype(dtype)
        self.bias: Array | None = rng.uniform(-bound, bound, out_channels).astype(dtype) if bias else None
        self.grad_weight: Array | None = None
        self.grad_bias: Array | None = None
        self._x: Array | None = None

    def forward(self, x: Array) -> Array:
        """Convolve `x`, N x in_channels x H x W, and keep it for `backward`. Raises as `impl.conv2d`."""
        y = conv2d(x, self.weight, self.bias, **self._options())
        self._x = x
        return y

    def backward(self, grad_output: Array) -> Array:
        """Gradient by the last input; those by the parameters are left on the layer.

        Raises
        ------
        RuntimeError
            If `forward` was not called before.
        TypeError, ValueError
            As `impl.conv2d_backward`.
        """
        grad_input, self.grad_weight, self.grad_bias = conv2d_backward(
            grad_output, _kept(self._x), self.weight, self.bias, **self._options()
        )
        return grad_input

    def _options(self) -> dict[str, Any]:
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}


class AvgPool2d:
    """Average pooling; parameters as in `impl.avg_pool2d`, and checked by it when there is an input."""

    def __init__(
        self,
        kernel_size: Sizes,
        *,
        stride: Sizes | None = None,
        padding: Sizes = (0, 0),
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size = kernel_size
        self.options: dict[str, Any] = {
            "stride": stride,
            "padding": padding,
            "ceil_mode": ceil_mode,
            "count_include_pad": count_include_pad,
            "divisor_override": divisor_override,
        }
        self._x: Array | None = None

    def forward(self, x: Array) -> Array:
        """Pool `x`, N x C x H x W, and keep it for `backward`. Raises as `impl.avg_pool2d`."""
        y = avg_pool2d(x, self.kernel_size, **self.options)
        self._x = x
        return y

    def backward(self, grad_output: Array) -> Array:
        """Gradient by the last input.

        Raises
        ------
        RuntimeError
            If `forward` was not called before.
        TypeError, ValueError
            As `impl.avg_pool2d_backward`.
        """
        return avg_pool2d_backward(grad_output, _kept(self._x), self.kernel_size, **self.options)


class MaxPool2d:
    """Max pooling; parameters as in `impl.max_pool2d`, and checked by it when there is an input."""

    def __init__(
        self,
        kernel_size: Sizes,
        *,
        stride: Sizes | None = None,
        padding: Sizes = (0, 0),
        dilation: Sizes = (1, 1),
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size = kernel_size
        self.options: dict[str, Any] = {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "ceil_mode": ceil_mode,
        }
        self._x: Array | None = None

    def forward(self, x: Array) -> Array:
        """Pool `x`, N x C x H x W, and keep it for `backward`. Raises as `impl.max_pool2d`."""
        y = max_pool2d(x, self.kernel_size, **self.options)
        self._x = x
        return y

    def backward(self, grad_output: Array) -> Array:
        """Gradient by the last input.

        Raises
        ------
        RuntimeError
            If `forward` was not called before.
        TypeError, ValueError
            As `impl.max_pool2d_backward`.
        """
        return max_pool2d_backward(grad_output, _kept(self._x), self.kernel_size, **self.options)


def _kept(x: Array | None) -> Array:
    if x is None:
        raise RuntimeError("backward needs the input of a forward pass; call forward first")
    return x
