"""Average and max pooling, forward and backward, as reductions of the columns of `im2col`.

Channels are pooled one by one, so they count as images: x is taken as N*C images of one channel, and each window is a
column, as long as the kernel has places. Meanings of the options are PyTorch's (`torch.nn.functional`).
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from impl.arrays import check_dtypes, check_images, check_shape
from impl.geometry import Windows, is_integer
from impl.im2col import add_columns, take_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.arrays import Array
    from impl.geometry import Sizes

__all__ = ["avg_pool2d", "avg_pool2d_backward", "max_pool2d", "max_pool2d_backward"]

_NOBODY = -1  # the winner of a window that sees no pixel


# Overflow and invalid operations follow IEEE 754 without a warning: infinities and NaN are results like others.
@np.errstate(all="ignore")
def avg_pool2d(
    x: Array,
    kernel_size: Sizes,
    *,
    stride: Sizes | None = None,
    padding: Sizes = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Average of each window.

    Parameters
    ----------
    x : array, N x C x H x W, float32 or float64
        The images; N may be 0.
    kernel_size, stride, padding : int or pair of int
        As in PyTorch; `stride` is `kernel_size` unless given. The padding is zeros, at most half the kernel.
    ceil_mode : bool
        Whether the last window may reach beyond the padded input; see `impl.geometry.output_size`.
    count_include_pad : bool
        Whether the divisor counts padding. Never does it count what `ceil_mode` reaches beyond the padding.
    divisor_override : int, optional
        Divisor of every window, whatever it covers; not 0.

    Returns
    -------
    array, N x C x h_out x w_out, of the dtype of `x`
        The window's sum, divided once by its divisor.

    Raises
    ------
    TypeError
        If `x` is not a float32 or float64 array, or an option is not made of integers.
    ValueError
        If a shape or an option is out of its range, or if no window fits.
    """
    windows = _windows(x, kernel_size, stride, padding, 1, ceil_mode=ceil_mode)
    divisor = _divisor(windows, count_include_pad=count_include_pad, divisor_override=divisor_override)
    total = take_columns(_planes(x), windows, pad_value=0).sum(axis=0)
    return _images(total.reshape(len(divisor), -1) / divisor.astype(x.dtype), x, windows)


