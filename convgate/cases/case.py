"""Cases: a problem with a dtype, a memory layout and the data, all given by a few words and numbers."""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import isinf

import numpy as np

from convgate.cases.dtypes import DTYPES, WIDEST
from convgate.cases.fills import FILLS, fills_of
from convgate.cases.lattice import Lattice, lattice_of
from convgate.cases.layouts import LAYOUTS
from convgate.cases.rules import ARGUMENTS, calls_broken_by, rules_of
from convgate.problems.operators import OPERATORS, Array, Arrays, Call, Operator, Shape
from convgate.problems.problem import Problem

__all__ = [
    "POINTS",
    "Case",
    "Point",
    "array_shapes",
    "as_points",
    "broken_rule",
    "case_rule",
    "invalid_calls",
    "lattice_of_case",
    "lay_out",
    "rule_of_problem",
    "values_of",
    "wide_enough",
]

POINTS = "points"
# Problems of which it is kept which rule they break, as that is asked for several times.
KEPT = 1024


@dataclass(frozen=True, order=True)
class Point:
    """One entry of an array that is not zero.

    Parameters
    ----------
    array : str
        Name of the array.
    index : tuple of int
        The entry's index.
    value : float
        Its value, which a dtype of the case can hold.
    """

    array: str
    index: tuple[int, ...]
    value: float


@dataclass(frozen=True, kw_only=True)
class Case:
    """One problem with data: it gives the same arrays wherever and whenever it is asked.

    Parameters
    ----------
    problem : Problem
        Geometry and options.
    dtype : str
        "f32" or "f64", of every array.
    layout : str
        A key of `convgate.cases.layouts.LAYOUTS`.
    laid_out : str
        The one array that has this layout, while the others are contiguous; empty for all of them.
    fill : str
        A key of `convgate.cases.fills.FILLS`, or "points".
    seed : int
        Of the fill; at least 0.
    points : tuple of Point
        With the fill "points": all that is not zero.
    broken : str
        A key of `convgate.cases.rules.ARGUMENTS`: the rule that an array of it breaks; empty for a valid case, and
        where the problem itself is invalid.
    """

    problem: Problem
    dtype: str = "f64"
    layout: str = "contiguous"
    laid_out: str = ""
    fill: str = "lattice"
    seed: int = 0
    points: tuple[Point, ...] = ()
    broken: str = ""

    @property
    def operator(self) -> Operator:
        """The operator of the problem."""
        return OPERATORS[self.problem.operator]


def array_shapes(problem: Problem) -> dict[str, Shape]:
    """Shapes of a problem's arrays; an invalid problem gets the nearest shapes that exist."""
    shapes = OPERATORS[problem.operator].shapes(problem)
    return {name: tuple(max(0, length) for length in shape) for name, shape in shapes.items()}


def broken_rule(case: Case) -> str | None:
    """The rule, in words, for which every call of `invalid_calls` must be rejected; None if a case is valid."""
    rule = rule_of_problem(case.problem)
    return rule if rule is not None or not case.broken else ARGUMENTS[case.broken].words


@lru_cache(maxsize=KEPT)
def rule_of_problem(problem: Problem) -> str | None:
    """The rule, in words, that the options of a problem break; None if it is valid."""
    return OPERATORS[problem.operator].broken_rule(problem)


def invalid_calls(case: Case) -> tuple[Call, ...]:
    """The calls of an invalid case that must be rejected."""
    return calls_broken_by(case.problem, case.broken)


def lattice_of_case(case: Case) -> Lattice:
    """The lattice that a valid case's data are on."""
    repeated = case.layout == "broadcast" and case.laid_out not in {"x", "bias"}
    return lattice_of(case.problem, case.dtype, case.fill, repeated=repeated)


def case_rule(case: Case) -> str | None:
    """The first rule that a case breaks beside those of its problem, in words, or None."""
    if case.seed < 0:
        return f"seed must be at least 0, got {case.seed}"
    fills = fills_of(case.problem.operator)
    if case.fill not in {POINTS, *fills}:
        return f"{case.problem.operator} has the fills {', '.join(fills)} and points, got {case.fill}"
    if case.points and case.fill != POINTS:
        return f"points are given, but the fill is {case.fill}; leave one of them out"
    counts = (case.problem.batch, case.problem.channels, case.problem.out_channels, *case.problem.size)
    # an image of which only the shape is given is no array
    if min(counts) < 0 and not case.operator.shape_given:
        return f"an array cannot have a negative size, got {min(counts)}"
    # the data of a call that must be rejected are not added up
    added_up = rule_of_problem(case.problem) is None and not case.broken
    on_lattice = added_up and case.fill != POINTS and FILLS[case.fill].on_lattice
    if on_lattice and lattice_of_case(case).magnitude < 1:
        wider = "" if case.dtype == WIDEST else f"{WIDEST} or "
        return f"sums of lattice data would not be exact in {case.dtype}; use {wider}the fill real"
    return array_rule(case) or point_rule(case)


