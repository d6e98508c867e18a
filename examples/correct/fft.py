"""A convolution by the fast Fourier transform, in the dtype of its arrays.

It is accurate in norm and not entry by entry, and says so: see `error_factor`, derived in docs/normwise.md.
Run it from this folder: convgate gate --subject fft
"""

from math import ceil, log2
from typing import Any

import numpy as np
import valid
from valid import Array, Pair


def circle(size: Pair, padding: Pair) -> Pair:
    """Powers of two that hold the padded image: on a circle of that length nothing wraps around."""
    height, width = (1 << (length + 2 * pad - 1).bit_length() for length, pad in zip(size, padding, strict=True))
    return height, width


def spread(array: Array, steps: Pair) -> Array:
    """The array with zeros between its entries, so that they are `steps` apart."""
    height, width = ((length - 1) * step + 1 for length, step in zip(array.shape[-2:], steps, strict=True))
    wide = np.zeros((*array.shape[:-2], height, width), array.dtype)
    wide[..., :: steps[0], :: steps[1]] = array
    return wide


def transform(array: Array, lengths: Pair) -> Array:
    """Fourier coefficients of each image, filled up with zeros."""
    return np.fft.fft2(array, lengths)


def back(coefficients: Array) -> Array:
    """The real images that have these Fourier coefficients."""
    return np.fft.ifft2(coefficients).real


def conv2d(
    x: Array, weight: Array, bias: Array | None = None, *, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Convolve: every place of the dilated kernel at once, of which the stride leaves some."""
    size = valid.convolution(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    if not len(x):
        return np.zeros((0, len(weight), *size), x.dtype)
    lengths = circle(x.shape[2:], padding)
    images = transform(np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding))), lengths)
    kernels = transform(spread(weight, dilation), lengths)
    images, kernels = images.reshape(len(x), groups, -1, *lengths), kernels.reshape(groups, -1, *kernels.shape[1:])
    everywhere = back(np.einsum("ngchw,gochw->ngohw", images, kernels.conj()))
    height, width = (count * step for count, step in zip(size, stride, strict=True))
    y = everywhere[..., : height : stride[0], : width : stride[1]].reshape(len(x), len(weight), *size)
    return y if bias is None else y + bias[:, None, None]


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
) -> tuple[Array, Array, Any]:
    """Gradients: the image correlated with the gradient, and the gradient convolved with the kernel."""
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    valid.convolution(x, weight, bias, grad_output, groups=groups, **options)
    grad_bias = None if bias is None else grad_output.sum(axis=(0, 2, 3))
    if not len(x):
        return np.zeros_like(x), np.zeros_like(weight), grad_bias
    (top, left), (height, width), (kh, kw) = padding, x.shape[2:], weight.shape[2:]
    lengths = circle(x.shape[2:], padding)
    images = transform(np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding))), lengths)
    kernels = transform(spread(weight, dilation), lengths)
    gradients = transform(spread(grad_output, stride), lengths)
    images, gradients = (array.reshape(len(x), groups, -1, *lengths) for array in (images, gradients))
    kernels = kernels.reshape(groups, -1, *kernels.shape[1:])
    taps = back(np.einsum("ngchw,ngohw->gochw", images, gradients.conj())).reshape(*weight.shape[:2], *lengths)
    pixels = back(np.einsum("ngohw,gochw->ngchw", gradients, kernels)).reshape(*x.shape[:2], *lengths)
    grad_weight = taps[..., : kh * dilation[0] : dilation[0], : kw * dilation[1] : dilation[1]]
    return pixels[..., top : top + height, left : left + width].copy(), grad_weight.copy(), grad_bias


def error_factor(problem: Any) -> float:
    """Unit roundoffs of ||x|| sum |w| by which an output can be off.

    4 a doubling of the length in each of three transforms, 3 for a complex product, one for each addition of channels
    or images and for the bias; 1 % for what is of second order.
    """
    doublings = sum(log2(length) for length in circle(problem.size, problem.padding))
    terms = max(problem.channels // problem.groups, problem.out_channels // problem.groups, problem.batch)
    return float(ceil(1.01 * (3 * 4 * doublings + 3 + terms + 1)))


def supports(problem: Any) -> bool:
    """All of conv2d."""
    return bool(problem.operator == "conv2d")
