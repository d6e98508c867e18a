"""Which entries the definition determines where data are not finite, and which may also be NaN.

The definition leaves out every tap in padding. Sound implementations may multiply there instead: columns hold zeros for
padding, and a transposed convolution puts zeros between and around the entries of grad_output. Such a hole adds
nothing as long as its other factor is finite, and makes the sum NaN where it is not. So an entry for which a number
that is not finite meets a hole is either what the definition says or NaN. All others are determined.

- ``y``: a weight whose tap lies in padding.
- ``grad_weight``: an entry of grad_output whose window has this tap in padding.
- ``grad_input``: a weight of the group whose tap has no entry of grad_output to reach this pixel with.

Each is a count: all factors that are not finite, less those that have a partner. The partners are counted by the
definition itself, on arrays of zeros and ones.

No other hole is excused. A pixel that no window reads with a tap may not show in that tap's gradient, nor one between
the taps of a dilated kernel in ``y``: the definition says which pixels are read. Pools and columns multiply by nothing,
and what they hand on is determined.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from convgate.oracle_list import Certified, vectorized
from convgate.problems.operators import OPERATORS, Array, Arrays, perform
from convgate.problems.problem import Problem

__all__ = ["excused", "undetermined"]


def undetermined(problem: Problem, values: Arrays, output: str, oracle: Any = vectorized) -> Array | None:
    """The entries of an output that may also be NaN.

    Parameters
    ----------
    problem : Problem
        A valid one.
    values : mapping of str to ndarray
        Its arrays by name.
    output : str
        A name of an output.
    oracle : Any
        The definition, or what is equal to it on small integers in float64.

    Returns
    -------
    ndarray of bool or None
        Of a shape that broadcasts to that of the output; None if all entries are determined.
    """
    count = COUNTS.get(output) if problem.operator == "conv2d" else None
    if count is None:
        return None
    special = (~np.isfinite(values["grad_output" if output == "grad_weight" else "weight"])).astype(np.float64)
    if not special.any():
        return None
    met: Array = count(problem, special, oracle) > 0
    return met if met.any() else None


def excused(actual: Any, expected: Certified | Array, undetermined: Array | None) -> Any:
    """What a subject returned, with NaN replaced by what is expected where it may also be NaN."""
    if undetermined is None or type(actual) is not np.ndarray or actual.shape != expected.shape:
        return actual
    if actual.dtype.kind != "f":
        return actual
    return np.where(undetermined & np.isnan(actual), np.asarray(expected, actual.dtype), actual)


def of_y(problem: Problem, special: Array, oracle: Any) -> Array:
    """Taps in padding, by filter and place: all of a filter's special weights less those on a pixel."""
    each = special.sum(axis=1, keepdims=True)
    small = reduced(problem, channels=problem.groups)
    ones = np.ones((1, problem.groups, *problem.size))
    partners = perform(oracle, OPERATORS["conv2d"].forward(small), {"x": ones, "weight": each})["y"]
    holes: Array = each.sum(axis=(1, *spatial(each))).reshape(-1, *(1 for _ in problem.axes)) - partners
    return holes


def of_grad_input(problem: Problem, special: Array, oracle: Any) -> Array:
    """Taps that no place reaches a pixel with, by channel and pixel; the weights of a group's filters are counted."""
    groups = problem.groups
    each = special.reshape(groups, -1, *special.shape[1:]).sum(axis=1)
    small = reduced(problem, out_channels=groups)
    arrays = {
        "x": np.ones((1, problem.channels, *problem.size)),
        "weight": each,
        "grad_output": np.ones((1, groups, *problem.output_size)),
    }
    partners = gradients(small, arrays, oracle)["grad_input"]
    holes: Array = each.sum(axis=spatial(each)).reshape(1, -1, *(1 for _ in problem.axes)) - partners
    return holes


def of_grad_weight(problem: Problem, special: Array, oracle: Any) -> Array:
    """Places that have a tap in padding, by filter and tap; those of all images are counted."""
    each = special.sum(axis=0, keepdims=True)
    small = reduced(problem, channels=problem.groups)
    arrays = {
        "x": np.ones((1, problem.groups, *problem.size)),
        "weight": np.ones((problem.out_channels, 1, *problem.kernel_size)),
        "grad_output": each,
    }
    partners = gradients(small, arrays, oracle)["grad_weight"]
    holes: Array = each.sum(axis=(0, *spatial(each))).reshape(-1, 1, *(1 for _ in problem.axes)) - partners
    return holes


COUNTS: dict[str, Callable[[Problem, Array, Any], Array]] = {
    "y": of_y,
    "grad_input": of_grad_input,
    "grad_weight": of_grad_weight,
}


def spatial(array: Array) -> tuple[int, ...]:
    """Numbers of the axes of an array that are spatial."""
    return tuple(range(2, array.ndim))


def reduced(problem: Problem, **counts: int) -> Problem:
    """One image of it, without a bias, and with other counts of channels."""
    return replace(problem, batch=1, bias=False, **counts)  # type: ignore[arg-type]


def gradients(problem: Problem, arrays: Arrays, oracle: Any) -> Arrays:
    """What the backward call returns."""
    backward = OPERATORS["conv2d"].backward
    return {} if backward is None else perform(oracle, backward(problem), arrays)
