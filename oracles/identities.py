"""Relations that every correct implementation satisfies, whatever the data: no second implementation is needed.

Each takes plain callables, with options already bound, and arrays, and returns ``(left, right)``, which must be equal.
On integers small enough for the dtype both sides are exact but for implementations that are not (Winograd, FFT): round
both to the nearest integer, then compare. :func:`adjoint` rounds by itself.

The functions are self-contained but for :func:`oracles.exact.exact_dot`, and import nothing but NumPy: reproduction
scripts carry their source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oracles.exact import exact_dot

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "adjoint",
    "batch_independence",
    "columns_product",
    "constant_pool",
    "group_split",
    "linearity",
    "max_translation",
    "padding_is_zeros",
    "pointwise",
    "shift",
]


def adjoint(
    forward: Callable[[np.ndarray], np.ndarray],
    backward: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    grad_output: np.ndarray,
) -> tuple[int, int]:
    """``<forward(x), g> == <x, backward(g)>``: the gradient of a linear map is its transpose.

    ``forward`` must be linear, so a convolution without bias (in x or in the weight), an average pool, or im2col, whose
    transpose is col2im. In exact integers, each element rounded to the nearest first.
    """
    return exact_dot(forward(x), grad_output), exact_dot(x, backward(grad_output))


def batch_independence(forward: Callable[..., np.ndarray], *arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compare a batch with its images one by one.

    For a backward function give all the arrays that have a batch axis, such as ``(grad_output, x)``. At least one
    image.
    """
    images = range(len(arrays[0]))
    return forward(*arrays), np.concatenate([forward(*(array[n : n + 1] for array in arrays)) for n in images])


def columns_product(
    conv_forward: Callable[[np.ndarray, np.ndarray], np.ndarray],
    im2col_forward: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    weight: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """``conv(x, w) == w as a matrix @ im2col(x)``, for one group and no bias."""
    y = conv_forward(x, weight)
    batch, channels, height, width = y.shape
    flat = weight.reshape(channels, -1) @ im2col_forward(x)
    return y, flat.reshape(channels, height, width, batch).transpose(3, 0, 1, 2)


def constant_pool(
    forward: Callable[[np.ndarray], np.ndarray],
    value: float,
    shape: tuple[int, ...],
    dtype: np.dtype,
) -> tuple[np.ndarray, np.ndarray]:
    """Compare a pool of a constant image with that constant, where no padding is counted and no divisor overridden."""
    y = forward(np.full(shape, value, dtype))
    return y, np.full(y.shape, value, dtype)


def group_split(
    forward: Callable[[np.ndarray, np.ndarray, np.ndarray | None, int], np.ndarray],
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    groups: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Compare a grouped convolution with its groups side by side; ``forward(x, weight, bias, groups)``."""
    images, kernels = np.split(x, groups, axis=1), np.split(weight, groups)
    biases = [None] * groups if bias is None else np.split(bias, groups)
    parts = [forward(image, kernel, offset, 1) for image, kernel, offset in zip(images, kernels, biases, strict=True)]
    return forward(x, weight, bias, groups), np.concatenate(parts, axis=1)


def linearity(
    forward: Callable[[np.ndarray], np.ndarray], x1: np.ndarray, x2: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``f(x1 + x2) == f(x1) + f(x2)``, for a convolution without bias in x or in the weight, and for average pools."""
    return forward(x1 + x2), forward(x1) + forward(x2)


def max_translation(
    forward: Callable[[np.ndarray], np.ndarray], x: np.ndarray, constant: int
) -> tuple[np.ndarray, np.ndarray]:
    """``max_pool(x + c) == max_pool(x) + c``, also where padding takes part, for it is minus infinity."""
    return forward(x + constant), forward(x) + constant


def padding_is_zeros(
    forward_padded: Callable[[np.ndarray], np.ndarray],
    forward_bare: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    padding: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Compare padding by option with zeros put around by hand; for a convolution, or im2col."""
    height, width = padding
    return forward_padded(x), forward_bare(np.pad(x, ((0, 0), (0, 0), (height, height), (width, width))))


def pointwise(
    forward: Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray],
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    *,
    stride: tuple[int, int],
    groups: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Compare a 1x1 convolution without padding with a matrix product over channels, at the pixels the stride visits.

    ``forward(x, weight, bias)``, with stride and groups bound.
    """
    pixels = x[:, :, :: stride[0], :: stride[1]]
    batch, channels, height, width = pixels.shape
    grouped = pixels.reshape(batch, groups, channels // groups, height * width)
    y = weight.reshape(groups, len(weight) // groups, channels // groups) @ grouped
    y = y.reshape(batch, len(weight), height, width)
    return forward(x, weight, bias), y if bias is None else y + bias[:, None, None]


def shift(
    forward: Callable[[np.ndarray], np.ndarray], x: np.ndarray, axis: int, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Drop the first ``stride`` rows of x: the output loses its first row, and nothing else changes.

    The axis is 2 or 3 and has no padding; the output is an image of at least two rows along it.
    """
    rest = np.delete(x, np.s_[:stride], axis=axis)
    return forward(rest), np.delete(forward(x), 0, axis=axis)
