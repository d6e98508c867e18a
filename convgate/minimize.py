"""The minimiser: from a failing case to the smallest one that still fails in the same way.

One minimiser serves failures from every source. It is greedy and deterministic: it tries the steps of `simpler`, the
boldest first, takes the first that still fails, and starts over. Every step makes `complexity` smaller, which is a
tuple of natural numbers compared from the left, so it ends; and where it ends, no single step fails any more.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import prod

import numpy as np

from convgate.case import POINTS, Case, Point, array_shapes, as_points, case_rule
from convgate.problem import PAIRS, Problem, swap_axes, with_axis

__all__ = ["Minimum", "complexity", "minimize", "simpler"]

LEAST = {"batch": 1, "size": 1, "kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}
LEAST_OF_AXIS = {name: LEAST[name] for name in PAIRS}
FILLS_BY_SIMPLICITY = (POINTS, "lattice", "ties", "real", "wide", "special")
# More entries than this are not written out one by one.
MOST_POINTS = 600


@dataclass(frozen=True)
class Minimum:
    """Where the minimiser ended.

    Parameters
    ----------
    case : Case
        The smallest case found.
    tried : int
        How many cases were tried on the way.
    """

    case: Case
    tried: int


def minimize(case: Case, still_fails: Callable[[Case], bool]) -> Minimum:
    """Find a case that fails like the given one and that no single step makes smaller.

    Parameters
    ----------
    case : Case
        A failing case.
    still_fails : callable
        Whether another case fails in the same way. Must give the same answer for the same case.

    Returns
    -------
    Minimum
    """
    known: dict[Case, bool] = {}

    def fails(candidate: Case) -> bool:
        if candidate not in known:
            known[candidate] = still_fails(candidate)
        return known[candidate]

    while True:
        found = next((candidate for candidate in simpler(case) if fails(candidate)), None)
        if found is None:
            return Minimum(case, len(known))
        case = found


def complexity(case: Case) -> tuple[int, ...]:
    """How complicated a case is to a person: geometry first, then the way the data are made, then the data."""
    problem = case.problem
    values = [problem.batch, problem.channels, problem.out_channels, problem.groups]
    for name in PAIRS:
        values += getattr(problem, name)
    flags = problem.bias + problem.ceil_mode + (not problem.count_include_pad)
    override = problem.divisor_override
    return (
        sum(distance(value) for value in values) + flags + (0 if override is None else 1 + distance(override)),
        # of two mirror images the one with less height
        *(distance(getattr(problem, name)[0]) for name in PAIRS),
        case.dtype != "f64",
        case.layout != "contiguous",
        FILLS_BY_SIMPLICITY.index(case.fill),
        len(case.points),
        sum(value_complexity(point.value) for point in case.points),
        sum(sum(point.index) for point in case.points),
        case.seed,
    )


def distance(value: int) -> int:
    """A number's size, with negative ones behind positive ones."""
    return 2 * value if value >= 0 else 1 - 2 * value


def value_complexity(value: float) -> int:
    """1 is the simplest value, then small integers, then other numbers."""
    if value == 1:
        return 0
    if not np.isfinite(value):
        return 1 if np.isnan(value) else 2 + (value < 0)
    if value == int(value):
        return 4 + min(2**62, 2 * abs(int(value)) + (value < 0))
    return 2**63


def simpler(case: Case) -> Iterator[Case]:
    """Cases one step simpler than the given one, the boldest first; all of them valid cases of smaller complexity."""
    now = complexity(case)
    for candidate in steps(case):
        if case_rule(candidate) is None and complexity(candidate) < now:
            yield candidate


def steps(case: Case) -> Iterator[Case]:
    """Every step, whether or not it leads to a valid case."""
    for problem in simpler_problems(case.problem):
        yield replace(case, problem=problem)
        if case.points:
            yield cropped(case, problem)
    yield replace(case, dtype="f64")
    yield replace(case, layout="contiguous")
    if case.fill != POINTS:
        yield replace(case, fill="lattice")
        yield from (replace(case, seed=seed) for seed in (0, 1))
        entries = sum(prod(shape) for shape in array_shapes(case.problem).values())
        if entries <= MOST_POINTS and case.operator.broken_rule(case.problem) is None:
            yield as_points(case)
    else:
        yield replace(case, seed=0)
        yield from simpler_points(case)


