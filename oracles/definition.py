"""The statement of record: convolution and pooling as nested loops, straight from the formula.

Whatever else is said about these operators is judged by this file, so it is written to be read. There is one way to
walk a window (:func:`taps`) and one way to count windows (:func:`output_size`), and every operator is a sum, an
average or a maximum over them. Options mean what they mean in ``torch.nn.functional``.

**Arithmetic.** Arrays of an integer dtype or of dtype ``object`` are taken as exact numbers (Python's ``int`` and
``Fraction``); results are ``object`` arrays of exact numbers, a whole ``Fraction`` being written as an ``int``.
Floating arrays are computed in Python's ``float`` (binary64, IEEE 754: NaN and infinities propagate) and rounded once,
at the end, to the dtype of ``x``.

**Padding.** Zero for sums and averages, where a tap outside the input is left out (so an infinite weight over padding
adds nothing, rather than ``0 * inf``). Minus infinity for maxima.

**What is valid.** Only the batch may be empty: channels, height and width are at least 1. Floats are of one dtype. All
else is a ``ValueError`` at the function that states the rule.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

__all__ = [
    "Pair",
    "average_extent",
    "avg_pool2d",
    "avg_pool2d_backward",
    "col2im",
    "conv2d",
    "conv2d_backward",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
    "output_size",
    "taps",
    "winner",
]

Pair: TypeAlias = tuple[int, int]
"""A size along the height and a size along the width."""


# Windows along one axis


def output_size(
    size: int, kernel: int, stride: int, padding: int = 0, *, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """Count the windows along one axis.

    A window spans ``dilation * (kernel - 1) + 1`` positions. The first starts at ``-padding``, each next one ``stride``
    further. Windows are counted as long as they end inside the padded input, whose last position is
    ``size + padding - 1``::

        floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1

    With ``ceil_mode`` the division rounds up, so that one more window may hang over the padded end. The clip rule: that
    window is dropped if it would start beyond the input plus its left padding, that is in the right padding or further,
    ``(output - 1) * stride >= size + padding``.

    Parameters
    ----------
    size, kernel, stride, padding, dilation : int
        Input size, window size, step, padding at either end, distance of neighbouring taps.
    ceil_mode : bool
        Whether a window may hang over.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        If size, kernel, stride or dilation is below 1, padding below 0, or no window fits.
    """
    for name, value, least in (
        ("size", size, 1),
        ("kernel_size", kernel, 1),
        ("stride", stride, 1),
        ("dilation", dilation, 1),
        ("padding", padding, 0),
    ):
        if value < least:
            raise ValueError(f"{name} is {value}; it must be at least {least}")
    span = dilation * (kernel - 1) + 1
    room = size + 2 * padding - span
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (count - 1) * stride >= size + padding:
        count -= 1
    if count < 1:
        raise ValueError(
            f"no window fits: it spans {span} (kernel_size {kernel}, dilation {dilation}), the padded input only "
            f"{size + 2 * padding} (size {size}, padding {padding}); use a smaller kernel or more padding"
        )
    return count


def taps(
    index: int, size: int, kernel: int, stride: int, padding: int = 0, *, dilation: int = 1
) -> list[tuple[int, int]]:
    """List the taps of one window that lie in the real input, along one axis.

    Tap ``t`` of window ``index`` looks at position ``index * stride - padding + t * dilation``; a position outside
    ``0 .. size - 1`` is padding and left out. A dilated window can lie wholly in padding: then the list is empty.

    Returns
    -------
    list of (int, int)
        Pairs (tap, position), in ascending order.
    """
    start = index * stride - padding
    return [(tap, start + tap * dilation) for tap in range(kernel) if 0 <= start + tap * dilation < size]


def average_extent(
    index: int, size: int, kernel: int, stride: int, padding: int = 0, *, count_include_pad: bool = True
) -> int:
    """Count the positions of one window that an average divides by, along one axis.

    The divisor is the product of this count over both axes. With ``count_include_pad`` the window is clipped to the
    padded input: padding counts, but what ``ceil_mode`` lets hang over the padded end does not. Without it the window
    is clipped to the real input.
    """
    start = index * stride - padding
    if count_include_pad:
        return min(start + kernel, size + padding) - start
    return min(start + kernel, size) - max(start, 0)


def winner(values: list[float]) -> int:
    """Find the place of the maximum: the value that a max pool returns and that takes the gradient.

    Among equal maxima the first. NaN is larger than everything, and among NaNs the *last* wins: this is what PyTorch's
    CPU kernels do, which scan the window in row-major order and let a value win if it is larger *or* NaN. Any NaN
    makes the maximum NaN; which one takes the gradient is PyTorch's choice, adopted here.

    Parameters
    ----------
    values : list
        The real elements of one window in row-major order, at least one. Padding is not among them, so that it never
        wins, not even against minus infinity.
    """
    best = 0
    for place, value in enumerate(values):
        if value > values[best] or value != value:  # noqa: PLR0124 - NaN; math.isnan overflows on large integers
            best = place
    return best


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
    r"""Convolve (cross-correlate, as everywhere in deep learning).

    .. math::

        y_{n,o,i,j} = b_o + \sum_{c,t,u} w_{o,c,t,u} \;
                      x_{n,\; g(o) C_g + c,\; i s_h - p_h + t d_h,\; j s_w - p_w + u d_w}

    where group ``g(o) = o // (O / groups)`` owns the ``C_g = C / groups`` input channels from ``g(o) * C_g`` on.

    Parameters
    ----------
    x : array (N, C, H, W)
    weight : array (O, C / groups, kh, kw)
    bias : array (O,), optional
    stride, padding, dilation : (int, int)
    groups : int

    Returns
    -------
    array (N, O, h_out, w_out)

    Raises
    ------
    ValueError
        If shapes do not fit, C or O is not divisible by groups, or :func:`output_size` rejects the window.
    """
    exact = is_exact(x, weight, bias)
    batch, _, height, width = _image_shape(x)
    out_channels, group_channels, *kernel_size = check_convolution(x, weight, bias, groups)
    rows = _windows(height, kernel_size[0], stride[0], padding[0], dilation[0])
    columns = _windows(width, kernel_size[1], stride[1], padding[1], dilation[1])
    image, kernel = x.tolist(), weight.tolist()
    offset = [0] * out_channels if bias is None else bias.tolist()

    y = _zeros((batch, out_channels, len(rows), len(columns)))
    for n in range(batch):
        for o in range(out_channels):
            first = o // (out_channels // groups) * group_channels
            for i, vertical in enumerate(rows):
                for j, horizontal in enumerate(columns):
                    total = offset[o]
                    for c in range(group_channels):
                        for t, row in vertical:
                            pixels, weights = image[n][first + c][row], kernel[o][c][t]
                            for u, column in horizontal:
                                total += weights[u] * pixels[column]
                    y[n][o][i][j] = total
    return _array(y, (batch, out_channels, len(rows), len(columns)), x, exact=exact)


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
    """Differentiate ``sum(grad_output * conv2d(x, weight, bias))``.

    Each term ``w * x`` of an output hands ``g * w`` to its pixel and ``g * x`` to its weight, ``g`` being that output's
    ``grad_output``; each output hands ``g`` to its channel's bias.

    Parameters
    ----------
    grad_output : array (N, O, h_out, w_out)
    x, weight, bias, stride, padding, dilation, groups
        As for :func:`conv2d`.

    Returns
    -------
    grad_input : array (N, C, H, W)
    grad_weight : array (O, C / groups, kh, kw)
    grad_bias : array (O,), or None if bias is None

    Raises
    ------
    ValueError
        As for :func:`conv2d`, and if grad_output does not have the output's shape.
    """
    exact = is_exact(x, weight, bias, grad_output)
    batch, _, height, width = _image_shape(x)
    out_channels, group_channels, *kernel_size = check_convolution(x, weight, bias, groups)
    rows = _windows(height, kernel_size[0], stride[0], padding[0], dilation[0])
    columns = _windows(width, kernel_size[1], stride[1], padding[1], dilation[1])
    check_shape("grad_output", grad_output, (batch, out_channels, len(rows), len(columns)))
    image, kernel, gradient = x.tolist(), weight.tolist(), grad_output.tolist()

    grad_input, grad_weight, grad_bias = _zeros(x.shape), _zeros(weight.shape), [0] * out_channels
    for n in range(batch):
        for o in range(out_channels):
            first = o // (out_channels // groups) * group_channels
            for i, vertical in enumerate(rows):
                for j, horizontal in enumerate(columns):
                    g = gradient[n][o][i][j]
                    grad_bias[o] += g
                    for c in range(group_channels):
                        for t, row in vertical:
                            pixels, weights = image[n][first + c][row], kernel[o][c][t]
                            grad_pixels, grad_weights = grad_input[n][first + c][row], grad_weight[o][c][t]
                            for u, column in horizontal:
                                grad_pixels[column] += g * weights[u]
                                grad_weights[u] += g * pixels[column]
    return (
        _array(grad_input, x.shape, x, exact=exact),
        _array(grad_weight, weight.shape, x, exact=exact),
        None if bias is None else _array(grad_bias, bias.shape, x, exact=exact),
    )


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
    """Average each window: the sum of its real elements over its divisor.

    The divisor is ``divisor_override`` if given, whatever ``count_include_pad`` says; else the product of
    :func:`average_extent` along both axes.

    Parameters
    ----------
    x : array (N, C, H, W)
    kernel_size : (int, int)
    stride : (int, int), optional
        The kernel size if None.
    padding : (int, int)
        At most half the kernel, rounded down.
    ceil_mode, count_include_pad : bool
    divisor_override : int, optional
        Any number but 0.

    Returns
    -------
    array (N, C, h_out, w_out)

    Raises
    ------
    ValueError
        If x does not have four axes, padding exceeds half the kernel, divisor_override is 0, or :func:`output_size`
        rejects the window.
    """
    exact = is_exact(x)
    batch, channels, *_ = _image_shape(x)
    rows, columns = _pool_windows(x, kernel_size, stride, padding, (1, 1), ceil_mode=ceil_mode)
    divisors = divisors_of(
        x,
        kernel_size,
        stride,
        padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor_override=divisor_override,
    )
    image = x.tolist()

    y = _zeros((batch, channels, len(rows), len(columns)))
    for n in range(batch):
        for c in range(channels):
            for i, vertical in enumerate(rows):
                for j, horizontal in enumerate(columns):
                    total = 0
                    for _, row in vertical:
                        for _, column in horizontal:
                            total += image[n][c][row][column]
                    y[n][c][i][j] = Fraction(total, divisors[i][j]) if exact else total / divisors[i][j]
    return _array(y, (batch, channels, len(rows), len(columns)), x, exact=exact)


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
    """Differentiate ``sum(grad_output * avg_pool2d(x))``: each window hands ``g / divisor`` to its real elements.

    Parameters
    ----------
    grad_output : array (N, C, h_out, w_out)
    x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        As for :func:`avg_pool2d`. Of x only shape and dtype matter.

    Returns
    -------
    array (N, C, H, W)

    Raises
    ------
    ValueError
        As for :func:`avg_pool2d`, and if grad_output does not have the output's shape.
    """
    exact = is_exact(x, grad_output)
    batch, channels, *_ = _image_shape(x)
    rows, columns = _pool_windows(x, kernel_size, stride, padding, (1, 1), ceil_mode=ceil_mode)
    divisors = divisors_of(
        x,
        kernel_size,
        stride,
        padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor_override=divisor_override,
    )
    check_shape("grad_output", grad_output, (batch, channels, len(rows), len(columns)))
    gradient = grad_output.tolist()

    grad_input = _zeros(x.shape)
    for n in range(batch):
        for c in range(channels):
            for i, vertical in enumerate(rows):
                for j, horizontal in enumerate(columns):
                    g = gradient[n][c][i][j]
                    share = Fraction(g, divisors[i][j]) if exact else g / divisors[i][j]
                    for _, row in vertical:
                        for _, column in horizontal:
                            grad_input[n][c][row][column] += share
    return _array(grad_input, x.shape, x, exact=exact)


def max_pool2d(
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> np.ndarray:
    """Take the maximum of each window; padding is minus infinity.

    A NaN in a window makes its maximum NaN. A window wholly in padding, which dilation makes possible, is minus
    infinity: ``float("-inf")`` in exact arithmetic too, where it is the only element that is not an exact number. What
    is not NaN is an element of the window to the last bit, subnormal or not; a zero has the sign of the first zero in
    the window, but zeros are equal, so the sign of another one is as right.

    Parameters
    ----------
    x : array (N, C, H, W)
    kernel_size : (int, int)
    stride : (int, int), optional
        The kernel size if None.
    padding : (int, int)
        At most half the kernel, rounded down; dilation does not raise the limit.
    dilation : (int, int)
    ceil_mode : bool

    Returns
    -------
    array (N, C, h_out, w_out)

    Raises
    ------
    ValueError
        If x does not have four axes, padding exceeds half the kernel, or :func:`output_size` rejects the window.
    """
    exact = is_exact(x)
    batch, channels, *_ = _image_shape(x)
    rows, columns = _pool_windows(x, kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)
    image = x.tolist()

    y = _zeros((batch, channels, len(rows), len(columns)))
    for n in range(batch):
        for c in range(channels):
            for i, vertical in enumerate(rows):
                for j, horizontal in enumerate(columns):
                    values = [image[n][c][row][column] for _, row in vertical for _, column in horizontal]
                    y[n][c][i][j] = values[winner(values)] if values else -math.inf
    return _array(y, (batch, channels, len(rows), len(columns)), x, exact=exact)


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
    """Differentiate ``sum(grad_output * max_pool2d(x))``: each window hands its ``g`` to its :func:`winner`.

    Overlapping windows add up. A window wholly in padding hands its ``g`` to nobody.

    Parameters
    ----------
    grad_output : array (N, C, h_out, w_out)
    x, kernel_size, stride, padding, dilation, ceil_mode
        As for :func:`max_pool2d`.

    Returns
    -------
    array (N, C, H, W)

    Raises
    ------
    ValueError
        As for :func:`max_pool2d`, and if grad_output does not have the output's shape.
    """
    exact = is_exact(x, grad_output)
    batch, channels, *_ = _image_shape(x)
    rows, columns = _pool_windows(x, kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)
    check_shape("grad_output", grad_output, (batch, channels, len(rows), len(columns)))
    image, gradient = x.tolist(), grad_output.tolist()

    grad_input = _zeros(x.shape)
    for n in range(batch):
        for c in range(channels):
            for i, vertical in enumerate(rows):
                for j, horizontal in enumerate(columns):
                    places = [(row, column) for _, row in vertical for _, column in horizontal]
                    if places:
                        row, column = places[winner([image[n][c][row][column] for row, column in places])]
                        grad_input[n][c][row][column] += gradient[n][c][i][j]
    return _array(grad_input, x.shape, x, exact=exact)


# Columns


def im2col(
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
) -> np.ndarray:
    """Write each window as a column; padding is 0, without a sign.

    Row ``(c * kh + t) * kw + u`` holds tap ``(t, u)`` of channel ``c``, column ``(i * w_out + j) * N + n`` holds window
    ``(i, j)`` of image ``n``: images run fastest.

    Parameters
    ----------
    x : array (N, C, H, W)
    kernel_size, stride, padding, dilation : (int, int)

    Returns
    -------
    array (C * kh * kw, h_out * w_out * N)

    Raises
    ------
    ValueError
        If x does not have four axes, or :func:`output_size` rejects the window.
    """
    exact = is_exact(x)
    batch, channels, height, width = _image_shape(x)
    rows = _windows(height, kernel_size[0], stride[0], padding[0], dilation[0])
    columns = _windows(width, kernel_size[1], stride[1], padding[1], dilation[1])
    image = x.tolist()

    shape = (channels * kernel_size[0] * kernel_size[1], len(rows) * len(columns) * batch)
    result = _zeros(shape)
    for n in range(batch):
        for c in range(channels):
            for i, vertical in enumerate(rows):
                for j, horizontal in enumerate(columns):
                    for t, row in vertical:
                        for u, column in horizontal:
                            line = (c * kernel_size[0] + t) * kernel_size[1] + u
                            result[line][(i * len(columns) + j) * batch + n] = image[n][c][row][column]
    return _array(result, shape, x, exact=exact)


def col2im(
    columns: np.ndarray,
    input_shape: tuple[int, int, int, int],
    kernel_size: Pair,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
) -> np.ndarray:
    """Add each column back onto the pixels it was read from: the adjoint (transpose) of :func:`im2col`.

    Parameters
    ----------
    columns : array (C * kh * kw, h_out * w_out * N)
        Laid out as by :func:`im2col`.
    input_shape : (N, C, H, W)
    kernel_size, stride, padding, dilation : (int, int)

    Returns
    -------
    array (N, C, H, W)
        Of the dtype of columns.

    Raises
    ------
    ValueError
        If columns does not have the shape that :func:`im2col` gives, or :func:`output_size` rejects the window.
    """
    exact = is_exact(columns)
    batch, channels, height, width = check_image_shape(input_shape)
    rows = _windows(height, kernel_size[0], stride[0], padding[0], dilation[0])
    across = _windows(width, kernel_size[1], stride[1], padding[1], dilation[1])
    shape = (channels * kernel_size[0] * kernel_size[1], len(rows) * len(across) * batch)
    check_shape("columns", columns, shape)
    source = columns.tolist()

    result = _zeros(input_shape)
    for n in range(batch):
        for c in range(channels):
            for i, vertical in enumerate(rows):
                for j, horizontal in enumerate(across):
                    for t, row in vertical:
                        for u, column in horizontal:
                            line = (c * kernel_size[0] + t) * kernel_size[1] + u
                            result[n][c][row][column] += source[line][(i * len(across) + j) * batch + n]
    return _array(result, tuple(input_shape), columns, exact=exact)


# Shared by the operators


def _windows(size: int, kernel: int, stride: int, padding: int, dilation: int) -> list[list[tuple[int, int]]]:
    """List the taps of every window along one axis."""
    count = output_size(size, kernel, stride, padding, dilation=dilation)
    return [taps(index, size, kernel, stride, padding, dilation=dilation) for index in range(count)]


def _pool_windows(
    x: np.ndarray, kernel_size: Pair, stride: Pair | None, padding: Pair, dilation: Pair, *, ceil_mode: bool
) -> list[list[list[tuple[int, int]]]]:
    """List the taps of every window of a pool, along the height and along the width."""
    axes = []
    for size, k, s, p, d in zip(x.shape[2:], kernel_size, stride or kernel_size, padding, dilation, strict=True):
        count = output_size(size, k, s, p, dilation=d, ceil_mode=ceil_mode)
        if p > k // 2:
            raise ValueError(f"padding is {p}; a pool's padding must be at most half its kernel_size {k}, so {k // 2}")
        axes.append([taps(index, size, k, s, p, dilation=d) for index in range(count)])
    return axes


def divisors_of(
    x: np.ndarray,
    kernel_size: Pair,
    stride: Pair | None,
    padding: Pair,
    *,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> list[list[int]]:
    """Write out what the sum of each window is divided by."""
    if divisor_override == 0:
        raise ValueError("divisor_override is 0; it must be another number, or None to divide by the window's size")
    extents = []
    for size, k, s, p in zip(x.shape[2:], kernel_size, stride or kernel_size, padding, strict=True):
        count = output_size(size, k, s, p, ceil_mode=ceil_mode)
        extents.append(
            [average_extent(index, size, k, s, p, count_include_pad=count_include_pad) for index in range(count)]
        )
    return [[divisor_override or height * width for width in extents[1]] for height in extents[0]]


def is_exact(*arrays: np.ndarray | None) -> bool:
    """Tell exact numbers from floats, by the dtypes; a mixture, of two kinds of floats too, is refused."""
    dtypes = [array.dtype for array in arrays if array is not None]
    if {dtype.kind for dtype in dtypes} <= set("iuO"):
        return True
    if len(set(dtypes)) == 1 and dtypes[0].kind == "f":
        return False
    raise ValueError(
        f"dtypes are {', '.join(map(str, dtypes))}; give all arrays as floats of one dtype, or all as exact numbers "
        f"(integers or object)"
    )


def _image_shape(x: np.ndarray) -> tuple[int, int, int, int]:
    return check_image_shape(x.shape)


def check_image_shape(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Check that a shape is that of images; return it."""
    if len(shape) != 4 or shape[0] < 0 or min(shape[1:]) < 1:
        raise ValueError(f"the input's shape is {tuple(shape)}; it must be (N, C, H, W), where only N may be 0")
    batch, channels, height, width = shape
    return batch, channels, height, width


