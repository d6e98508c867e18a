"""Quantities that conditions compare with numbers: those of an axis, and those of a whole problem.

A statement about a quantity is a comparison with a number (``kernel_h >= 6``), whether it is a whole multiple of a
block (``channels is a multiple of 8``, ``padding_w odd``), or its remainder (``channels mod 16 = 3``). For an axis it
refers to the height, the width, either or both; for two related counts it can refer to both
(``both channels and out_channels are multiples of 4``). Two options of an axis are compared with each other
(``padding_w >= stride_w``), and those of both axes (``output_h != output_w``). This module both writes statements and
parses them.
"""

import operator as operators
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import combinations
from math import prod

import numpy as np
from numpy.typing import NDArray

from convgate.cases.case import Case
from convgate.problems.axis import Axis, output_size
from convgate.problems.block_sizes import BLOCKS
from convgate.problems.operators import OPERATORS
from convgate.problems.operators.classes import AXIS_NAMES
from convgate.problems.problem import Problem
from convgate.shapes.features import equal_pairs, short_name

__all__ = [
    "COMPARISONS",
    "PARITY_ONLY",
    "SIDES",
    "TOGETHER",
    "Quantities",
    "above",
    "alternatives",
    "axis_quantities",
    "below",
    "compared_options",
    "counts_together",
    "divisibility",
    "evaluate",
    "number_of_whole",
    "quantities_of",
    "threshold",
    "used_taps",
    "whole_quantities",
]

Bools = NDArray[np.bool_]
Numbers = NDArray[np.int64]

# Options whose values are too small for blocks: only their parity is considered.
PARITY_ONLY = frozenset({"stride", "padding", "dilation", "span", "used_taps"})


