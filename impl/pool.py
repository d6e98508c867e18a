"""Average and max pooling, forward and backward, as reductions of columns.

Each channel is pooled by itself, so that N images of C channels are N*C planes. The columns of a plane, the pixels
that each window sees, are never copied: for one place of the kernel those of all windows are a strided view. Nor are
there kh*kw of them, as sum and maximum can be taken along one axis after the other, which is kh + kw views; and so can
the way back, from each window to a row of it, and from there to a pixel. Planes are pooled some at a time, so that what
is in between stays in the cache. Meanings of the options are PyTorch's (`torch.nn.functional`).
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from impl.arrays import check_dtypes, check_images, check_shape, contiguous
from impl.geometry import Windows, is_integer, remembered
from impl.im2col import padded
from impl.threads import share
from impl.tiles import Tile, tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from impl.arrays import Array
    from impl.geometry import Sizes

__all__ = ["avg_pool2d", "avg_pool2d_backward", "max_pool2d", "max_pool2d_backward"]


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
    divisor = _divisor(windows, x.dtype, count_include_pad=count_include_pad, divisor_override=divisor_override)

    def pool(planes: Array, out: Array) -> None:
        _reduce(np.add, padded(planes, windows, 0), windows, out)
        np.divide(out, divisor, out=out)

    return _forward(x, windows, pool)


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
    divisor = _divisor(windows, x.dtype, count_include_pad=count_include_pad, divisor_override=divisor_override)

    def spread(grad: Array, _: Array) -> Array:
        return _spread(grad / divisor, windows)

    return _backward(grad_output, x, windows, spread)


@np.errstate(all="ignore")
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

    def pool(planes: Array, out: Array) -> None:
        _reduce(np.maximum, padded(planes, windows, -np.inf), windows, out)

    return _forward(x, windows, pool)


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

    def spread(grad: Array, planes: Array) -> Array:
        best, columns = _winners(padded(planes, windows, -np.inf), windows, 1)
        _, rows = _winners(best, windows, 0)
        return _spread(grad, windows, (rows, columns))

    return _backward(grad_output, x, windows, spread)


def _forward(x: Array, windows: Windows, pool: Callable[[Array, Array], None]) -> Array:
    """Pool some planes at a time: `pool` is given them, and where their outputs go."""
    y = np.empty((*x.shape[:2], *windows.output_size), x.dtype)

    def work(part: Sequence[Tile]) -> None:
        for tile in part:
            pool(_planes(x, tile), _planes(y, tile))

    share(work, _tiles(x, windows), entries=x.size)
    return y


def _backward(grad_output: Array, x: Array, windows: Windows, spread: Callable[[Array, Array], Array]) -> Array:
    """Take the output's gradient back to the pixels, some planes at a time.

    `spread` is given their gradients and the planes, and gives sums for all pixels, the padded ones too.
    """
    check_dtypes(grad_output=grad_output, x=x)
    check_shape("grad_output", grad_output.shape, (*x.shape[:2], *windows.output_size), "that of the output")
    grad_input = np.empty(x.shape, x.dtype)

    def work(part: Sequence[Tile]) -> None:
        for tile in part:
            sums = spread(_planes(grad_output, tile), _planes(x, tile))
            _planes(grad_input, tile)[...] = sums[:, *windows.interior]

    share(work, _tiles(x, windows), entries=x.size)
    return grad_input


def _reduce(ufunc: np.ufunc, pixels: Array, windows: Windows, out: Array) -> None:
    """Reduce every window, along its columns and then along its rows."""
    rows = np.empty((len(pixels), windows.output_size[0], pixels.shape[2]), pixels.dtype)
    _accumulate(ufunc, [pixels[:, place] for place in windows.taps(0)], rows)
    _accumulate(ufunc, [rows[:, :, place] for place in windows.taps(1)], out)


def _accumulate(ufunc: np.ufunc, taps: Sequence[Array], out: Array) -> None:
    """Reduce arrays of one shape entry by entry."""
    if len(taps) == 1:
        out[...] = taps[0]
        return
    ufunc(taps[0], taps[1], out=out)
    for tap in taps[2:]:
        ufunc(out, tap, out=out)


def _winners(pixels: Array, windows: Windows, axis: int) -> tuple[Array, NDArray[Any]]:
    """The maximum along one axis of each window, and the place of the kernel on that axis that has it.

    It is the first that is not padding, or the last NaN; where a window sees no pixel, a place on the padding or none.
    """
    taps = [pixels[(slice(None), *[slice(None)] * axis, place)] for place in windows.taps(axis)]
    best, winner = taps[0].copy(), np.empty(taps[0].shape, np.min_scalar_type(len(taps)))
    first = windows.first_past_padding(axis)
    winner[...] = first if axis else first[:, np.newaxis]
    for place, tap in enumerate(taps[1:], 1):
        wins = (tap > best) | np.isnan(tap)
        # places grow, so that the last to win is the largest: this takes no branch for each entry, as a mask would
        np.maximum(winner, np.multiply(wins, place, dtype=winner.dtype), out=winner)
        np.maximum(best, tap, out=best)
    return best, winner


def _spread(grad: Array, windows: Windows, winners: tuple[NDArray[Any], NDArray[Any]] | None = None) -> Array:
    """The gradient of each window added to all pixels, the padded ones too, that it sees, or to its winner alone.

    First to the rows of the window, then to the columns: windows that share a row and a column share the winner there.
    """
    rows = np.zeros((len(grad), windows.padded_size[0], windows.output_size[1]), grad.dtype)
    for index, place in enumerate(windows.taps(0)):
        rows[:, place] += grad if winners is None else _kept(grad, winners[0] == index)
    sums = np.zeros((len(grad), *windows.padded_size), grad.dtype)
    for index, place in enumerate(windows.taps(1)):
        sums[:, :, place] += rows if winners is None else _kept(rows, winners[1] == index)
    return sums


def _kept(grad: Array, chosen: NDArray[np.bool_]) -> Array:
    """The entries that are chosen, and 0 elsewhere."""
    # Not multiplied by 0 and 1, as an infinite gradient must not make NaN of the losers'; np.where takes twice as long.
    integer = np.dtype(f"i{grad.itemsize}")
    bits = np.negative(chosen.view(np.int8), dtype=integer)
    kept: Array = np.bitwise_and(bits, grad.view(integer), out=bits).view(grad.dtype)
    return kept


def _divisor(windows: Windows, dtype: np.dtype[Any], *, count_include_pad: bool, divisor_override: int | None) -> Array:
    """Divisor of each window, h_out x w_out: its size within the input, padded (or not)."""
    if divisor_override is not None:
        if not is_integer(divisor_override):
            raise TypeError(f"divisor_override must be an integer or None, got {divisor_override!r}")
        if divisor_override == 0:
            raise ValueError("divisor_override must not be 0, got 0; None divides by the size of each window")
        return np.full(windows.output_size, divisor_override, dtype)
    extents: list[NDArray[np.int64]] = []
    for length, k, s, p, out in zip(
        windows.input_size, windows.kernel_size, windows.stride, windows.padding, windows.output_size, strict=True
    ):
        border = p if count_include_pad else 0
        start = s * np.arange(out, dtype=np.int64) - p
        extents.append(np.minimum(start + k, length + border) - np.maximum(start, -border))
    return functools.reduce(np.multiply.outer, extents).astype(dtype)


def _windows(
    x: Array, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, dilation: Sizes, *, ceil_mode: bool
) -> Windows:
    """Check all arguments of the forward pass against each other, and lay the windows out."""
    check_dtypes(x=x)
    return _laid_out(x.shape, kernel_size, stride, padding, dilation, ceil_mode)


@remembered
def _laid_out(
    shape: tuple[int, ...], kernel_size: Sizes, stride: Sizes | None, padding: Sizes, dilation: Sizes, ceil_mode: bool
) -> Windows:
    check_images("x", shape)
    windows = Windows.of(
        shape[2:],
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


def _planes(array: Array, tile: Tile) -> Array:
    """Some channels of some images, each as an image: a view of what lies in memory row by row, otherwise a copy."""
    return contiguous(array[tile.images, tile.groups]).reshape(-1, *array.shape[2:])


def _tiles(x: Array, windows: Windows) -> list[Tile]:
    """All planes, so many at a time that they stay in the cache: each channel is a group."""
    images, channels = x.shape[:2]
    return tiles(images, channels, 1, math.prod(windows.padded_size) * x.itemsize)
