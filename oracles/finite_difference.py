"""Gradients from forward values alone, exactly.

A central difference of a linear function has no truncation error at any step, and on integers no rounding error: step
1 gives the true derivative. Convolution is linear in each argument, an average pool is linear, and a max pool is
linear as long as no window changes its winner (:func:`require_max_differentiable`). So the laws below are equalities
of integers, without a tolerance.

Results of the function under test are rounded to the nearest integer first. An implementation that is not exact on
integers (Winograd, FFT) is then forgiven errors below half a unit, and nothing else.

The functions are self-contained but for :func:`oracles.exact.exact_dot`, and import nothing but NumPy: reproduction
scripts carry their source.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from oracles.definition import output_size, taps
from oracles.exact import exact_dot

if TYPE_CHECKING:
    from collections.abc import Callable

    from oracles.definition import Pair

__all__ = [
    "NotDifferentiableError",
    "backward_jacobian",
    "forward_jacobian",
    "projection",
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


def projection(
    forward: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    direction: np.ndarray,
    grad_output: np.ndarray,
    step: int,
) -> int:
    """Project a central difference: ``<forward(x + step * direction) - forward(x - step * direction), grad_output>``.

    The law: it equals ``2 * step * <grad_x, direction>``, where ``grad_x`` is the gradient of
    ``<forward(x), grad_output>``. One evaluation so checks the whole Jacobian, but for a chance.

    Parameters
    ----------
    forward : callable
        Of one array. It is handed arrays of x's dtype.
    x, direction : array
        Integers, of one shape.
    grad_output : array
        Integers, of the output's shape.
    step : int

    Raises
    ------
    ValueError
        If a result is NaN or infinite, or does not have grad_output's shape.
    """
    move = (step * direction).astype(np.int64).astype(x.dtype)
    return exact_dot(forward(x + move), grad_output) - exact_dot(forward(x - move), grad_output)


def forward_jacobian(forward: Callable[[np.ndarray], np.ndarray], x: np.ndarray, step: int) -> np.ndarray:
    """Difference along every basis vector at once, all perturbed images in one batch.

    With :func:`backward_jacobian` the law ``forward_jacobian == 2 * backward_jacobian.T`` proves the gradient of this
    shape at this point (for a linear function: everywhere).

    Parameters
    ----------
    forward : callable
        Of a batch of images; image by image independent.
    x : array (1, C, H, W)
        Integers.
    step : int

    Returns
    -------
    object array (x.size, output.size) of int
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
    plus, minus = np.vectorize(round, otypes=[object])(y).reshape(2, x.size, y.size // (2 * x.size))
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
    object array (output.size, x.size) of int
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
    return np.asarray(np.vectorize(round, otypes=[object])(gradients).reshape(size, x.size))


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
    if np.isnan(x.astype(np.float64)).any():
        raise NotDifferentiableError("x has a NaN, which wins its windows whatever the step; give numbers")
    rows, columns = (
        [taps(i, size, k, s, p, dilation=d) for i in range(output_size(size, k, s, p, dilation=d, ceil_mode=ceil_mode))]
        for size, k, s, p, d in zip(x.shape[2:], kernel_size, stride or kernel_size, padding, dilation, strict=True)
    )
    image = x.tolist()
    for n, c, (i, vertical), (j, horizontal) in product(
        range(x.shape[0]), range(x.shape[1]), enumerate(rows), enumerate(columns)
    ):
        values = sorted(image[n][c][row][column] for _, row in vertical for _, column in horizontal)
        if len(values) > 1 and not values[-1] - values[-2] > 2 * step:
            raise NotDifferentiableError(
                f"window ({i}, {j}) of channel {c} of image {n} has maxima {values[-1]} and {values[-2]}, at most "
                f"{2 * step} apart; a step of {step} may change its winner, so spread the values or take a smaller step"
            )
