"""The definition once more, on whole arrays: what :mod:`oracles.definition` says, many times as fast.

The loops are the statement of record, and the tests prove these functions equal to them on every problem of a bounded
scope. Signatures, shapes, meaning and errors are the same. Arrays are floats; everything is computed in float64 and
rounded once, at the end, to the dtype of ``x``. So results are exact wherever data are multiples of one power of two
and all sums of magnitudes stay below 2**53 of it: on the lattice no partial sum is ever rounded, in whatever order.

Along one axis the taps of all windows are a 0/1 matrix (:attr:`oracles.windows.Windows.matrix`), so columns are two
matrix products, a convolution is a third, and gradients are products with the transposes. That form multiplies by
zeros, so it is for finite data, and for axes of a few dozen positions. Everything else goes tap by tap: for each tap
the windows that see the input with it are a slice, and so is what they see. Nothing is multiplied by padding there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .definition import check_convolution, check_image_shape, check_shape
from .windows import Windows, windows

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "col2im",
    "conv2d",
    "conv2d_backward",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
]

Pair: TypeAlias = tuple[int, int]
Axes: TypeAlias = tuple[Windows, Windows]

MOST_BYTES = 2**29
"""Memory of one block of images, beside the arguments and results."""

DENSE_PRODUCTS = 20_000
"""Products by 0 and 1 for each tap up to which matrices are faster than slices (about 10 us a tap)."""


MOST_MATRIX = 2**17
"""Entries of a matrix of one axis: 1 MiB, as they are kept. Axes of some hundred positions have no larger ones."""


# Convolution


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """Convolve; see :func:`oracles.definition.conv2d`."""
    dtype = _float_dtype(x, weight, bias)
    axes = _convolution_axes(x, weight, bias, stride, padding, dilation, groups)
    images, kernels = split(x, 1, groups), split(weight, 0, groups)
    if _is_dense(x, axes) and _is_finite(x, weight):
        columns = _columns(images, axes)
        y = _flat(kernels, 2) @ columns
        y = y.reshape(len(x), len(weight), *_counts(axes))
    else:
        y = _convolve_by_taps(images, kernels, axes).reshape(len(x), len(weight), *_counts(axes))
    if bias is not None:
        y = y + bias.astype(np.float64)[:, None, None]
    return _rounded(y, dtype)


def conv2d_backward(
    grad_output: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Differentiate; see :func:`oracles.definition.conv2d_backward`."""
    dtype = _float_dtype(x, weight, bias, grad_output)
    axes = _convolution_axes(x, weight, bias, stride, padding, dilation, groups)
    check_shape("grad_output", grad_output, (len(x), len(weight), *_counts(axes)))
    images, kernels = split(x, 1, groups), split(weight, 0, groups)
    gradients = split(grad_output, 1, groups)
    if _is_dense(x, axes) and _is_finite(x, weight, grad_output):
        columns = _columns(images, axes)
        flat = _flat(gradients, 3)
        grad_input = _images(_flat(kernels, 2).swapaxes(1, 2) @ flat, axes)
        grad_weight = (flat @ columns.swapaxes(2, 3)).sum(axis=0)
    else:
        grad_input, grad_weight = _differentiate_by_taps(gradients, images, kernels, axes)
    grad_bias = None if bias is None else _rounded(grad_output.astype(np.float64).sum(axis=(0, 2, 3)), dtype)
    return _rounded(grad_input.reshape(x.shape), dtype), _rounded(grad_weight.reshape(weight.shape), dtype), grad_bias