def check_convolution(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, groups: int
) -> tuple[int, int, int, int]:
    """Check that the channels fit; return the shape of weight."""
    if weight.ndim != 4 or weight.shape[0] < 1:
        raise ValueError(f"weight has shape {weight.shape}; it must be (O, C / groups, kh, kw), with O at least 1")
    out_channels, group_channels, kernel_height, kernel_width = weight.shape
    if groups < 1 or x.shape[1] % groups or out_channels % groups:
        raise ValueError(
            f"groups is {groups}; it must divide both {x.shape[1]} input and {out_channels} output channels"
        )
    if group_channels != x.shape[1] // groups:
        raise ValueError(
            f"weight has {group_channels} input channels; {x.shape[1]} channels in {groups} groups "
            f"require {x.shape[1] // groups}"
        )
    if bias is not None and bias.shape != (out_channels,):
        raise ValueError(f"bias has shape {bias.shape}; it must be ({out_channels},), one number an output channel")
    return out_channels, group_channels, kernel_height, kernel_width


def check_shape(name: str, array: np.ndarray, expected: tuple[int, ...]) -> None:
    """Check that an array has the shape that the options require."""
    if array.shape != expected:
        raise ValueError(f"{name} has shape {array.shape}; these options require {expected}")


def _zeros(shape: tuple[int, ...]) -> Any:
    """Nest lists of zeros: plain Python numbers, which are exact, and faster one by one than NumPy's."""
    return [_zeros(shape[1:]) for _ in range(shape[0])] if shape else 0


def _array(values: Any, shape: tuple[int, ...], like: np.ndarray, *, exact: bool) -> np.ndarray:
    """Turn nested lists into an array of exact numbers, or of the dtype of ``like``."""
    if exact:
        numbers = np.array(values, dtype=object).reshape(shape)
        return np.asarray(np.frompyfunc(_whole, 1, 1)(numbers), dtype=object)
    with np.errstate(over="ignore"):  # too large for the dtype is infinity, as in IEEE 754
        return np.array(values, dtype=np.float64).reshape(shape).astype(like.dtype)


def _whole(number: Any) -> Any:
    return number.numerator if isinstance(number, Fraction) and number.denominator == 1 else number