@cache
def used_taps(axis: Axis, ceil_mode: bool) -> int:
    """Taps of the kernel on one axis up to the last one that reads a pixel of the input at any output position."""
    places = output_size(axis, ceil_mode=ceil_mode)
    for tap in reversed(range(axis.kernel_size)):
        # where the first pixel lies, counted from the tap at the first place, and the first place that is not before it
        pixel = axis.padding_before - tap * axis.dilation
        place = max(0, -(-pixel // axis.stride))
        if place < places and place * axis.stride < pixel + axis.size:
            return tap + 1
    return 0


# What is counted on an axis beside the options.
COUNTED: dict[str, Callable[[Axis, bool], int]] = {
    "output": lambda axis, ceil_mode: output_size(axis, ceil_mode=ceil_mode),
    "padded_input": lambda axis, _: axis.padded_size,
    "span": lambda axis, _: axis.span,
    "used_taps": used_taps,
}
# Options of one axis of which one may be larger than the other.
COMPARED = tuple(combinations(("kernel", "padding", "dilation", "stride"), 2))
SIDES = ("_h", "_w", " on either axis", " on both axes")
# Counts that one condition can refer to together, if an operator has them.
TOGETHER = (("channels", "out_channels"), ("channels_per_group", "outputs_per_group"))
COMPARISONS: dict[str, Callable[[Numbers, int | Numbers], Bools]] = {
    ">": operators.gt,
    ">=": operators.ge,
    "<": operators.lt,
    "<=": operators.le,
    "=": operators.eq,
    "!=": operators.ne,
}
STATEMENT = re.compile(
    r"(?P<both>both )?(?P<name>\S.*?) "
    r"((?P<sign>>=|<=|!=|>|<|=) (?P<number>\d+)|(?P<parity>even|odd)"
    r"|(?P<multiple>is a multiple|is no multiple|are multiples) of (?P<block>\d+)"
    r"|mod (?P<modulo>\d+) = (?P<rest>\d+))"
    r"(?P<axes> on either axis| on both axes)?"
)
EQUALITY = re.compile(r"(?P<name>\w+)_h (?P<sign>=|!=|<|>) (?P=name)_w")
# Two options of one axis: `padding_w >= stride_w`, `kernel > dilation on either axis`.
COMPARISON = re.compile(
    r"(?P<one>[a-z]+)(?P<side>_[hw])? (?P<sign>>=|<=|!=|>|<|=) (?P<other>[a-z]+)"
    r"(?(side)(?P=side)|(?P<axes> on either axis| on both axes))"
)
# Counts that code may confuse.
SAME_COUNTS = re.compile(r"(?P<one>batch|channels) = (?P<other>channels|out_channels)")


@cache
def axis_quantities(operator: str) -> tuple[str, ...]:
    """The quantities of each axis: the options that have a height and a width, and what comes of them."""
    counted = (name for name in COUNTED if name != "span" or "dilation" in OPERATORS[operator].options)
    return (*map(short_name, equal_pairs(operator)), *counted)


@cache
def compared_options(operator: str) -> tuple[tuple[str, str], ...]:
    """The pairs of options of an axis that are compared with each other."""
    known = set(axis_quantities(operator))
    return tuple(pair for pair in COMPARED if known.issuperset(pair))


@cache
def whole_quantities(operator: str) -> Mapping[str, Callable[[Problem], int]]:
    """The quantities of a whole problem: counts, areas, and the sides of the matrices that are multiplied."""
    found: dict[str, Callable[[Problem], int]] = {
        "batch": lambda problem: problem.batch,
        "channels": lambda problem: problem.channels,
        "batch * channels": lambda problem: problem.batch * problem.channels,
        "input_h * input_w": lambda problem: prod(problem.size),
        "batch * channels * input_h": lambda problem: problem.batch * problem.channels * problem.size[0],
        "kernel_h * kernel_w": lambda problem: problem.taps,
        "output_h * output_w": lambda problem: problem.places,
        "batch * output_h * output_w": lambda problem: problem.batch * problem.places,
    }
    if "groups" not in OPERATORS[operator].options:
        return found | {"channels * kernel_h * kernel_w": lambda problem: problem.channels * problem.taps}
    return found | {
        "groups": lambda problem: problem.groups,
        "channels_per_group": per_group,
        "out_channels": lambda problem: problem.out_channels,
        "outputs_per_group": lambda problem: problem.out_channels // problem.groups,
        "channels + out_channels": lambda problem: problem.channels + problem.out_channels,
        "batch * out_channels": lambda problem: problem.batch * problem.out_channels,
        "out_channels * kernel_h * kernel_w": lambda problem: problem.out_channels * problem.taps,
        "channels_per_group * kernel_h * kernel_w": lambda problem: per_group(problem) * problem.taps,
    }


def per_group(problem: Problem) -> int:
    """Number of input channels of a filter."""
    return problem.channels // problem.groups


@cache
def counts_together(operator: str) -> tuple[tuple[str, str], ...]:
    """The pairs of related counts of an operator."""
    return TOGETHER if "groups" in OPERATORS[operator].options else ()


class Quantities:
    """The quantities of some cases of one operator, each computed on first access.

    Parameters
    ----------
    cases : sequence of Case
        Valid cases.
    """

    def __init__(self, cases: Iterable[Case]) -> None:
        self.problems = [case.problem for case in cases]
        self.operator = self.problems[0].operator
        self._known: dict[str, Numbers] = {}

    def __getitem__(self, name: str) -> Numbers:
        """The values of a quantity, one for each case."""
        if name not in self._known:
            self._known[name] = np.array(self._list(name), np.int64)
        return self._known[name]

    def __contains__(self, name: str) -> bool:
        """Whether there is such a quantity: `channels`, `kernel_h * kernel_w`, `stride_h`."""
        axis, _, side = name.rpartition("_")
        on_axis = side in AXIS_NAMES and axis in axis_quantities(self.operator)
        return on_axis or name in whole_quantities(self.operator)

    def _list(self, name: str) -> list[int]:
        whole = whole_quantities(self.operator).get(name)
        if whole is not None:
            return [whole(problem) for problem in self.problems]
        axis, _, side = name.rpartition("_")
        number = AXIS_NAMES.index(side)
        if axis in COUNTED:
            return [COUNTED[axis](problem.axes[number], problem.ceil_mode) for problem in self.problems]
        option = {"input": "size", "kernel": "kernel_size"}.get(axis, axis)
        return [getattr(problem, option)[number] for problem in self.problems]


def quantities_of(cases: Iterable[Case]) -> Quantities:
    """The quantities of some cases of one operator."""
    return Quantities(cases)


def above(number: int) -> str:
    """Words for "at least `number`", as ">= number" or "> number - 1", whichever number is even; "> 1" for 2."""
    return f">= {number}" if number % 2 == 0 and number != 2 else f"> {number - 1}"


def below(number: int, least: int) -> str:
    """Words for "less than `number`", for a quantity of at least `least`."""
    if number == least + 1:
        return f"= {least}"
    return f"< {number}" if number % 2 == 0 else f"<= {number - 1}"


def threshold(last: int, first: int) -> int:
    """The roundest of the thresholds from `last + 1` to `first`, which no case distinguishes: a multiple of a block.

    A threshold is round if it or the number before it, which can name it, has many factors of 2.
    """
    least = max(1, last)
    # of the numbers from `least` to `first` the one with the most factors of 2 ends where they begin to differ
    factors = max(0, ((least - 1) ^ first).bit_length() - 1)
    return max(last + 1, first >> factors << factors)


def divisibility(number: int, *, parity_only: bool = False) -> Iterator[tuple[str, str]]:
    """Words about the divisibility of a number by blocks: for one number, and for two numbers together or "".

    For two numbers (``are multiples of 8``) there are words only if both are whole multiples.
    """
    for block in BLOCKS[:1] if parity_only else BLOCKS:
        rest = number % block
        if block == 2:
            yield ("odd", "") if rest else ("even", "even")
        elif rest:
            yield f"is no multiple of {block}", ""
            yield f"mod {block} = {rest}", ""
        elif number:
            yield f"is a multiple of {block}", f"are multiples of {block}"


def evaluate(text: str, quantities: Quantities) -> Bools | None:
    """Which cases meet a statement in words; None if it is not a statement about one of their quantities."""
    counts = SAME_COUNTS.fullmatch(text)
    if counts is not None and counts["one"] in quantities and counts["other"] in quantities:
        return np.equal(quantities[counts["one"]], quantities[counts["other"]])
    equal = equalities(text, quantities)
    if equal is None:
        equal = comparison(text, quantities)
    match = STATEMENT.fullmatch(text)
    if equal is not None or match is None:
        return equal
    if match["both"] and (names_of(match) not in TOGETHER or match["axes"]):
        return None
    return combined(names_of(match), predicate(match), quantities, either="either" in (match["axes"] or ""))


def alternatives(text: str, quantities: Quantities) -> list[str]:
    """Other statements about a quantity that the cases do not distinguish from the given one.

    A threshold may be any number up to the next one tried; the least and the largest are given. A single value may be a
    threshold or a remainder, and a remainder may be that of another block.
    """
    match = STATEMENT.fullmatch(text)
    met = evaluate(text, quantities) if match is not None else None
    if match is None or met is None or match["both"]:
        return []
    if match["sign"] in {">", ">=", "<", "<="}:
        others = other_thresholds_of(match, quantities)
    else:
        own = int(match["number"] or max(quantities[name][0] for name in names_of(match)))
        others = [each for each, _ in divisibility(own)] + ([f">= {own}", f"<= {own}"] if match["sign"] == "=" else [])
    start, end = text[: match.end("name") + 1], match["axes"] or ""
    said = {each: evaluate(each, quantities) for each in (f"{start}{other}{end}" for other in others)}
    return [each for each, holds in said.items() if each != text and holds is not None and (holds == met).all()]


def number_of_whole(text: str, operator: str) -> tuple[str, int] | None:
    """The quantity of a problem as a whole that a statement compares with a number, and that; None if it is none."""
    match = STATEMENT.fullmatch(text)
    if match is None or not match["sign"] or match["name"] not in whole_quantities(operator):
        return None
    return match["name"], int(match["number"])


def other_thresholds_of(match: re.Match[str], quantities: Quantities) -> list[str]:
    """Thresholds with the least and the largest number that the cases do not distinguish from the given one."""
    sign, number = match["sign"], int(match["number"])
    upwards, own = ">" in sign, number + (sign in {">", "<="})
    largest = upwards == ("either" in (match["axes"] or ""))
    tried = np.unique((np.maximum if largest else np.minimum).reduce([quantities[name] for name in names_of(match)]))
    last, first = tried[tried < own], tried[tried >= own]
    if not len(last) or not len(first):
        return []
    bounds = {int(last[-1]) + 1, int(first[0])} - {own}
    return [f">= {bound}" if upwards else f"< {bound}" for bound in sorted(bounds)]


def names_of(match: re.Match[str]) -> tuple[str, ...]:
    """The quantities that a statement is about."""
    if match["both"]:
        return tuple(match["name"].split(" and "))
    if match["axes"]:
        return tuple(f"{match['name']}_{side}" for side in AXIS_NAMES)
    return (match["name"],)


def combined(
    names: Iterable[str], holds: Callable[[Numbers], Bools], quantities: Quantities, *, either: bool
) -> Bools | None:
    """Which cases have a property in all of some quantities, or in any."""
    if not all(name in quantities for name in names):
        return None
    join = np.logical_or if either else np.logical_and
    found: Bools = join.reduce([holds(quantities[name]) for name in names])
    return found


def predicate(match: re.Match[str]) -> Callable[[Numbers], Bools]:
    """The predicate on numbers of a statement."""
    if match["sign"]:
        compare, number = COMPARISONS[match["sign"]], int(match["number"])
        return lambda values: compare(values, number)
    if match["parity"]:
        odd = match["parity"] == "odd"
        return lambda values: values % 2 == odd
    if match["multiple"]:
        block, none = int(match["block"]), "no" in match["multiple"]
        return lambda values: (values % block > 0) == none
    modulo, rest = int(match["modulo"]), int(match["rest"])
    return lambda values: values % modulo == rest


def equalities(text: str, quantities: Quantities) -> Bools | None:
    """Which cases meet a statement about options that are equal or unequal on both axes; None if it is another one."""
    matches = [EQUALITY.fullmatch(part) for part in text.split(" and ")]
    met = np.ones(len(quantities.problems), bool)
    for match in matches:
        if match is None or f"{match['name']}_h" not in quantities:
            return None
        height, width = (quantities[f"{match['name']}_{side}"] for side in AXIS_NAMES)
        met &= COMPARISONS[match["sign"]](height, width)
    return met


def comparison(text: str, quantities: Quantities) -> Bools | None:
    """Which cases meet a statement that compares two options of an axis; None if it is none."""
    match = COMPARISON.fullmatch(text)
    if match is None or (match["one"], match["other"]) not in compared_options(quantities.operator):
        return None
    sides = (match["side"],) if match["side"] else tuple(f"_{side}" for side in AXIS_NAMES)
    join = np.logical_or if "either" in (match["axes"] or "") else np.logical_and
    compare = COMPARISONS[match["sign"]]
    found: Bools = join.reduce(
        [compare(quantities[f"{match['one']}{side}"], quantities[f"{match['other']}{side}"]) for side in sides]
    )
    return found