def _convolution_axes(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Axes:
    check_image_shape(x.shape)
    _, _, *kernel_size = check_convolution(x, weight, bias, groups)
    return axes_of(x.shape[2:], (kernel_size[0], kernel_size[1]), stride, padding, dilation)


def _columns(images: np.ndarray, axes: Axes) -> np.ndarray:
    """Every window as a column: (N, G, C/G, H, W) to (N, G, C/G * kh * kw, h_out * w_out)."""
    rows, across = axes
    batch, groups, channels, *_ = images.shape
    seen = rows.matrix @ (images @ across.matrix.T)
    seen = seen.reshape(batch, groups, channels, rows.kernel, rows.count, across.kernel, across.count)
    seen = np.asarray(seen.swapaxes(4, 5))
    return seen.reshape(batch, groups, channels * _kernel_taps(axes), _places(axes))


def _images(columns: np.ndarray, axes: Axes) -> np.ndarray:
    """The transpose of `_columns`: every column added back to where it came from."""
    rows, across = axes
    batch, groups, height, _ = columns.shape
    channels = height // _kernel_taps(axes)
    seen = columns.reshape(batch, groups, channels, rows.kernel, across.kernel, rows.count, across.count)
    seen = seen.swapaxes(4, 5).reshape(batch, groups, channels, rows.kernel * rows.count, across.kernel * across.count)
    return np.asarray(rows.matrix.T @ seen @ across.matrix)


def _convolve_by_taps(images: np.ndarray, kernels: np.ndarray, axes: Axes) -> np.ndarray:
    """The sum over taps of a product over channels: (N, G, C/G, H, W) and (G, O/G, C/G, kh, kw)."""
    batch, groups, channels, *_ = images.shape
    filters = kernels.shape[1]
    y = np.zeros((batch, groups, filters, *_counts(axes)))
    for block in _blocks(batch, groups * (channels + 2 * filters) * _places(axes)):
        for t, i, row, u, j, column in taps_of(axes):
            seen = images[block, :, :, row, column]
            products = kernels[:, :, :, t, u] @ _flat(seen, 3)
            y[block, :, :, i, j] += products.reshape(*products.shape[:3], *seen.shape[3:])
    return y


def _differentiate_by_taps(
    gradients: np.ndarray, images: np.ndarray, kernels: np.ndarray, axes: Axes
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients by images and kernels, tap by tap."""
    batch, groups, channels, *_ = images.shape
    grad_images, grad_kernels = np.zeros(images.shape), np.zeros(kernels.shape)
    for block in _blocks(batch, groups * (3 * channels + kernels.shape[1]) * _places(axes)):
        for t, i, row, u, j, column in taps_of(axes):
            g, seen = gradients[block, :, :, i, j], images[block, :, :, row, column]
            flat = _flat(g, 3)
            products = kernels[:, :, :, t, u].swapaxes(1, 2) @ flat
            grad_images[block, :, :, row, column] += products.reshape(seen.shape)
            grad_kernels[:, :, :, t, u] += (flat @ _flat(seen, 3).swapaxes(2, 3)).sum(axis=0)
    return grad_images, grad_kernels


# Pools


def avg_pool2d(
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """Average; see :func:`oracles.definition.avg_pool2d`."""
    dtype = _float_dtype(x)
    axes = _pool_axes(x, kernel_size, stride, padding, (1, 1), ceil_mode=ceil_mode)
    divisors = divisors_of(axes, count_include_pad=count_include_pad, divisor_override=divisor_override)
    images = x.astype(np.float64)
    if _is_dense(x, axes) and _is_finite(x):
        sums = axes[0].sums @ images @ axes[1].sums.T
    else:
        heights = np.zeros((*x.shape[:2], axes[0].count, x.shape[3]))
        for _, i, row in axes[0].slices:
            heights[:, :, i] += images[:, :, row]
        sums = np.zeros((*x.shape[:2], *_counts(axes)))
        for _, j, column in axes[1].slices:
            sums[:, :, :, j] += heights[:, :, :, column]
    return _rounded(sums / divisors, dtype)


def avg_pool2d_backward(
    grad_output: np.ndarray,
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """Differentiate; see :func:`oracles.definition.avg_pool2d_backward`."""
    dtype = _float_dtype(x, grad_output)
    axes = _pool_axes(x, kernel_size, stride, padding, (1, 1), ceil_mode=ceil_mode)
    divisors = divisors_of(axes, count_include_pad=count_include_pad, divisor_override=divisor_override)
    check_shape("grad_output", grad_output, (*x.shape[:2], *_counts(axes)))
    shares = grad_output.astype(np.float64) / divisors
    if _is_dense(x, axes) and _is_finite(shares):
        return _rounded(axes[0].sums.T @ shares @ axes[1].sums, dtype)
    heights = np.zeros((*x.shape[:2], x.shape[2], axes[1].count))
    for _, i, row in axes[0].slices:
        heights[:, :, row] += shares[:, :, i]
    grad_input = np.zeros(x.shape)
    for _, j, column in axes[1].slices:
        grad_input[:, :, :, column] += heights[:, :, :, j]
    return _rounded(grad_input, dtype)


def max_pool2d(
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> np.ndarray:
    """Take maxima; see :func:`oracles.definition.max_pool2d`."""
    dtype = _float_dtype(x)
    axes = _pool_axes(x, kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)
    planes = x.astype(np.float64).reshape(-1, x.shape[2] * x.shape[3])
    y = np.empty((len(planes), _places(axes)))
    for block in _blocks(len(planes), 3 * _kernel_taps(axes) * _places(axes)):
        y[block] = maxima(planes[block], axes)[0]
    return _rounded(y.reshape(*x.shape[:2], *_counts(axes)), dtype)


def max_pool2d_backward(
    grad_output: np.ndarray,
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> np.ndarray:
    """Differentiate; see :func:`oracles.definition.max_pool2d_backward`."""
    dtype = _float_dtype(x, grad_output)
    axes = _pool_axes(x, kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)
    check_shape("grad_output", grad_output, (*x.shape[:2], *_counts(axes)))
    pixels = x.shape[2] * x.shape[3]
    planes, shares = x.astype(np.float64).reshape(-1, pixels), grad_output.astype(np.float64)
    shares = shares.reshape(len(planes), _places(axes))
    grad_input = np.zeros((len(planes), pixels))
    for block in _blocks(len(planes), 3 * _kernel_taps(axes) * _places(axes)):
        winners = maxima(planes[block], axes)[1]
        # one place more a plane, for windows wholly in padding, whose gradient nobody gets
        first = np.arange(len(winners))[:, None] * (pixels + 1)
        sums = np.bincount((winners + first).ravel(), shares[block].ravel(), len(winners) * (pixels + 1))
        grad_input[block] = sums.reshape(len(winners), pixels + 1)[:, :pixels]
    return _rounded(grad_input.reshape(x.shape), dtype)


def maxima(planes: np.ndarray, axes: Axes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The maximum of each window, and the pixel and the tap that :func:`oracles.definition.winner` names.

    Planes x pixels to planes x places, three times. A window wholly in padding has minus infinity, and the pixel behind
    the last one.
    """
    places = pixels_seen(axes)
    padded = np.concatenate([planes, np.full((len(planes), 1), -np.inf)], axis=1)
    seen = padded[:, places]
    best = seen.argmax(axis=1)
    # argmax takes the first maximum, which is padding where padding comes first and all else is minus infinity
    is_padding = places == planes.shape[1]
    first_real, columns = is_padding.argmin(axis=0), np.arange(places.shape[1])
    best = np.where(is_padding[best, columns], first_real, best)
    is_nan = np.isnan(planes)
    if is_nan.any():
        # and the first NaN, where the last one wins
        nans = np.isnan(seen[:, ::-1])
        best = np.where(nans.any(axis=1), len(places) - 1 - nans.argmax(axis=1), best)
    winners = places[best, columns]
    return np.take_along_axis(padded, winners, axis=1), winners, best


def pixels_seen(axes: Axes) -> np.ndarray:
    """Number of the pixel that each tap of each window looks at, taps x places; that of padding is one too large."""
    rows, across = axes
    pixels = rows.positions[:, None, :, None] * across.size + across.positions[:, None, :]
    pixels = np.where(rows.real[:, None, :, None] & across.real[:, None, :], pixels, rows.size * across.size)
    return pixels.reshape(_kernel_taps(axes), _places(axes))


def _pool_axes(
    x: np.ndarray, kernel_size: Pair, stride: Pair | None, padding: Pair, dilation: Pair, *, ceil_mode: bool
) -> Axes:
    check_image_shape(x.shape)
    axes = axes_of(x.shape[2:], kernel_size, stride or kernel_size, padding, dilation, ceil_mode=ceil_mode)
    for k, p in zip(kernel_size, padding, strict=True):
        if p > k // 2:
            raise ValueError(f"padding is {p}; a pool's padding must be at most half its kernel_size {k}, so {k // 2}")
    return axes


def divisors_of(axes: Axes, *, count_include_pad: bool, divisor_override: int | None) -> np.ndarray:
    """What the sum of each window is divided by: h_out x w_out."""
    if divisor_override == 0:
        raise ValueError("divisor_override is 0; it must be another number, or None to divide by the window's size")
    if divisor_override is not None:
        return np.full(_counts(axes), float(divisor_override))
    extents = [each.padded_extents if count_include_pad else each.real_extents for each in axes]
    return np.asarray(extents[0][:, None] * extents[1])


# Columns


def im2col(
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
) -> np.ndarray:
    """Write each window as a column; see :func:`oracles.definition.im2col`."""
    dtype = _float_dtype(x)
    batch, channels, *_ = check_image_shape(x.shape)
    axes = axes_of(x.shape[2:], kernel_size, stride, padding, dilation)
    columns = np.zeros((channels, *kernel_size, *_counts(axes), batch), dtype)
    images = x.transpose(1, 2, 3, 0)
    for t, i, row, u, j, column in taps_of(axes):
        columns[:, t, u, i, j] = images[:, row, column]
    return columns.reshape(channels * _kernel_taps(axes), _places(axes) * batch)


def col2im(
    columns: np.ndarray,
    input_shape: tuple[int, int, int, int],
    kernel_size: Pair,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
) -> np.ndarray:
    """Add each column back; see :func:`oracles.definition.col2im`."""
    dtype = _float_dtype(columns)
    batch, channels, *size = check_image_shape(input_shape)
    axes = axes_of((size[0], size[1]), kernel_size, stride, padding, dilation)
    check_shape("columns", columns, (channels * _kernel_taps(axes), _places(axes) * batch))
    source = columns.astype(np.float64).reshape(channels, *kernel_size, *_counts(axes), batch)
    images = np.zeros((channels, *size, batch))
    for t, i, row, u, j, column in taps_of(axes):
        images[:, row, column] += source[:, t, u, i, j]
    return _rounded(np.ascontiguousarray(images.transpose(3, 0, 1, 2)), dtype)


# Shared by the operators


def axes_of(
    size: tuple[int, ...], kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, *, ceil_mode: bool = False
) -> Axes:
    rows, across = (
        windows(*axis, ceil_mode=ceil_mode) for axis in zip(size, kernel_size, stride, padding, dilation, strict=True)
    )
    return rows, across


def taps_of(axes: Axes) -> Iterator[tuple[int, slice, slice, int, slice, slice]]:
    """For each tap that meets the image: its row, windows and pixels along the height, and along the width."""
    for t, i, row in axes[0].slices:
        for u, j, column in axes[1].slices:
            yield t, i, row, u, j, column


def _counts(axes: Axes) -> Pair:
    return axes[0].count, axes[1].count


def _places(axes: Axes) -> int:
    return axes[0].count * axes[1].count


def _kernel_taps(axes: Axes) -> int:
    return axes[0].kernel * axes[1].kernel


def split(array: np.ndarray, axis: int, groups: int) -> np.ndarray:
    """Copy to float64, with one axis cut into groups."""
    shape = array.shape
    split = (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])
    return array.astype(np.float64, order="C").reshape(split)


def _flat(array: np.ndarray, leading: int) -> np.ndarray:
    """Join all axes but the leading ones."""
    return array.reshape(*array.shape[:leading], math.prod(array.shape[leading:]))


def _is_dense(x: np.ndarray, axes: Axes) -> bool:
    """Whether the matrices of 0 and 1 are small enough to be faster than slices."""
    rows, across = axes
    width = across.kernel * across.count
    products = len(x) * x.shape[1] * width * x.shape[2] * (x.shape[3] + rows.kernel * rows.count)
    small = all(axis.kernel * axis.count * axis.size <= MOST_MATRIX for axis in axes)
    return bool(small and products <= DENSE_PRODUCTS * _kernel_taps(axes))


def _is_finite(*arrays: np.ndarray) -> bool:
    return all(bool(np.isfinite(array).all()) for array in arrays)


def _blocks(count: int, numbers: int) -> Iterator[slice]:
    """Cut `count` images or planes, each of which takes so many numbers, into blocks of at most `MOST_BYTES`."""
    step = max(1, MOST_BYTES // (8 * max(1, numbers)))
    return (slice(start, start + step) for start in range(0, count, step))


def _float_dtype(*arrays: np.ndarray | None) -> np.dtype:
    """Check that all arrays are floats of one dtype; return it."""
    dtypes = [array.dtype for array in arrays if array is not None]
    if len(set(dtypes)) > 1 or dtypes[0].kind != "f":
        raise ValueError(
            f"dtypes are {', '.join(map(str, dtypes))}; give all arrays as floats of one dtype, or exact numbers to "
            f"oracles.definition"
        )
    return dtypes[0]


def _rounded(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore"):  # too large for the dtype is infinity, as in IEEE 754
        return array.astype(dtype, copy=False)
