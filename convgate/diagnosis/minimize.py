"""The minimiser: from a failing case to the smallest one that still fails in the same way.

One minimiser serves failures from every source. It is greedy and deterministic: it tries the steps of `simpler`, the
largest first, takes the first that still fails, and starts over. Every step reduces `complexity`, a tuple of natural
numbers in lexicographic order, so the minimiser terminates, and no single step from its result still fails. (If the
subject crashes or hangs, `convgate.diagnosis.reduce` stops after a limited number of tries.)
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from math import frexp, isfinite, isnan
from typing import TypeVar

from convgate.cases.case import POINTS, Case, case_rule
from convgate.cases.fills import FILLS
from convgate.cases.layouts import LAYOUTS
from convgate.diagnosis.moves import moves_of
from convgate.problems.axis import Axis

__all__ = ["Minimum", "complexity", "descend", "minimize", "simpler"]

S = TypeVar("S", bound=Hashable)

ARRAYS = ("", "x", "columns", "weight", "bias", "grad_output")


@dataclass(frozen=True)
class Minimum:
    """The result of the minimiser.

    Parameters
    ----------
    case : Case
        The smallest case found.
    tried : int
        Number of cases tried.
    """

    case: Case
    tried: int


def minimize(case: Case, still_fails: Callable[[Case], bool], *, data: bool = True) -> Minimum:
    """Find a case that fails like the given one, such that no simpler case one step away does.

    Parameters
    ----------
    case : Case
        A failing case.
    still_fails : callable
        Whether another case fails in the same way. Must be deterministic.
    data : bool
        Whether to simplify the data too, down to single non-zero entries; not useful if only shapes matter.

    Returns
    -------
    Minimum
    """
    return Minimum(*descend(case, partial(simpler, data=data), still_fails))


def descend(start: S, steps: Callable[[S], Iterator[S]], holds: Callable[[S], bool]) -> tuple[S, int]:
    """Take the first step to where something still holds, and so on until no step leads there.

    Parameters
    ----------
    start : hashable
        Where to start: a case, or several.
    steps : callable
        What is one step simpler, the boldest first. No way of steps may lead back.
    holds : callable
        Whether it still does; asked once for each state.

    Returns
    -------
    state, int
        Where it ended, and how many states were tried on the way.
    """
    known: dict[S, bool] = {}

    def still(state: S) -> bool:
        if state not in known:
            known[state] = holds(state)
        return known[state]

    while True:
        found = next((state for state in steps(start) if still(state)), None)
        if found is None:
            return start, len(known)
        start = found


def simpler(case: Case, *, data: bool = True) -> Iterator[Case]:
    """Valid cases one step simpler than the given one, the largest step first."""
    now = complexity(case)
    for candidate in moves_of(case, data=data):
        if case_rule(candidate) is None and complexity(candidate) < now:
            yield candidate


def complexity(case: Case) -> tuple[int, ...]:
    """How complicated a case is for people: by geometry, then by the kind of data, then by the data.

    A pixel of padding counts as three pixels of input, so that a larger input without padding is simpler, and an image
    as two, so that one wider image is simpler than two. Between height and width, the larger one should be the width.
    """
    problem = case.problem
    override = problem.divisor_override
    options = (
        2 * abs(problem.batch - 1),
        *(distance(value - 1) for value in (problem.channels, problem.out_channels, problem.groups)),
        *(sum(distances(axis)) + 2 * distance(axis.padding) for axis in problem.axes),
        problem.bias,
        problem.ceil_mode,
        not problem.count_include_pad,
        0 if override is None else 1 + abs(override - 2),
    )
    return (
        sum(options),
        *(each for axis in problem.axes[:-1] for each in distances(axis)),
        case.dtype != "f64",
        list(LAYOUTS).index(case.layout),
        not case.laid_out,
        ARRAYS.index(case.laid_out),
        [POINTS, *FILLS].index(case.fill),
        len(case.points),
        sum(value_complexity(point.value) for point in case.points),
        sum(sum(point.index) for point in case.points),
        case.seed,
    )


def distances(axis: Axis) -> tuple[int, ...]:
    """How far the options of an axis are from the simplest."""
    values = (axis.size - 1, axis.kernel_size - 1, axis.stride - 1, axis.padding, axis.dilation - 1)
    return tuple([distance(value) for value in values])


def distance(value: int) -> int:
    """The size of a number; negative ones are larger than positive ones."""
    return value if value >= 0 else 1 - 2 * value


def value_complexity(value: float) -> int:
    """How complicated a value is: 1 is the simplest, then small integers, then other numbers."""
    if value == 1:
        return 0
    if not isfinite(value):
        return 1 if isnan(value) else 2 + (value < 0)
    if value == int(value) and abs(value) < 2**60:
        return 4 + 2 * abs(int(value)) + (value < 0)
    # very large and very small numbers
    significand, exponent = frexp(value)
    return 2**62 + (2**61 if abs(significand) != 0.5 else 0) + 2 * abs(exponent) + (value < 0)
