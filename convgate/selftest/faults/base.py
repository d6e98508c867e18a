"""The correct base that faults are planted in: convolution and pooling tap by tap, as many people write them.

One shifted slice of the padded input for each tap of the kernel, added up. It is short and slow, and passes the gate.
A fault replaces a few characters or lines of one function here, so lines are written to be changed: one step each.
"""

import numpy as np
from numpy.typing import NDArray

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

Array = NDArray[np.floating]
Pair = tuple[int, int]


def places(size: int, kernel: int, stride: int, padding: int, dilation: int, *, ceil_mode: bool = False) -> int:
    """Number of windows along one axis."""
    if kernel < 1 or stride < 1 or dilation < 1 or padding < 0:
        raise ValueError(
            f"kernel {kernel}, stride {stride} or dilation {dilation} below 1, or padding {padding} below 0"
        )
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    count = room // stride + 1
    if ceil_mode and room % stride > 0:
        count += 1
        if (count - 1) * stride >= size + padding:
            count -= 1
    if count < 1:
        raise ValueError(f"a kernel of {kernel} with dilation {dilation} does not fit {size} pixels, padding {padding}")
    return count


def check_arrays(*arrays: Array | None, rank: int = 4) -> None:
    """All arrays of one floating dtype, and the first of as many axes as `rank`, of which only one may be empty."""
    given = [array for array in arrays if array is not None]
    if given[0].ndim != rank or min(given[0].shape[1:]) < 1:
        raise ValueError(f"an array of {rank} axes is needed, only the first of them empty, got {given[0].shape}")
    if given[0].dtype.kind != "f" or any(array.dtype != given[0].dtype for array in given):
        raise TypeError(f"all arrays must have one floating dtype, got {[array.dtype for array in given]}")


def check_convolution(x: Array, weight: Array, bias: Array | None, groups: int) -> None:
    """Channels that groups divide, and a weight and a bias that fit."""
    check_arrays(x, weight, bias)
    if groups < 1 or x.shape[1] % groups or weight.shape[0] % groups:
        raise ValueError(f"groups {groups} must divide {x.shape[1]} and {weight.shape[0]} channels")
    if weight.ndim != 4 or weight.shape[1] != x.shape[1] // groups or min(weight.shape) < 1:
        raise ValueError(f"weight {weight.shape} does not fit {x.shape[1]} channels in {groups} groups")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias {bias.shape} does not fit {weight.shape[0]} channels")


