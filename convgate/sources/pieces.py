"""What the joint sources are put together from: problems given by their output, and cases of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from math import prod
from typing import Any

from convgate.cases.case import Case, array_shapes, wide_enough
from convgate.problems.axis import AXIS_OPTIONS, Axis, make_axes, output_size
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.sources.pairwise import Choice, pairwise

__all__ = ["counted", "entries", "numbered", "options_of", "shaped", "usable", "varied"]


def options_of(operator: str, choice: Choice) -> dict[str, Any]:
    """The fields of `Problem` that a choice gives: of the axes those options that it has."""
    options = {name: value for name, value in choice.items() if name in OPERATORS[operator].options}
    of_axes = {name: options.pop(name) for name in AXIS_OPTIONS if name in options}
    return {"axes": make_axes(**of_axes), **options}


def shaped(problem: Problem, output: Sequence[int], rest: Sequence[int]) -> Problem:
    """A problem with the sizes that give so many places, and so many pixels after the last whole window.

    Where padding alone has room for them the size is below 1, which no operator takes, and so it is where ceil_mode
    makes more or fewer of them.
    """
    axes = zip(problem.axes, output, rest, strict=True)
    return replace(problem, axes=tuple(axis_shaped(*each, ceil_mode=problem.ceil_mode) for each in axes))


@cache
def axis_shaped(axis: Axis, places: int, rest: int, *, ceil_mode: bool) -> Axis:
    """The axis with the size that gives so many places; of size 0 if there is none."""
    # with ceil_mode the pixels that are left over may make the last place
    for whole in (places, places - 1):
        size = axis.size_for(whole) + rest
        found = replace(axis, size=size)
        if size > 0 and output_size(found, ceil_mode=ceil_mode) == places:
            return found
    return replace(axis, size=0)


def counted(operator: str, channels: int, outputs: int, groups: int | str) -> dict[str, int]:
    """Channels and groups: so many channels and outputs of each group, or one channel in each if depthwise.

    Depthwise layers have as many groups as channels are asked for, and twice as many outputs if more outputs than
    channels are. Operators without groups have that many channels.
    """
    if "groups" not in OPERATORS[operator].options:
        return {"channels": channels}
    if groups == "depthwise":
        return {"channels": channels, "groups": channels, "out_channels": channels * (1 + (outputs > channels))}
    return {"channels": int(groups) * channels, "out_channels": int(groups) * outputs, "groups": int(groups)}


def entries(problem: Problem) -> int:
    """Entries of the largest array of a problem."""
    return max(map(prod, array_shapes(problem).values()))


def usable(problem: Problem, most_work: int, most_entries: int) -> bool:
    """Whether a problem is valid, and not too large."""
    found = OPERATORS[problem.operator]
    valid = min(problem.size) > 0 and found.broken_rule(problem) is None
    return valid and found.work(problem) <= most_work and entries(problem) <= most_entries


def varied(
    factors: Mapping[str, Sequence[Any]],
    problem_of: Callable[[Choice], Problem],
    fits: Callable[[Problem], bool],
    rounds: int,
) -> list[tuple[Problem, dict[str, Any]]]:
    """Problems that fit and have all pairs of values of their factors, each with its dtype, layout and fill.

    Pairs are covered once a round, in other company each time; at least once.
    """
    choices = [
        choice
        for number in range(max(1, rounds))
        for choice in pairwise(factors, lambda choice: fits(problem_of(choice)), number)
    ]
    data = ("dtype", "layout", "fill")
    return [(problem_of(choice), {name: choice[name] for name in data}) for choice in choices]


def numbered(problems: Sequence[tuple[Problem, dict[str, Any]]]) -> list[Case]:
    """Cases of some problems, each with its dtype, layout and fill, and its number as seed.

    Where sums on the lattice would not be exact in float32 it is float64.
    """
    cases = (Case(problem=problem, seed=number, **data) for number, (problem, data) in enumerate(problems))
    return [wide_enough(case) for case in cases]
