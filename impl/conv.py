"""Convolution, forward and backward, as products of matrices with the columns of `im2col`.

What deep learning calls convolution is the cross-correlation of the input with the weight; meanings of the options
are PyTorch's (`torch.nn.functional.conv2d`). With the weight as a matrix W, a row for each filter, with the columns X
and the output as a matrix Y, a column for each place and image, forward is Y = W X, and so backward is

    grad_W = grad_Y X^T    and    grad_X = W^T grad_Y,

grad_X added back to the pixels by `col2im`. Groups are a stack of such products. The columns live only within a call:
they are made again for backward, so that callers keep `x`, which is smaller by a factor of the kernel's size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impl.arrays import check_dtypes, check_images, check_rank, check_shape
from impl.geometry import Windows, count
from impl.im2col import add_columns, take_columns

if TYPE_CHECKING:
    from impl.arrays import Array
    from impl.geometry import Sizes

__all__ = ["conv2d", "conv2d_backward"]


# Overflow and invalid operations follow IEEE 754 without a warning: infinities and NaN are results like others.
@np.errstate(all="ignore")
def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Sizes = (1, 1),
    padding: Sizes = (0, 0),
    dilation: Sizes = (1, 1),
    groups: int = 1,
) -> Array:
    """Convolve a batch of images with a bank of filters.

    Parameters
    ----------
    x : array, N x C_in x H x W, float32 or float64
        The images; N may be 0.
    weight : array, C_out x (C_in/groups) x kh x kw, of the dtype of `x`
        The filters.
    bias : array, C_out, of the dtype of `x`, optional
        Added to each filter's output.
    stride, padding, dilation : int or pair of int
        As in PyTorch. The padding is zeros, on both sides.
    groups : int
        Input and output channels are split into so many groups, each convolved by itself.

    Returns
    -------
    array, N x C_out x h_out x w_out, of the dtype of `x`
        h_out = floor((H + 2*padding - dilation*(kh - 1) - 1) / stride) + 1, and likewise w_out.

    Raises
    ------
    TypeError
        If the arrays are not all float32 or all float64, or an option is not made of integers.
    ValueError
        If the shapes do not fit one another, an option is out of its range, or no window fits.
    """
    windows = _windows(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    columns = take_columns(x, windows, pad_value=0)
    product = _grouped(weight, groups) @ _grouped(columns, groups)
    y = product.reshape(len(weight), *windows.output_size, len(x))
    if bias is not None:
        y += bias.reshape(-1, *[1] * (y.ndim - 1))
    return np.ascontiguousarray(np.moveaxis(y, -1, 0))


@np.errstate(all="ignore")
def conv2d_backward(
    grad_output: Array,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Sizes = (1, 1),
    padding: Sizes = (0, 0),
    dilation: Sizes = (1, 1),
    groups: int = 1,
) -> tuple[Array, Array, Array | None]:
    """Gradients of `conv2d` by its input, weight and bias.

    Parameters
    ----------
    grad_output : array, N x C_out x h_out x w_out, of the dtype of `x`
        Gradient by the output.
    x, weight, bias, stride, padding, dilation, groups
        What `conv2d` was called with.

    Returns
    -------
    grad_input : array, of the shape and dtype of `x`
    grad_weight : array, of the shape and dtype of `weight`
    grad_bias : array, C_out, or None
        None exactly if `bias` is None.

    Raises
    ------
    TypeError, ValueError
        As `conv2d`; and if `grad_output` has not the dtype of `x` or the shape of the output.
    """
    windows = _windows(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    check_dtypes(grad_output=grad_output, x=x)
    output_shape = (len(x), len(weight), *windows.output_size)
    check_shape("grad_output", grad_output.shape, output_shape, "that of the output")
    grad_y = _grouped(np.moveaxis(grad_output, 0, -1), groups)
    grad_weight = grad_y @ _grouped(take_columns(x, windows, pad_value=0), groups).swapaxes(1, 2)
    grad_columns = _grouped(weight, groups).swapaxes(1, 2) @ grad_y
    grad_input = add_columns(grad_columns, len(x), x.shape[1], windows)
    grad_bias = None if bias is None else grad_y.sum(axis=-1).reshape(-1)
    return grad_input, grad_weight.reshape(weight.shape), grad_bias


def _grouped(array: Array, groups: int) -> Array:
    """Stack of matrices, one a group: the first axis split into groups and rows, the others joined to columns."""
    # Contiguous, so that every memory layout takes the same way through the matrix product and rounds alike.
    rows = len(array) // groups
    return np.ascontiguousarray(array).reshape(groups, rows, array[0].size)


def _windows(
    x: Array, weight: Array, bias: Array | None, *, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Windows:
    """Check all arguments of the forward pass against each other, and lay the windows out."""
    check_dtypes(x=x, weight=weight, bias=bias)
    check_images("x", x.shape)
    check_rank("weight", weight.shape, "C_out x C_in/groups x kh x kw")
    groups = count("groups", groups)
    channels, filters = x.shape[1], weight.shape[0]
    if channels % groups:
        raise ValueError(f"groups must divide the {channels} channels of x, got {groups}")
    if filters < 1 or filters % groups:
        raise ValueError(f"groups {groups} must divide the filters of weight, at least 1, got {filters}")
    if weight.shape[1] != channels // groups:
        raise ValueError(
            f"weight must have {channels // groups} channels on axis 1, the {channels} of x over groups {groups}, "
            f"got shape {weight.shape}"
        )
    if bias is not None:
        check_shape("bias", bias.shape, (filters,), "one entry for each filter of weight")
    return Windows.of(x.shape[2:], weight.shape[2:], stride=stride, padding=padding, dilation=dilation)