def check_pool(kernel_size: Pair, padding: Pair) -> None:
    """Padding is at most half of the kernel."""
    if any(p > k // 2 for k, p in zip(kernel_size, padding, strict=True)):
        raise ValueError(f"padding {padding} must be at most half of kernel_size {kernel_size}")


def padded(x: Array, padding: Pair, extra: Pair = (0, 0), value: float = 0.0) -> Array:
    """A copy of the images with padding around them, and some more pixels below and on the right."""
    (ph, pw), (eh, ew) = padding, extra
    n, c, h, w = x.shape
    larger = np.full((n, c, h + 2 * ph + eh, w + 2 * pw + ew), value, x.dtype)
    larger[:, :, ph : ph + h, pw : pw + w] = x
    return larger


def conv2d(
    x: Array, weight: Array, bias: Array | None = None, *, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Convolution: N x C x H x W and O x C/groups x kh x kw to N x O x h_out x w_out."""
    check_convolution(x, weight, bias, groups)
    (sh, sw), (ph, pw), (dh, dw) = stride, padding, dilation
    n, c, h, w = x.shape
    o, cg, kh, kw = weight.shape
    og = o // groups
    oh = places(h, kh, sh, ph, dh)
    ow = places(w, kw, sw, pw, dw)
    image = padded(x, (ph, pw))
    y = np.zeros((n, o, oh, ow), x.dtype)
    for g in range(groups):
        pixels = image[:, g * cg : (g + 1) * cg]
        filters = weight[g * og : (g + 1) * og]
        for i in range(kh):
            for j in range(kw):
                top, left = i * dh, j * dw
                patch = pixels[:, :, top : top + (oh - 1) * sh + 1 : sh, left : left + (ow - 1) * sw + 1 : sw]
                y[:, g * og : (g + 1) * og] += np.einsum("nchw,oc->nohw", patch, filters[:, :, i, j])
    if bias is not None:
        y += bias[:, None, None]
    return y


def conv2d_backward(
    grad_output: Array,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> tuple[Array, Array, Array | None]:
    """Gradients of `conv2d` by its input, weight and bias."""
    check_convolution(x, weight, bias, groups)
    check_arrays(x, grad_output)
    (sh, sw), (ph, pw), (dh, dw) = stride, padding, dilation
    n, c, h, w = x.shape
    o, cg, kh, kw = weight.shape
    og = o // groups
    oh = places(h, kh, sh, ph, dh)
    ow = places(w, kw, sw, pw, dw)
    if grad_output.shape != (n, o, oh, ow):
        raise ValueError(f"grad_output must have the shape {(n, o, oh, ow)}, got {grad_output.shape}")
    image = padded(x, (ph, pw))
    grad_image = np.zeros_like(image)
    grad_weight = np.zeros(weight.shape, weight.dtype)
    for g in range(groups):
        pixels = image[:, g * cg : (g + 1) * cg]
        grad_pixels = grad_image[:, g * cg : (g + 1) * cg]
        filters = weight[g * og : (g + 1) * og]
        grad_filters = grad_weight[g * og : (g + 1) * og]
        grads = grad_output[:, g * og : (g + 1) * og]
        for i in range(kh):
            for j in range(kw):
                rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)
                columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)
                grad_pixels[:, :, rows, columns] += np.einsum("nohw,oc->nchw", grads, filters[:, :, i, j])
                grad_filters[:, :, i, j] = np.einsum("nohw,nchw->oc", grads, pixels[:, :, rows, columns])
    grad_input = grad_image[:, :, ph : ph + h, pw : pw + w].copy()
    grad_bias = None if bias is None else grad_output.sum(axis=(0, 2, 3))
    return grad_input, grad_weight, grad_bias


def divisors(
    size: int, kernel: int, stride: int, padding: int, count: int, *, count_include_pad: bool
) -> NDArray[np.int64]:
    """How many pixels each window of an average divides by, along one axis."""
    starts = np.arange(count) * stride - padding
    stops = np.minimum(starts + kernel, size + padding)
    if not count_include_pad:
        starts = np.maximum(starts, 0)
        stops = np.minimum(stops, size)
    return stops - starts


def avg_pool2d(
    x: Array,
    kernel_size: Pair,
    *,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    """Averages of windows."""
    check_arrays(x)
    check_pool(kernel_size, padding)
    if divisor_override == 0:
        raise ValueError("divisor_override must not be 0")
    (kh, kw), (sh, sw), (ph, pw) = kernel_size, stride, padding
    n, c, h, w = x.shape
    oh = places(h, kh, sh, ph, 1, ceil_mode=ceil_mode)
    ow = places(w, kw, sw, pw, 1, ceil_mode=ceil_mode)
    image = padded(x, (ph, pw), (kh + sh, kw + sw))
    y = np.zeros((n, c, oh, ow), x.dtype)
    for i in range(kh):
        for j in range(kw):
            y += image[:, :, i : i + (oh - 1) * sh + 1 : sh, j : j + (ow - 1) * sw + 1 : sw]
    if divisor_override is not None:
        y /= divisor_override
    else:
        high = divisors(h, kh, sh, ph, oh, count_include_pad=count_include_pad)
        wide = divisors(w, kw, sw, pw, ow, count_include_pad=count_include_pad)
        y /= (high[:, None] * wide).astype(x.dtype)
    return y


def avg_pool2d_backward(
    grad_output: Array,
    x: Array,
    kernel_size: Pair,
    *,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    """Gradient of `avg_pool2d` by its input."""
    check_arrays(x, grad_output)
    check_pool(kernel_size, padding)
    if divisor_override == 0:
        raise ValueError("divisor_override must not be 0")
    (kh, kw), (sh, sw), (ph, pw) = kernel_size, stride, padding
    n, c, h, w = x.shape
    oh = places(h, kh, sh, ph, 1, ceil_mode=ceil_mode)
    ow = places(w, kw, sw, pw, 1, ceil_mode=ceil_mode)
    if grad_output.shape != (n, c, oh, ow):
        raise ValueError(f"grad_output must have the shape {(n, c, oh, ow)}, got {grad_output.shape}")
    if divisor_override is not None:
        share = grad_output / x.dtype.type(divisor_override)
    else:
        high = divisors(h, kh, sh, ph, oh, count_include_pad=count_include_pad)
        wide = divisors(w, kw, sw, pw, ow, count_include_pad=count_include_pad)
        share = grad_output / (high[:, None] * wide).astype(x.dtype)
    grad_image = np.zeros((n, c, h + 2 * ph + kh + sh, w + 2 * pw + kw + sw), x.dtype)
    for i in range(kh):
        for j in range(kw):
            grad_image[:, :, i : i + (oh - 1) * sh + 1 : sh, j : j + (ow - 1) * sw + 1 : sw] += share
    return grad_image[:, :, ph : ph + h, pw : pw + w].copy()


def max_pool2d(x: Array, kernel_size: Pair, *, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool) -> Array:
    """Maxima of windows."""
    check_arrays(x)
    check_pool(kernel_size, padding)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    n, c, h, w = x.shape
    oh = places(h, kh, sh, ph, dh, ceil_mode=ceil_mode)
    ow = places(w, kw, sw, pw, dw, ceil_mode=ceil_mode)
    image = padded(x, (ph, pw), (kh * dh + sh, kw * dw + sw), -np.inf)
    y = np.full((n, c, oh, ow), -np.inf, x.dtype)
    for i in range(kh):
        for j in range(kw):
            top, left = i * dh, j * dw
            patch = image[:, :, top : top + (oh - 1) * sh + 1 : sh, left : left + (ow - 1) * sw + 1 : sw]
            y = np.where((patch > y) | np.isnan(patch), patch, y)
    return y


def max_pool2d_backward(
    grad_output: Array,
    x: Array,
    kernel_size: Pair,
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool,
) -> Array:
    """Gradient of `max_pool2d` by its input."""
    check_arrays(x, grad_output)
    check_pool(kernel_size, padding)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    n, c, h, w = x.shape
    oh = places(h, kh, sh, ph, dh, ceil_mode=ceil_mode)
    ow = places(w, kw, sw, pw, dw, ceil_mode=ceil_mode)
    if grad_output.shape != (n, c, oh, ow):
        raise ValueError(f"grad_output must have the shape {(n, c, oh, ow)}, got {grad_output.shape}")
    extra = (kh * dh + sh, kw * dw + sw)
    image = padded(x, (ph, pw), extra, -np.inf)
    real = padded(np.ones_like(x), (ph, pw), extra) > 0
    best = np.full((n, c, oh, ow), -np.inf, x.dtype)
    winner = np.full((n, c, oh, ow), -1)
    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)
            columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)
            patch = image[:, :, rows, columns]
            first = (winner < 0) & real[:, :, rows, columns]
            better = first | (patch > best) | np.isnan(patch)
            best = np.where(better, patch, best)
            winner = np.where(better, i * kw + j, winner)
    grad_image = np.zeros_like(image)
    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)
            columns = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)
            grad_image[:, :, rows, columns] += np.where(winner == i * kw + j, grad_output, 0)
    return grad_image[:, :, ph : ph + h, pw : pw + w].copy()


def im2col(x: Array, kernel_size: Pair, *, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """Columns of windows, (C * kh * kw) x (h_out * w_out * N)."""
    check_arrays(x)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    n, c, h, w = x.shape
    oh = places(h, kh, sh, ph, dh)
    ow = places(w, kw, sw, pw, dw)
    image = padded(x, (ph, pw))
    columns = np.zeros((c, kh, kw, oh, ow, n), x.dtype)
    for i in range(kh):
        for j in range(kw):
            top, left = i * dh, j * dw
            patch = image[:, :, top : top + (oh - 1) * sh + 1 : sh, left : left + (ow - 1) * sw + 1 : sw]
            columns[:, i, j] = patch.transpose(1, 2, 3, 0)
    return columns.reshape(c * kh * kw, oh * ow * n)


def col2im(
    columns: Array, input_shape: tuple[int, ...], kernel_size: Pair, *, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """Sums of columns where their pixels are."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    n, c, h, w = input_shape
    if n < 0 or min(c, h, w) < 1:
        raise ValueError(f"only the batch may be empty, got {input_shape}")
    oh = places(h, kh, sh, ph, dh)
    ow = places(w, kw, sw, pw, dw)
    if columns.shape != (c * kh * kw, oh * ow * n) or columns.dtype.kind != "f":
        raise ValueError(f"columns must be {(c * kh * kw, oh * ow * n)} floating numbers, got {columns.shape}")
    entries = columns.reshape(c, kh, kw, oh, ow, n)
    image = np.zeros((n, c, h + 2 * ph, w + 2 * pw), columns.dtype)
    for i in range(kh):
        for j in range(kw):
            top, left = i * dh, j * dw
            patch = entries[:, i, j].transpose(3, 0, 1, 2)
            image[:, :, top : top + (oh - 1) * sh + 1 : sh, left : left + (ow - 1) * sw + 1 : sw] += patch
    return image[:, :, ph : ph + h, pw : pw + w].copy()
