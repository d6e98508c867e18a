"""Relations that every correct implementation satisfies, whatever the data: no second implementation is needed.

Each takes plain callables, with options already bound, and arrays, and returns ``(left, right)``, which must be equal.
On integers small enough for the dtype both sides are exact but for implementations that are not (Winograd, FFT): round
both to the nearest integer, then compare. The adjoints round by themselves.

The functions are self-contained but for :func:`oracles.exact.exact_dot`, and import nothing but NumPy: reproduction
scripts carry their source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .exact import exact_dot

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "adjoint_of_columns",
    "adjoint_of_gradient",
    "constant_pool",
    "group_of_convolution",
    "image_of_batch",
    "linearity",
    "max_translation",
    "padding_is_zeros",
    "pointwise",
    "row_major",
    "shift",
]


def adjoint_of_gradient(
    forward: Callable[[], np.ndarray],
    backward: Callable[[], Any],
    grad_output: np.ndarray,
    data: np.ndarray,
    gradient: int,
    *,
    bias: np.ndarray | None = None,
) -> tuple[int, int]:
    """``<y, g> == <data, its gradient>``: the gradient of a linear map is its transpose.

    ``y`` must be linear in the data, so an average pool, or a convolution (in x or in the weight), whose bias is a term
    of its own: ``<y, g> == <data, its gradient> + <bias, grad_bias>``. For a maximum it holds too, as long as windows
    keep their winners. In exact integers, each element rounded to the nearest first.

    Parameters
    ----------
    forward, backward : callable
        The results on the data, the gradients in a tuple if there are several.
    grad_output, data : array
    gradient : int
        Which of the gradients is that of the data.
    bias : array, optional
        Its gradient is the last one.
    """
    found = backward()
    gradients = found if isinstance(found, tuple | list) else (found,)
    right = exact_dot(data, gradients[gradient])
    if bias is not None:
        right += exact_dot(bias, gradients[-1])
    return exact_dot(forward(), grad_output), right


def adjoint_of_columns(
    im2col_forward: Callable[[], np.ndarray], col2im_forward: Callable[[np.ndarray], np.ndarray], x: np.ndarray
) -> tuple[int, int]:
    """``<im2col(x), columns> == <x, col2im(columns)>``: each is the transpose of the other."""
    y = im2col_forward()
    columns = (np.arange(y.size).reshape(y.shape) % 7 - 3).astype(x.dtype)
    return exact_dot(y, columns), exact_dot(x, col2im_forward(columns))


def image_of_batch(
    forward: Callable[..., np.ndarray], image: int, *arrays: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compare an image's part of a batch's result with the result of that image alone.

    For a backward function give all the arrays that have a batch axis, such as ``(grad_output, x)``.
    """
    return forward(*arrays)[image : image + 1], forward(*(array[image : image + 1] for array in arrays))


def constant_pool(
    forward: Callable[[np.ndarray], np.ndarray], x: np.ndarray, value: float
) -> tuple[np.ndarray, np.ndarray]:
    """Compare a pool of a constant image of the shape and dtype of x with that constant.

    Where no padding is counted and no divisor overridden.
    """
    y = forward(np.full(x.shape, value, x.dtype))
    return y, np.full(y.shape, value, x.dtype)


def group_of_convolution(
    forward: Callable[[], np.ndarray],
    forward_alone: Callable[..., np.ndarray],
    groups: int,
    group: int,
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Compare a group's part of a grouped convolution with the convolution of that group alone.

    ``forward()`` is the whole, ``forward_alone`` takes x, weight and, if there is one, bias of a single group.
    """

    def part(array: np.ndarray, axis: int) -> np.ndarray:
        return np.split(array, groups, axis)[group]

    alone = [part(x, 1), part(weight, 0)] + ([] if bias is None else [part(bias, 0)])
    return part(forward(), 1), forward_alone(*alone)


def linearity(
    forward: Callable[[np.ndarray], np.ndarray], x: np.ndarray, *, bias: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """``f(x + x') + f(0) == f(x) + f(x')``, with x' all of x in reverse, and f(0) the bias if there is one.

    For a convolution in x or in the weight, and for average pools.
    """
    other = np.flip(x).copy()
    constant = 0 if bias is None else bias[:, None, None]
    return forward(x + other) + constant, forward(x) + forward(other)


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
    forward: Callable[[], np.ndarray],
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    *,
    stride: tuple[int, int],
    groups: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Compare a 1x1 convolution without padding with a matrix product over channels, at the pixels the stride visits.

    ``forward()`` is the convolution, with all arguments bound.
    """
    pixels = x[:, :, :: stride[0], :: stride[1]]
    batch, channels, height, width = pixels.shape
    grouped = pixels.reshape(batch, groups, channels // groups, height * width)
    y = weight.reshape(groups, len(weight) // groups, channels // groups) @ grouped
    y = y.reshape(batch, len(weight), height, width)
    return forward(), y if bias is None else y + bias[:, None, None]


def row_major(
    function: Callable[..., np.ndarray | tuple[np.ndarray | None, ...]], units: tuple[float, ...], *arrays: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compare results on arrays as they lie in memory with results on row-major copies.

    Several results are put into one row, each multiplied by its number of `units`; what is None has none.
    """

    def results(*given: np.ndarray) -> np.ndarray:
        found = function(*given)
        several = [each for each in (found if isinstance(found, tuple | list) else (found,)) if each is not None]
        scaled = [each * factor for each, factor in zip(several, units, strict=True)]
        return scaled[0] if len(scaled) == 1 else np.concatenate([each.ravel() for each in scaled])

    return results(*arrays), results(*(np.array(array, order="C") for array in arrays))


def shift(
    forward: Callable[[np.ndarray], np.ndarray], x: np.ndarray, axis: int, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Drop the first ``stride`` rows of x: the output loses its first row, and nothing else changes.

    The axis is 2 or 3 and has no padding; the output is an image of at least two rows along it.
    """
    along = (slice(None),) * axis
    return forward(x[(*along, slice(stride, None))].copy()), forward(x)[(*along, slice(1, None))]