def simpler_problems(problem: Problem) -> Iterator[Problem]:
    """Problems one step simpler: several options at once, then one by one."""
    if problem.groups > 1:
        yield from fewer_groups(problem)
    # whole groups where there are groups
    unit = max(1, problem.groups)
    yield from (replace(problem, out_channels=unit * fewer) for fewer in smaller(problem.out_channels // unit, 1))
    yield from (replace(problem, channels=unit * fewer) for fewer in smaller(problem.channels // unit, 1))
    for fewer in smaller(problem.batch, 1):
        yield replace(problem, batch=fewer)
    yield replace(problem, bias=False)
    yield replace(problem, ceil_mode=False)
    yield replace(problem, count_include_pad=True)
    if problem.divisor_override is not None:
        yield replace(problem, divisor_override=None)
        yield from (replace(problem, divisor_override=less) for less in smaller(problem.divisor_override, 1))
    for axis in (0, 1):
        yield from simpler_axis(problem, axis)
    yield swap_axes(problem)


def fewer_groups(problem: Problem) -> Iterator[Problem]:
    """Fewer groups with as many channels each; and one group with the channels of all."""
    per_group, multiplier = problem.channels // problem.groups, problem.out_channels // problem.groups
    for groups in smaller(problem.groups, 1):
        yield replace(problem, groups=groups, channels=groups * per_group, out_channels=groups * multiplier)
    yield replace(problem, groups=1)
    yield replace(problem, groups=problem.groups - 1)


def simpler_axis(problem: Problem, axis: int) -> Iterator[Problem]:
    """Make the options of one axis simpler; with a smaller kernel or padding the input may shrink as much."""
    put = partial(with_axis, problem, axis)
    value = {name: getattr(problem, name)[axis] for name in PAIRS}
    yield put(**LEAST_OF_AXIS)
    yield put(**{**LEAST_OF_AXIS, "size": value["size"]})
    for name in ("dilation", "padding", "stride", "kernel_size", "size"):
        yield from (put(**{name: less}) for less in smaller(value[name], LEAST[name]))
    for name in ("kernel_size", "padding", "stride", "dilation"):
        for less in smaller(value[name], LEAST[name]):
            by = value[name] - less
            for shrunk in {by, 2 * by, by * value["dilation"], by * max(1, value["kernel_size"] - 1)}:
                yield put(**{name: less, "size": max(1, value["size"] - shrunk)})
    for less in smaller(value["padding"], 0):
        # the same padded input
        yield put(padding=less, size=value["size"] + value["padding"] - less)
    if value["kernel_size"] > 1:
        yield put(kernel_size=value["kernel_size"] - 1, stride=max(1, value["stride"] - 1))
        yield put(kernel_size=value["kernel_size"] - 1, padding=max(0, value["padding"] - 1))
        yield put(
            kernel_size=value["kernel_size"] - 1, stride=max(1, value["stride"] - 1), size=max(1, value["size"] - 1)
        )


def smaller(value: int, least: int) -> Iterator[int]:
    """The least value, then half way down to it, and so on up to one less than the value; from below, up."""
    if value < least:
        yield from range(value + 1, least)
        return
    gap = value - least
    while gap > 0:
        yield value - gap
        gap //= 2


def cropped(case: Case, problem: Problem) -> Case:
    """Keep the points that lie within the arrays of a smaller problem, moved in where their index is too large."""
    shapes = array_shapes(problem)
    kept: dict[tuple[str, tuple[int, ...]], Point] = {}
    for point in case.points:
        shape = shapes.get(point.array)
        if shape is not None and len(shape) == len(point.index) and 0 not in shape:
            index = tuple(min(i, length - 1) for i, length in zip(point.index, shape, strict=True))
            kept.setdefault((point.array, index), replace(point, index=index))
    return replace(case, problem=problem, points=tuple(kept.values()))


def simpler_points(case: Case) -> Iterator[Case]:
    """Fewer points: half of them, a quarter, ... down to single ones; then simpler values; then earlier places."""
    points = case.points
    size = len(points)
    while size > 0:
        for start in range(0, len(points), size):
            yield replace(case, points=points[:start] + points[start + size :])
        size //= 2
    valid = case.operator.broken_rule(case.problem) is None
    quantum = case.operator.quantum(case.problem) if valid else 1
    for place, point in enumerate(points):
        whole = [float(int(point.value / 2))] if np.isfinite(point.value) else []
        for value in (1.0, float(quantum), -1.0, -float(quantum), 2.0, *whole):
            if value != 0:
                yield replace(case, points=(*points[:place], replace(point, value=value), *points[place + 1 :]))