def wide_enough(case: Case) -> Case:
    """The case, or the same in the widest dtype if it breaks a rule, as sums of its lattice are not exact."""
    return case if case_rule(case) is None else replace(case, dtype=WIDEST)


def array_rule(case: Case) -> str | None:
    """The first rule that what a case says of single arrays breaks, in words, or None."""
    if not (case.laid_out or case.broken):
        return None
    shapes = array_shapes(case.problem)
    if case.laid_out and case.laid_out not in shapes:
        return f"{case.problem.operator} has the arrays {', '.join(shapes)} here, got a layout of {case.laid_out}"
    if case.laid_out and case.layout == "contiguous":
        return f"all arrays are contiguous but those of another layout; give {case.laid_out} another, or none"
    if not case.broken:
        return None
    rule = rule_of_problem(case.problem)
    if rule is not None:
        return f"a problem that is invalid itself ({rule}) needs no {case.broken}; leave one of them out"
    known = rules_of(case.problem, shapes)
    return None if case.broken in known else f"rules to break here are {', '.join(known) or 'none'}, got {case.broken}"


def point_rule(case: Case) -> str | None:
    """The first rule that a case's points break, in words, or None."""
    if not case.points:
        return None
    shapes = array_shapes(case.problem)
    for point in case.points:
        shape = shapes.get(point.array)
        if shape is None:
            return f"{case.problem.operator} has the arrays {', '.join(shapes)} here, got a point in {point.array}"
        if len(point.index) != len(shape) or any(not 0 <= i < n for i, n in zip(point.index, shape, strict=True)):
            return f"{point.array} has the shape {shape}, got a point at {point.index}"
        with np.errstate(over="ignore"):
            held = DTYPES[case.dtype].type(point.value)
        if np.isinf(held) and not isinf(point.value):
            return f"{case.dtype} cannot hold {point.value}; use f64, or a smaller value"
    if len({(point.array, point.index) for point in case.points}) < len(case.points):
        return "two points stand at the same place; leave one of them out"
    return None


def values_of(case: Case) -> dict[str, Array]:
    """The case's arrays by name, row-major: what the oracles see.

    Raises
    ------
    ValueError
        If the case breaks a rule of its own (see `case_rule`).
    """
    rule = case_rule(case)
    if rule is not None:
        raise ValueError(rule)
    dtype = DTYPES[case.dtype].type
    shapes = array_shapes(case.problem)
    if case.fill == POINTS:
        found = {name: np.zeros(shape, dtype) for name, shape in shapes.items()}
        for point in case.points:
            found[point.array][point.index] = point.value
    elif broken_rule(case) is not None:
        # a call that must be rejected: any data will do
        found = {name: np.ones(shape, dtype) for name, shape in shapes.items()}
    else:
        rule_of_fill = FILLS[case.fill].rule
        lattice = lattice_of_case(case)
        found = {
            name: rule_of_fill(case.operator, case.problem, case.dtype, case.seed, name, shape, lattice).astype(dtype)
            for name, shape in shapes.items()
        }
    if case.broken:
        spoiled = ARGUMENTS[case.broken]
        found |= {name: spoiled.spoil(found[name]) for name in spoiled.arrays if name in found}
    if case.layout == "broadcast":
        return {name: np.array(array) for name, array in lay_out(found, "broadcast", case.laid_out).items()}
    return found


def lay_out(values: Arrays, layout: str, only: str = "") -> dict[str, Array]:
    """Fresh arrays of the same values in a memory layout, or `only` one of them so: what the subject sees."""
    return {name: LAYOUTS[layout if only in {"", name} else "contiguous"](array) for name, array in values.items()}


def as_points(case: Case) -> Case:
    """A valid case with the same values, written out entry by entry."""
    points = tuple(
        Point(name, tuple(int(i) for i in index), float(array[tuple(index)]))
        for name, array in values_of(case).items()
        for index in np.argwhere((array != 0) | np.signbit(array))
    )
    return replace(case, fill=POINTS, points=points, seed=0)