@np.errstate(all="ignore")
def avg_pool2d_backward(
    grad_output: Array,
    x: Array,
    kernel_size: Sizes,
    *,
    stride: Sizes | None = None,
    padding: Sizes = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Gradient of `avg_pool2d` by its input: each window's gradient, over its divisor, to all its pixels.

    Parameters
    ----------
    grad_output : array, N x C x h_out x w_out, of the dtype of `x`
        Gradient by the output.
    x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        What `avg_pool2d` was called with. Only the shape and dtype of `x` are used.

    Returns
    -------
    array, of the shape and dtype of `x`

    Raises
    ------
    TypeError, ValueError
        As `avg_pool2d`; and if `grad_output` has not the dtype of `x` or the shape of the output.
    """
    windows = _windows(x, kernel_size, stride, padding, 1, ceil_mode=ceil_mode)
    divisor = _divisor(windows, count_include_pad=count_include_pad, divisor_override=divisor_override)
    share = _rows(grad_output, x, windows) / divisor.astype(x.dtype)
    return _add_back(np.broadcast_to(share, (math.prod(windows.kernel_size), *share.shape)), x, windows)


def max_pool2d(
    x: Array,
    kernel_size: Sizes,
    *,
    stride: Sizes | None = None,
    padding: Sizes = (0, 0),
    dilation: Sizes = (1, 1),
    ceil_mode: bool = False,
) -> Array:
    """Maximum of each window; NaN if there is a NaN in it.

    Parameters
    ----------
    x : array, N x C x H x W, float32 or float64
        The images; N may be 0.
    kernel_size, stride, padding, dilation : int or pair of int
        As in PyTorch; `stride` is `kernel_size` unless given. The padding is minus infinity, at most half the kernel
        (without its dilation).
    ceil_mode : bool
        Whether the last window may reach beyond the padded input; see `impl.geometry.output_size`.

    Returns
    -------
    array, N x C x h_out x w_out, of the dtype of `x`
        A window that sees no pixel, which dilation can bring about, is minus infinity.

    Raises
    ------
    TypeError
        If `x` is not a float32 or float64 array, or an option is not made of integers.
    ValueError
        If a shape or an option is out of its range, or if no window fits.
    """
    windows = _windows(x, kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)
    maximum, _ = _maximum(x, windows)
    return _images(maximum, x, windows)


@np.errstate(all="ignore")
def max_pool2d_backward(
    grad_output: Array,
    x: Array,
    kernel_size: Sizes,
    *,
    stride: Sizes | None = None,
    padding: Sizes = (0, 0),
    dilation: Sizes = (1, 1),
    ceil_mode: bool = False,
) -> Array:
    """Gradient of `max_pool2d` by its input: each window's gradient to its winner.

    The winner is the first maximum of the window in row-major order or, if there is a NaN, the last NaN, as in
    PyTorch. Padding never wins: a window that sees no pixel has no winner.

    Parameters
    ----------
    grad_output : array, N x C x h_out x w_out, of the dtype of `x`
        Gradient by the output.
    x, kernel_size, stride, padding, dilation, ceil_mode
        What `max_pool2d` was called with.

    Returns
    -------
    array, of the shape and dtype of `x`

    Raises
    ------
    TypeError, ValueError
        As `max_pool2d`; and if `grad_output` has not the dtype of `x` or the shape of the output.
    """
    windows = _windows(x, kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)
    grad_rows = _rows(grad_output, x, windows)
    _, winner = _maximum(x, windows)
    place = np.arange(math.prod(windows.kernel_size)).reshape(-1, 1, 1)
    # Chosen, not multiplied by 0 and 1: an infinite gradient must not make NaN of the losers'.
    return _add_back(np.where(winner == place, grad_rows, x.dtype.type(0)), x, windows)


def _maximum(x: Array, windows: Windows) -> tuple[Array, NDArray[np.intp]]:
    """Maximum of each window and the place of the kernel that has it, places x images both."""
    shape = (math.prod(windows.kernel_size), math.prod(windows.output_size), -1)
    columns = take_columns(_planes(x), windows, pad_value=-np.inf).reshape(*shape[:2], math.prod(x.shape[:2]))
    real = take_columns(np.ones((1, 1, *windows.input_size), dtype=np.bool_), windows, pad_value=0).reshape(shape)
    maximum = np.full(columns.shape[1:], -np.inf, dtype=x.dtype)
    winner = np.full(columns.shape[1:], _NOBODY)
    for place, (value, is_real) in enumerate(zip(columns, real, strict=True)):
        # The first pixel wins even if it is minus infinity, which is not greater than the start; a NaN wins always,
        # and is never beaten by a number.
        wins = is_real & ((value > maximum) | np.isnan(value) | (winner == _NOBODY))
        np.copyto(maximum, value, where=wins)
        winner[wins] = place
    return maximum, winner


def _divisor(windows: Windows, *, count_include_pad: bool, divisor_override: int | None) -> NDArray[np.int64]:
    """Divisor of each window, places x 1: its size within the input, padded (or not)."""
    if divisor_override is not None:
        if not is_integer(divisor_override):
            raise TypeError(f"divisor_override must be an integer or None, got {divisor_override!r}")
        if divisor_override == 0:
            raise ValueError("divisor_override must not be 0, got 0; None divides by the size of each window")
        return np.full((math.prod(windows.output_size), 1), divisor_override)
    extents: list[NDArray[np.int64]] = []
    for length, k, s, p, out in zip(
        windows.input_size, windows.kernel_size, windows.stride, windows.padding, windows.output_size, strict=True
    ):
        border = p if count_include_pad else 0
        start = s * np.arange(out, dtype=np.int64) - p
        extents.append(np.minimum(start + k, length + border) - np.maximum(start, -border))
    return functools.reduce(np.multiply.outer, extents).reshape(-1, 1)


def _windows(
    x: Array, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, dilation: Sizes, *, ceil_mode: bool
) -> Windows:
    """Check all arguments of the forward pass against each other, and lay the windows out."""
    check_dtypes(x=x)
    check_images("x", x.shape)
    windows = Windows.of(
        x.shape[2:],
        kernel_size,
        stride=kernel_size if stride is None else stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )
    if any(p > k // 2 for p, k in zip(windows.padding, windows.kernel_size, strict=True)):
        raise ValueError(
            f"padding must be at most half the kernel, rounded down, on every axis, got padding {windows.padding} "
            f"with kernel_size {windows.kernel_size}; dilation does not count; pad the input itself for more"
        )
    return windows


def _planes(x: Array) -> Array:
    """X with its channels as images: (N*C) x 1 x H x W."""
    return x.reshape(math.prod(x.shape[:2]), 1, *x.shape[2:])


def _images(values: NDArray[Any], x: Array, windows: Windows) -> Array:
    """Values by place and image, places x (N*C), as images, N x C x h_out x w_out."""
    values = values.reshape(*windows.output_size, *x.shape[:2])
    return np.ascontiguousarray(np.moveaxis(values, (-2, -1), (0, 1)))


def _rows(grad_output: Array, x: Array, windows: Windows) -> Array:
    """Check the output's gradient, and order it by place and image, places x (N*C)."""
    check_dtypes(grad_output=grad_output, x=x)
    check_shape("grad_output", grad_output.shape, (*x.shape[:2], *windows.output_size), "that of the output")
    return np.moveaxis(grad_output, (0, 1), (-2, -1)).reshape(math.prod(windows.output_size), math.prod(x.shape[:2]))


def _add_back(columns: Array, x: Array, windows: Windows) -> Array:
    """Columns, kernel places x places x (N*C), summed to the shape of x."""
    return add_columns(columns, math.prod(x.shape[:2]), 1, windows).reshape(x.shape)
