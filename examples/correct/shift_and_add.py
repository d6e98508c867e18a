"""A convolution without columns: a shifted image for each tap of the kernel, times the weights of the tap, added up.

Run it from this folder: convgate gate --subject shift_and_add
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import valid
from valid import Array, Pair


def shifted(padded: Array, weight: Array, size: Pair, stride: Pair, dilation: Pair) -> Iterator[tuple[int, int, Array]]:
    """Each tap of the kernel, with a view of the pixels under it, N x groups x C/groups x h_out x w_out."""
    for t, u in np.ndindex(weight.shape[2:]):
        top, left = t * dilation[0], u * dilation[1]
        bottom, right = top + (size[0] - 1) * stride[0] + 1, left + (size[1] - 1) * stride[1] + 1
        yield t, u, padded[..., top : bottom : stride[0], left : right : stride[1]]


def grouped(array: Array, axis: int, groups: int) -> Array:
    """The same array with its channels' axis split in two: groups, and channels of a group."""
    shape = array.shape
    return array.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])


def conv2d(
    x: Array, weight: Array, bias: Array | None = None, *, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Convolve."""
    size = valid.convolution(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    padded = grouped(np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding))), 1, groups)
    kernels = grouped(weight, 0, groups)
    y = np.zeros((len(x), groups, len(weight) // groups, *size), x.dtype)
    for t, u, pixels in shifted(padded, weight, size, stride, dilation):
        y += np.einsum("ngchw,goc->ngohw", pixels, kernels[..., t, u])
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
    (top, left), (height, width) = padding, x.shape[2:]
    padded = grouped(np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding))), 1, groups)
    kernels, gradient = grouped(weight, 0, groups), grouped(grad_output, 1, groups)
    grad_padded, grad_weight = np.zeros_like(padded), np.zeros(kernels.shape, x.dtype)
    places = shifted(grad_padded, weight, size, stride, dilation)
    for (t, u, pixels), (_, _, sums) in zip(shifted(padded, weight, size, stride, dilation), places, strict=True):
        grad_weight[..., t, u] = np.einsum("ngohw,ngchw->goc", gradient, pixels)
        sums[...] += np.einsum("ngohw,goc->ngchw", gradient, kernels[..., t, u])
    grad_input = grad_padded.reshape(*x.shape[:2], *padded.shape[3:])[..., top : top + height, left : left + width]
    grad_bias = None if bias is None else grad_output.sum(axis=(0, 2, 3))
    return grad_input.copy(), grad_weight.reshape(weight.shape), grad_bias
