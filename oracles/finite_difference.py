"""Gradients from forward values alone, exactly.

A central difference of a linear function has no truncation error at any step, and on integers no rounding error: step
1 gives the true derivative. Convolution is linear in each argument, an average pool is linear, and a max pool is
linear as long as no window changes its winner (:func:`require_max_differentiable`). So the laws below are equalities
of integers, without a tolerance.

Results of the function under test are rounded to the nearest integer first. An implementation that is not exact on
integers (Winograd, FFT) is then forgiven errors below half a unit, and nothing else.

The functions are self-contained but for :func:`oracles.exact.exact_dot`, and import nothing but NumPy, as reproduction
scripts carry their source; all but :func:`require_max_differentiable`, which no script needs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .exact import exact_dot
from .vectorized import axes_of, pixels_seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from .definition import Pair

__all__ = [
    "NotDifferentiableError",
    "backward_jacobian",
    "central_difference",
    "forward_jacobian",
    "jacobians",
    "random_direction",
    "require_max_differentiable",
]


class NotDifferentiableError(ValueError):
    """The step is so large that the winner of a window may change, so the difference is no derivative."""


def random_direction(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Draw a direction with entries -1, 0 and 1, not all of them 0 unless there are none.

    Returns
    -------
    float64 array
    """
    direction = np.random.default_rng(seed).integers(-1, 2, size=shape).astype(np.float64)
    if direction.size and not direction.any():
        direction.flat[seed % direction.size] = 1.0
    return direction


def central_difference(
    forward: Callable[..., np.ndarray],
    backward: Callable[[], Any],
    arrays: tuple[np.ndarray, ...],
    grad_output: np.ndarray,
    gradients: tuple[int, ...],
    step: int,
    seed: int,
) -> tuple[int, int]:
    """Compare gradients with a central difference along random directions, all arrays moved at once.

    The law: ``<f(a + s d) - f(a - s d), g> == 2 s sum_k <grad_k, d_k>``, where ``grad_k`` is the gradient of
    ``<f(a), g>`` by array k. It is exact for a convolution moved in x, weight and bias together, which is bilinear:
    ``(x + d)(w + e) - (x - d)(w - e) == 2 (x e + d w)``, as the terms of second order cancel. One difference so checks
    all gradients, but for a chance.

    Parameters
    ----------
    forward : callable
        Of the arrays. It is handed arrays of their dtype.
    backward : callable
        The gradients, in a tuple if there are several.
    arrays : tuple of array
        Integers.
    grad_output : array
        Integers, of the output's shape.
    gradients : tuple of int
        Which of the gradients belongs to each of the arrays.
    step : int
    seed : int
        Of the directions.

    Returns
    -------
    slope, difference : int
        Twice the step times the slope by the backward pass, and the difference of the forward pass.

    Raises
    ------
    ValueError
        If a result is NaN or infinite, or does not have the shape that it must have.
    """
    found = backward()
    results = found if isinstance(found, tuple | list) else (found,)
    directions = [random_direction(array.shape, seed + number) for number, array in enumerate(arrays)]
    moves = [(step * direction).astype(array.dtype) for array, direction in zip(arrays, directions, strict=True)]
    ahead = forward(*(array + move for array, move in zip(arrays, moves, strict=True)))
    behind = forward(*(array - move for array, move in zip(arrays, moves, strict=True)))
    slopes = [exact_dot(results[number], along) for number, along in zip(gradients, directions, strict=True)]
    return 2 * step * sum(slopes), exact_dot(ahead, grad_output) - exact_dot(behind, grad_output)


