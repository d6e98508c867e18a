"""Simplifying steps: from a case to simpler ones, by small or large steps."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations
from math import copysign, frexp, isqrt, ldexp, prod

import numpy as np

from convgate.cases.case import POINTS, Case, Point, array_shapes, as_points, broken_rule
from convgate.cases.layouts import LAYOUTS
from convgate.problems.axis import AXIS_OPTIONS, Axis, output_size, with_options
from convgate.problems.block_sizes import BLOCKS
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem, replace_axis, with_axes

__all__ = ["LEAST", "moves_of"]

# The simplest axis.
LEAST = Axis()
# More entries than this are not written out one by one.
MOST_POINTS = 600
# Seeds to try, because a simpler problem may fail only with other data.
SEEDS = (0, 1, 2)


def moves_of(case: Case, *, data: bool) -> Iterator[Case]:
    """Every step from a case, the largest first, including steps to invalid or more complex cases.

    Parameters
    ----------
    case : Case
        The case to simplify.
    data : bool
        Whether to simplify the data as well as the problem.
    """
    for problem in simpler_problems(case.problem):
        yield replace(case, problem=problem)
        if case.points:
            yield cropped(case, problem)
        elif case.fill != POINTS and data:
            yield from (replace(case, problem=problem, seed=seed) for seed in SEEDS if seed != case.seed)
    yield replace(case, dtype="f64")
    yield replace(case, layout="contiguous", laid_out="")
    if case.layout != "contiguous":
        others = [layout for layout in LAYOUTS if layout not in {"contiguous", case.layout}]
        yield from (replace(case, layout=layout) for layout in others)
        for problem in simpler_problems(case.problem):
            yield from (replace(case, problem=problem, layout=layout) for layout in others)
        names = array_shapes(case.problem)
        yield from (replace(case, laid_out=name) for name in names if len(names) > 1)
    if case.fill == POINTS:
        yield from simpler_points(case)
        return
    yield replace(case, fill="lattice")
    yield from (replace(case, seed=seed) for seed in SEEDS)
    entries = sum(prod(shape) for shape in array_shapes(case.problem).values())
    if data and entries <= MOST_POINTS and broken_rule(case) is None:
        yield as_points(case)


def simpler_problems(problem: Problem) -> Iterator[Problem]:
    """Problems one step simpler: several options at once, then one by one."""
    if problem.groups > 1:
        yield from fewer_groups(problem)
    # with groups, change the channels by whole groups
    unit = max(1, problem.groups)
    yield from in_blocks(problem, unit)
    yield from (replace(problem, out_channels=unit * fewer) for fewer in fewer_than(problem.out_channels // unit))
    if problem.out_channels % unit or problem.channels % unit:
        # if groups do not divide the channels, groups need not be whole
        yield from (replace(problem, out_channels=fewer) for fewer in smaller(problem.out_channels, 1))
        yield from (replace(problem, channels=fewer) for fewer in smaller(problem.channels, 1))
    yield from (replace(problem, channels=unit * fewer) for fewer in fewer_than(problem.channels // unit))
    yield from (replace(problem, batch=fewer) for fewer in fewer_than(problem.batch))
    # images side by side instead of a batch
    yield resized(replace(problem, batch=1), -1, problem.size[-1] * problem.batch)
    yield replace(problem, bias=False)
    yield replace(problem, ceil_mode=False)
    yield replace(problem, count_include_pad=True)
    if problem.divisor_override is not None:
        yield replace(problem, divisor_override=None)
        # with a divisor of 1 an average equals a sum, so 2 is the simplest
        yield from (replace(problem, divisor_override=less) for less in smaller(problem.divisor_override, 2))
    sides = range(len(problem.axes))
    yield replace(problem, axes=(LEAST,) * len(sides))
    for side in reversed(sides):
        axes = simpler_axes(problem.axes[side], ceil_mode=problem.ceil_mode)
        yield from (replace_axis(problem, side, axis) for axis in axes)
    if not OPERATORS[problem.operator].convolves and problem.kernel_size[0] == 1 < problem.size[0]:
        # rows that share no window can become channels
        yield resized(replace(problem, channels=problem.channels * problem.size[0]), 0, 1)
    yield from as_many_places(problem)
    square = {name: min(getattr(problem, name)) - 1 for name in ("kernel_size", "stride", "size")}
    for names in (("kernel_size",), ("kernel_size", "size"), ("kernel_size", "stride"), tuple(square)):
        yield with_axes(problem, **pick(square, names))
    yield replace(problem, axes=problem.axes[::-1])
    for name in AXIS_OPTIONS:
        swapped = with_axes(problem, **{name: getattr(problem, name)[::-1]})
        yield swapped
        yield from (resized(swapped, side, problem.size[side] - 1) for side in sides)


def resized(problem: Problem, side: int, size: int) -> Problem:
    """The problem with another size along one axis."""
    return replace_axis(problem, side, replace(problem.axes[side], size=size))


def in_blocks(problem: Problem, unit: int) -> Iterator[Problem]:
    """Equal numbers of output and input channels of a group, both a block, for code that needs both to be blocks."""
    if "out_channels" in OPERATORS[problem.operator].options:
        for block in BLOCKS:
            yield replace(problem, channels=unit * block, out_channels=unit * block)


def fewer_than(count: int) -> Iterator[int]:
    """Smaller counts: 1, steps towards it, and the sizes of blocks."""
    yield from dict.fromkeys((*smaller(count, 1), *(block for block in BLOCKS if block < count)))


def pick(options: dict[str, int], names: tuple[str, ...]) -> dict[str, int]:
    """Some of the options."""
    return {name: options[name] for name in names}


def as_many_places(problem: Problem) -> Iterator[Problem]:
    """Other heights and widths of the output with the same number of positions, or a few more."""
    if min(problem.output_size) < 1:
        return
    for sides in combinations(range(len(problem.axes)), 2):
        area = prod(problem.output_size[side] for side in sides)
        for shorter in range(1, isqrt(area) + 1):
            for longer in {-(-area // shorter), area // shorter + 1}:
                for places in ((shorter, longer), (longer, shorter)):
                    found = problem
                    for side, new in zip(sides, places, strict=True):
                        more = (new - problem.output_size[side]) * problem.stride[side]
                        found = resized(found, side, problem.size[side] + more)
                    if found != problem:
                        yield found


def fewer_groups(problem: Problem) -> Iterator[Problem]:
    """Fewer groups with as many channels each, and one group with all channels."""
    per_group, multiplier = problem.channels // problem.groups, problem.out_channels // problem.groups
    for groups in fewer_than(problem.groups):
        yield replace(problem, groups=groups, channels=groups * per_group, out_channels=groups * multiplier)
    yield replace(problem, groups=1)


def simpler_axes(axis: Axis, *, ceil_mode: bool) -> Iterator[Axis]:
    """Simplify the options of one axis: each by itself, and with a size that keeps the output size."""
    put = partial(with_options, axis)
    size, stride, kernel = axis.size, axis.stride, axis.kernel_size
    places = output_size(axis, ceil_mode=ceil_mode)
    yield LEAST
    yield replace(LEAST, size=size)
    if stride > 0:
        yield from (put(size=size - stride * (places - fewer)) for fewer in fewer_than(places))
    pixels_by = {
        "dilation": kernel - 1,
        "padding": -2,
        "stride": places - 1,
        "kernel_size": axis.dilation,
    }
    for name, pixels in pixels_by.items():
        now = getattr(axis, name)
        for less in smaller(now, getattr(LEAST, name)):
            yield put(**{name: less})
            yield put(**{name: less, "size": max(1, size - pixels * (now - less))})
    yield from (put(size=less) for less in smaller(size, 1))
    if kernel > 1:
        yield put(kernel_size=kernel - 1, stride=stride - 1)
        yield put(kernel_size=kernel - 1, padding=axis.padding - 1)
        yield put(kernel_size=kernel - 1, stride=stride - 1, size=size - 1)
        # a pool's padding is at most half of its kernel
        yield put(kernel_size=kernel - 2, padding=axis.padding - 1)
        for less in (stride - 1, stride - 2):
            fewer = put(kernel_size=kernel - 1, stride=less)
            yield replace(fewer, size=max(1, fewer.size_for(places)))


def smaller(value: int, least: int) -> Iterator[int]:
    """The least value, then halfway towards it, and so on up to the value's neighbour."""
    whole = value - least
    gaps = [whole]
    while abs(gaps[-1]) > 3:
        gaps.append(int(gaps[-1] / 2))
    # by two as well, for faults that depend on parity
    gaps += [gap if whole > 0 else -gap for gap in (2, 1) if gap < abs(whole)]
    yield from (value - gap for gap in dict.fromkeys(gaps) if gap)


