"""A convolution without columns: a shifted image for each tap of the kernel, times the weights of the tap, added up.

Run it from this folder: convgate gate --subject shift_and_add
"""

from typing import Any

import numpy as np
import valid
import windows
from valid import Array, Pair


def grouped(array: Array, axis: int, groups: int) -> Array:
    """The same array with its channels' axis split in two: groups, and channels of a group."""
    shape = array.shape
    return array.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])


def conv2d(
    x: Array, weight: Array, bias: Array | None = None, *, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Convolve."""
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    size = valid.convolution(x, weight, bias, None, groups=groups, **options)
    images, kernels = grouped(x, 1, groups), grouped(weight, 0, groups)
    y = np.zeros((len(x), groups, len(weight) // groups, *size), x.dtype)
    for (t, u), inside, pixels in windows.taps(x.shape[2:], size, weight.shape[2:], **options):
        y[inside] += np.einsum("ngchw,goc->ngohw", images[pixels], kernels[..., t, u])
    found: Array = y.reshape(len(x), len(weight), *size)
    return found if bias is None else found + bias[:, None, None]


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
    """Gradients of x, weight and, if there is one, bias."""
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    size = valid.convolution(x, weight, bias, grad_output, groups=groups, **options)
    images, kernels, gradient = grouped(x, 1, groups), grouped(weight, 0, groups), grouped(grad_output, 1, groups)
    grad_input, grad_weight = np.zeros(images.shape, x.dtype), np.zeros(kernels.shape, x.dtype)
    for (t, u), inside, pixels in windows.taps(x.shape[2:], size, weight.shape[2:], **options):
        grad_weight[..., t, u] = np.einsum("ngohw,ngchw->goc", gradient[inside], images[pixels])
        grad_input[pixels] += np.einsum("ngohw,goc->ngchw", gradient[inside], kernels[..., t, u])
    grad_bias = None if bias is None else grad_output.sum(axis=(0, 2, 3))
    return grad_input.reshape(x.shape), grad_weight.reshape(weight.shape), grad_bias