def jacobians(
    forward: Callable[[np.ndarray], np.ndarray],
    backward: Callable[[np.ndarray, np.ndarray], np.ndarray],
    x: np.ndarray,
    grad_output: np.ndarray,
    step: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Compare all gradients of the first image with all central differences of its outputs.

    The law: ``forward_jacobian == 2 * backward_jacobian.T``, which proves the gradient of this shape at this point (for
    a linear function: everywhere).
    """
    image, shape = x[:1], (1, *grad_output.shape[1:])
    return 2 * backward_jacobian(backward, image, shape, step).T, forward_jacobian(forward, image, step)


def forward_jacobian(forward: Callable[[np.ndarray], np.ndarray], x: np.ndarray, step: int) -> np.ndarray:
    """Difference along every basis vector at once, all perturbed images in one batch.

    Parameters
    ----------
    forward : callable
        Of a batch of images; image by image independent.
    x : array (1, C, H, W)
        Integers.
    step : int

    Returns
    -------
    array (x.size, output.size) of integers
        Row i is ``forward(x + step * e_i) - forward(x - step * e_i)``.

    Raises
    ------
    ValueError
        If x is not one image, or a result is NaN or infinite.
    """
    if x.shape[0] != 1 or not x.size:
        raise ValueError(f"x has shape {x.shape}; give one image, (1, C, H, W)")
    moves = step * np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape[1:])
    y = forward(np.concatenate([x + moves, x - moves]))
    if not np.isfinite(y.astype(np.float64)).all():
        raise ValueError("forward gives NaN or infinity on finite integers; a difference needs finite values")
    plus, minus = np.rint(y.astype(np.float64)).reshape(2, x.size, y.size // (2 * x.size))
    return np.asarray(plus - minus)


def backward_jacobian(
    backward: Callable[[np.ndarray, np.ndarray], np.ndarray], x: np.ndarray, output_shape: tuple[int, ...], step: int
) -> np.ndarray:
    """Gradient of every output at once, all multiples of basis vectors in one batch of grad_outputs.

    Parameters
    ----------
    backward : callable
        Of (grad_output, x), giving the gradient of x; image by image independent.
    x : array (1, C, H, W)
        Integers.
    output_shape : (1, O, h_out, w_out)
    step : int

    Returns
    -------
    array (output.size, x.size) of integers
        Row j is the gradient of ``step * y_j``.

    Raises
    ------
    ValueError
        If x is not one image, or a result is NaN or infinite.
    """
    if x.shape[0] != 1 or not x.size:
        raise ValueError(f"x has shape {x.shape}; give one image, (1, C, H, W)")
    size = int(np.prod(output_shape))
    grad_outputs = step * np.eye(size, dtype=x.dtype).reshape(size, *output_shape[1:])
    gradients = backward(grad_outputs, np.repeat(x, size, axis=0))
    if not np.isfinite(gradients.astype(np.float64)).all():
        raise ValueError("backward gives NaN or infinity on finite integers; a Jacobian needs finite values")
    return np.asarray(np.rint(gradients.astype(np.float64)).reshape(size, x.size))


def require_max_differentiable(
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
    step: int = 1,
) -> None:
    """Check that no window of a max pool can change its winner when every element moves by at most ``step``.

    That is so where the two largest real elements of each window lie more than ``2 * step`` apart.

    Raises
    ------
    NotDifferentiableError
        If they do not; it names the window and the two values.
    ValueError
        If the pool itself is not valid.
    """
    if np.isnan(x).any():
        raise NotDifferentiableError("x has a NaN, which wins its windows whatever the step; give numbers")
    axes = axes_of(x.shape[2:], kernel_size, stride or kernel_size, padding, dilation, ceil_mode=ceil_mode)
    planes = x.astype(np.float64).reshape(math.prod(x.shape[:2]), math.prod(x.shape[2:]))
    if math.prod(kernel_size) == 1 or not planes.size:
        return
    padded = np.concatenate([planes, np.full((len(planes), 1), -np.inf)], axis=1)
    second, first = np.partition(padded[:, pixels_seen(axes)], (-2, -1), axis=1)[:, -2:].swapaxes(0, 1)
    with np.errstate(invalid="ignore"):
        # a lone element in its window has nothing but minus infinity beside it; one of none is no maximum at all
        close = ~(first - second > 2 * step) & (second > -np.inf)
    if close.any():
        plane, place = (int(i) for i in np.argwhere(close)[0])
        (image, channel), (row, column) = divmod(plane, x.shape[1]), divmod(place, axes[1].count)
        raise NotDifferentiableError(
            f"window ({row}, {column}) of channel {channel} of image {image} has maxima {first[plane, place]} and "
            f"{second[plane, place]}, at most {2 * step} apart; a step of {step} may change its winner, so spread the "
            f"values or take a smaller step"
        )
