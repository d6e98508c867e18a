"""A 3 x 3 convolution by Winograd's F(2 x 2, 3 x 3): 16 products for 4 outputs, where the definition takes 36.

Every tile of 4 x 4 pixels d and every kernel g give 2 x 2 outputs A^T [(G g G^T) * (B^T d B)] A. It is accurate in norm
and not entry by entry, and says so: see `error_factor`, derived in docs/normwise.md.
Run it from this folder: convgate gate --subject winograd
"""

from typing import Any

import numpy as np
import valid
from valid import Array, Pair

A_T = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
B_T = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])


def on_both_axes(matrix: Array, tiles: Array) -> Array:
    """The products M t M^T with the last two axes of an array, in its dtype."""
    m = matrix.astype(tiles.dtype)
    return np.asarray(m @ tiles @ m.T)


def correlate(padded: Array, weight: Array, groups: int) -> Array:
    """Outputs at all places of a 3 x 3 kernel: of images N x C x H x W, N x O x (H - 2) x (W - 2)."""
    batch, channels, height, width = padded.shape
    rows, columns = -(-(height - 2) // 2), -(-(width - 2) // 2)
    filled = np.zeros((batch, channels, 2 * rows + 2, 2 * columns + 2), padded.dtype)
    filled[..., :height, :width] = padded
    tiles = np.lib.stride_tricks.sliding_window_view(filled, (4, 4), axis=(2, 3))[:, :, ::2, ::2]
    tiles = on_both_axes(B_T, tiles).reshape(batch, groups, channels // groups, rows, columns, 4, 4)
    kernels = on_both_axes(G, weight).reshape(groups, -1, channels // groups, 4, 4)
    y = on_both_axes(A_T, np.einsum("ngcrsij,gocij->ngorsij", tiles, kernels))
    y = y.reshape(batch, len(weight), rows, columns, 2, 2).swapaxes(3, 4)
    return y.reshape(batch, len(weight), 2 * rows, 2 * columns)[..., : height - 2, : width - 2]


def require(x: Array, weight: Array, *arrays: Array | None, **options: Any) -> None:
    """Raise if the arguments are invalid, or not for this algorithm."""
    valid.convolution(x, weight, *arrays, **options)
    if weight.shape[2:] != (3, 3) or options["stride"] != (1, 1) or options["dilation"] != (1, 1):
        raise NotImplementedError("F(2 x 2, 3 x 3) is for kernels of 3 x 3, stride 1 and dilation 1")


def conv2d(
    x: Array, weight: Array, bias: Array | None = None, *, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Convolve."""
    require(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    y = correlate(np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding))), weight, groups)
    return y.copy() if bias is None else y + bias[:, None, None]


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
    """Gradients: that of x is the gradient convolved with the turned kernel; that of the weight is added up."""
    require(x, weight, bias, grad_output, stride=stride, padding=padding, dilation=dilation, groups=groups)
    (top, left), (height, width) = padding, x.shape[2:]
    turned = weight[..., ::-1, ::-1].reshape(groups, -1, *weight.shape[1:]).swapaxes(1, 2)
    turned = turned.reshape(x.shape[1], -1, 3, 3)
    everywhere = correlate(np.pad(grad_output, ((0, 0), (0, 0), (2, 2), (2, 2))), turned, groups)
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, grad_output.shape[2:], axis=(2, 3))
    windows = windows.reshape(len(x), groups, weight.shape[1], *windows.shape[2:])
    gradient = grad_output.reshape(len(x), groups, len(weight) // groups, *grad_output.shape[2:])
    grad_weight = np.einsum("ngctuhw,ngohw->goctu", windows, gradient).reshape(weight.shape)
    grad_bias = None if bias is None else grad_output.sum(axis=(0, 2, 3))
    return everywhere[..., top : top + height, left : left + width].copy(), grad_weight, grad_bias


def error_factor(problem: Any) -> float:
    """Unit roundoffs of ||x|| sum |w| by which an output can be off: 8 times the roundings on the way to it."""
    terms = max(problem.channels, problem.out_channels) // problem.groups
    return float(8 * 1.01 * (terms + 11))


def supports(problem: Any) -> bool:
    """Kernels of 3 x 3 at every place."""
    shape = (problem.kernel_size, problem.stride, problem.dilation)
    return bool(problem.operator == "conv2d" and shape == ((3, 3), (1, 1), (1, 1)))
