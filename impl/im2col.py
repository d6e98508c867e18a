"""Windows to columns and back: convolution and pooling become matrix products and reductions of columns.

The idea is that of Caffe (Jia, "Learning semantic image representations at a large scale", 2014, and Caffe's im2col)
and of the course notes of Stanford CS231n, "Convolutional neural networks"; the code is our own. Both directions walk
the places of the kernel rather than the windows: for one place, the pixels that all windows meet there are a strided
slice of the padded input. The one copies those slices out, the other adds them back, so each is visibly the other's
transpose.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from impl.arrays import check_dtypes, check_images, check_rank, check_shape, in_order
from impl.geometry import Windows, sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from impl.arrays import Array
    from impl.geometry import Sizes

__all__ = ["add_columns", "add_windows", "col2im", "copy_windows", "im2col", "padded", "take_columns"]


def im2col(
    x: Array, kernel_size: Sizes, *, stride: Sizes = (1, 1), padding: Sizes = (0, 0), dilation: Sizes = (1, 1)
) -> Array:
    """Lay out what each window of the kernel sees as a column.

    Parameters
    ----------
    x : array, N x C x H x W, float32 or float64
        The images.
    kernel_size, stride, padding, dilation : int or pair of int
        As in PyTorch. The padding is zeros.

    Returns
    -------
    array, (C*kh*kw) x (h_out*w_out*N), of the dtype of `x`
        Rows are ordered by channel, kernel row, kernel column; columns by place (row-major), images fastest: place
        (i, j) of image n is column (i*w_out + j)*N + n.

    Raises
    ------
    TypeError
        If `x` is not a float32 or float64 array, or an option is not made of integers.
    ValueError
        If a shape or an option is out of its range, or if no window fits.
    """
    check_dtypes(x=x)
    check_images("x", x.shape)
    windows = Windows.of(x.shape[2:], kernel_size, stride=stride, padding=padding, dilation=dilation)
    return take_columns(x, windows)


@np.errstate(all="ignore")
def col2im(
    columns: Array,
    input_shape: Sequence[int],
    kernel_size: Sizes,
    *,
    stride: Sizes = (1, 1),
    padding: Sizes = (0, 0),
    dilation: Sizes = (1, 1),
) -> Array:
    """Add every entry of the columns back to the pixel it came from: the adjoint of `im2col`.

    Parameters
    ----------
    columns : array, (C*kh*kw) x (h_out*w_out*N), float32 or float64
        Columns in the order of `im2col`.
    input_shape : four integers, N, C, H, W
        Shape of the images that the columns came from.
    kernel_size, stride, padding, dilation : int or pair of int
        The options that the columns were made with.

    Returns
    -------
    array, N x C x H x W, of the dtype of `columns`
        Sums; a pixel that no window sees is 0. What falls on the padding is dropped.

    Raises
    ------
    TypeError
        If `columns` is not a float32 or float64 array, or an option is not made of integers.
    ValueError
        If a shape or an option is out of its range, if no window fits, or if the columns are not of this shape.
    """
    check_dtypes(columns=columns)
    check_rank("columns", columns.shape, "(C*kh*kw) x (h_out*w_out*N)")
    n, channels, *input_size = sizes("input_shape", tuple(input_shape), 4, minimum=0)
    check_images("input_shape", (n, channels, *input_size))
    windows = Windows.of(tuple(input_size), kernel_size, stride=stride, padding=padding, dilation=dilation)
    expected = (channels * math.prod(windows.kernel_size), math.prod(windows.output_size) * n)
    check_shape("columns", columns.shape, expected, f"as im2col gives for {(n, channels, *input_size)}")
    return add_columns(columns, n, channels, windows)


def take_columns(x: Array, windows: Windows) -> Array:
    """`im2col`, arguments taken as checked."""
    n, channels = x.shape[:2]
    pixels = np.zeros((channels, *windows.padded_size, n), dtype=x.dtype)
    pixels[:, *windows.interior] = np.moveaxis(x, 0, -1)
    columns = np.empty((channels, math.prod(windows.kernel_size), *windows.output_size, n), dtype=x.dtype)
    for row, place in enumerate(windows.places()):
        columns[:, row] = pixels[:, *place]
    return columns.reshape(channels * math.prod(windows.kernel_size), math.prod(windows.output_size) * n)


def add_columns(columns: Array, n: int, channels: int, windows: Windows) -> Array:
    """`col2im`, arguments taken as checked."""
    columns = columns.reshape(channels, math.prod(windows.kernel_size), *windows.output_size, n)
    sums = np.zeros((channels, *windows.padded_size, n), dtype=columns.dtype)
    for row, place in enumerate(windows.places()):
        sums[:, *place] += columns[:, row]
    # A copy also where it is contiguous already, so that the result does not keep the padded sums alive.
    return np.moveaxis(sums[:, *windows.interior], -1, 0).copy()


def copy_windows(x: Array, windows: Windows, images: slice, groups: slice, rows: slice) -> Array:
    """What some rows of windows see of some groups, images x groups x C x kh x kw x rows x w_out.

    `x` is images x groups x C x H x W. All places of the kernel are copied at once out of a view that walks the pixels
    in their order.
    """
    (down, across), (top, _) = windows.stride, windows.rows_seen(rows)
    if any(windows.padding) or not in_order(x):
        pixels, start = padded(x[images, groups], windows, 0, rows), 0
    else:
        pixels, start = x, images.start * x.strides[0] + groups.start * x.strides[1] + top * x.strides[3]
    *outer, h, w = pixels.strides
    shape = (
        images.stop - images.start,
        groups.stop - groups.start,
        x.shape[2],
        *windows.kernel_size,
        rows.stop - rows.start,
        windows.output_size[1],
    )
    strides = (*outer, windows.dilation[0] * h, windows.dilation[1] * w, down * h, across * w)
    columns = np.empty(shape, x.dtype)
    columns[...] = np.ndarray(shape, x.dtype, pixels, start, strides)
    return columns


def padded(x: Array, windows: Windows, value: float, rows: slice | None = None) -> Array:
    """Images, or channels, with padding around them; of all rows of windows, or some.

    Where there is nothing to add it is `x` itself.
    """
    (above, left), (height, width) = windows.padding, windows.input_size
    top, bottom = (0, windows.padded_size[0]) if rows is None else windows.rows_seen(rows)
    if rows is None and windows.padded_size == windows.input_size:
        return x
    pixels = np.empty((*x.shape[:-2], bottom - top, windows.padded_size[1]), x.dtype)
    first, last = (min(max(row - top, 0), bottom - top) for row in (above, above + height))
    pixels[..., :first, :] = value
    pixels[..., last:, :] = value
    pixels[..., first:last, :left] = value
    pixels[..., first:last, left + width :] = value
    pixels[..., first:last, left : left + width] = x[..., first + top - above : last + top - above, :]
    return pixels


def add_windows(columns: Array, pixels: Array, windows: Windows, rows: slice) -> None:
    """Add columns of some rows of windows, images x groups x (C*kh*kw) x places, to the pixels that they are of.

    The pixels are images x groups x C x H x W; what falls on the padding is dropped.
    """
    columns = columns.reshape(*pixels.shape[:3], *windows.kernel_size, -1, windows.output_size[1])
    for i, above, down in windows.met(0, rows):
        for j, before, across in windows.met(1, slice(0, windows.output_size[1])):
            pixels[..., down, across] += columns[:, :, :, i, j, above, before]