def cropped(case: Case, problem: Problem) -> Case:
    """Keep the points within the arrays of a smaller problem; indices that are too large are reduced."""
    shapes = array_shapes(problem)
    kept: dict[tuple[str, tuple[int, ...]], Point] = {}
    for point in case.points:
        shape = shapes.get(point.array)
        if shape is not None and len(shape) == len(point.index) and 0 not in shape:
            index = tuple(min(i, length - 1) for i, length in zip(point.index, shape, strict=True))
            kept.setdefault((point.array, index), replace(point, index=index))
    return replace(case, problem=problem, points=tuple(kept.values()))


def moved_up_and_left(case: Case) -> Iterator[Case]:
    """Cases without the first row or column of pixels, if it has no points; other steps crop arrays at their ends."""
    for side, size in enumerate(case.problem.size):
        ours = [point for point in case.points if point.array == "x"]
        # an array that breaks the rule of its rank may have no such axis
        if ours and size > 1 and all(any(point.index[2 + side : 3 + side]) for point in ours):
            moved = tuple(
                replace(point, index=tuple(i - (place == 2 + side) for place, i in enumerate(point.index)))
                if point.array == "x"
                else point
                for point in case.points
            )
            yield cropped(replace(case, points=moved), resized(case.problem, side, size - 1))


def simpler_points(case: Case) -> Iterator[Case]:
    """Fewer points: none, half of them, a quarter, ... down to single ones; then simpler values."""
    yield from moved_up_and_left(case)
    points = case.points
    size = len(points)
    while size > 0:
        for start in range(0, len(points), size):
            yield replace(case, points=points[:start] + points[start + size :])
        size //= 2
    valid = case.operator.broken_rule(case.problem) is None
    quantum = case.operator.quantum(case.problem) if valid else 1
    for place, point in enumerate(points):
        for value in (1.0, float(quantum), -1.0, -float(quantum), 2.0, *nearer_to_one(point.value)):
            if value != 0:
                yield replace(case, points=(*points[:place], replace(point, value=value), *points[place + 1 :]))


def nearer_to_one(value: float) -> Iterator[float]:
    """Powers of two halfway to 1 and next to a number, and half of it: few steps from 2**500 to a threshold."""
    if np.isfinite(value):
        exponent = frexp(value)[1] - 1
        yield copysign(ldexp(1.0, int(exponent / 2)), value)
        yield copysign(ldexp(1.0, exponent), value)
        yield float(int(value / 2))
    elif not np.isnan(value):
        yield np.nan
