"""A convolution and an average pool with a bug each, to see what a failure looks like.

Run it from this folder: convgate gate --subject faulty_subject --html report.html
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import impl

Array = NDArray[Any]
Pair = tuple[int, int]


def conv2d(
    x: Array, weight: Array, bias: Array | None = None, *, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Convolve, window by window; the bug is that columns are strided as rows are."""
    (sh, sw), (ph, pw), (kh, kw) = stride, padding, weight.shape[2:]
    if min(sh, sw, kh, kw, len(weight), *x.shape[2:]) < 1 or min(ph, pw) < 0 or groups != 1 or dilation != (1, 1):
        raise ValueError("sizes must be positive")
    if len({each.dtype for each in (x, weight, bias) if each is not None}) > 1:
        raise TypeError("x, weight and bias must be of one dtype")
    if x.ndim != 4 or weight.shape[1] != x.shape[1] or (bias is not None and bias.shape != weight.shape[:1]):
        raise ValueError("x must be N x C x H x W, weight O x C x kh x kw and bias of length O")
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    height, width = (x.shape[2] - kh) // sh + 1, (x.shape[3] - kw) // sw + 1
    if min(height, width) < 1:
        raise ValueError("the kernel is larger than the padded input")
    y = np.zeros((len(x), len(weight), height, width), x.dtype)
    for i, j in np.ndindex(height, width):
        window = x[:, :, i * sh : i * sh + kh, j * sh : j * sh + kw]
        y[:, :, i, j] = np.einsum("nchw,ochw->no", window, weight[:, :, : window.shape[2], : window.shape[3]])
    return y if bias is None else y + bias[:, None, None]


def avg_pool2d(x: Array, kernel_size: Pair, **options: Any) -> Array:
    """Average windows; the bug is that the divisor counts what overhangs with ceil_mode."""
    if options["ceil_mode"] and options["count_include_pad"] and options["divisor_override"] is None:
        options["divisor_override"] = kernel_size[0] * kernel_size[1]
    return impl.avg_pool2d(x, kernel_size, **options)


max_pool2d = impl.max_pool2d


def supports(problem: Any) -> bool:
    """Neither groups nor dilation, so that the gate does not ask for them."""
    return bool(problem.operator != "conv2d" or (problem.groups == 1 and problem.dilation == (1, 1)))
