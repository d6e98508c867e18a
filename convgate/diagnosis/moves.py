"""Simplifying steps: from a case to those that are a little, or a lot, simpler."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from math import copysign, frexp, isqrt, ldexp, prod

import numpy as np

from convgate.cases.case import POINTS, Case, Point, array_shapes, as_points, broken_rule
from convgate.cases.layouts import LAYOUTS
from convgate.problems.block_sizes import BLOCKS
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import PAIRS, Problem, output_size, swap_axes, with_axis

__all__ = ["LEAST", "moves_of"]

LEAST = {"size": 1, "kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}
# More entries than this are not written out one by one.
MOST_POINTS = 600
# With other data a simpler problem may fail where with these it happens not to.
SEEDS = (0, 1, 2)


def moves_of(case: Case, *, data: bool) -> Iterator[Case]:
    """Every step from a case, the boldest first, whether or not it leads to a valid and simpler one.

    Parameters
    ----------
    case : Case
        Where to start.
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
    # whole groups where there are groups
    unit = max(1, problem.groups)
    yield from in_blocks(problem, unit)
    yield from (replace(problem, out_channels=unit * fewer) for fewer in fewer_than(problem.out_channels // unit))
    if problem.out_channels % unit or problem.channels % unit:
        # groups that do not divide need not be whole
        yield from (replace(problem, out_channels=fewer) for fewer in smaller(problem.out_channels, 1))
        yield from (replace(problem, channels=fewer) for fewer in smaller(problem.channels, 1))
    yield from (replace(problem, channels=unit * fewer) for fewer in fewer_than(problem.channels // unit))
    yield from (replace(problem, batch=fewer) for fewer in fewer_than(problem.batch))
    # side by side in place of one after the other
    yield replace(problem, batch=1, size=(problem.size[0], problem.size[1] * problem.batch))
    yield replace(problem, bias=False)
    yield replace(problem, ceil_mode=False)
    yield replace(problem, count_include_pad=True)
    if problem.divisor_override is not None:
        yield replace(problem, divisor_override=None)
        # a divisor of 1 would hide an average, so 2 is the simplest
        yield from (replace(problem, divisor_override=less) for less in smaller(problem.divisor_override, 2))
    yield with_axis(with_axis(problem, 0, **LEAST), 1, **LEAST)
    for axis in (1, 0):
        yield from simpler_axis(problem, axis)
    if not OPERATORS[problem.operator].convolves and problem.kernel_size[0] == 1 < problem.size[0]:
        # rows that no window joins are as good as channels
        yield replace(problem, channels=problem.channels * problem.size[0], size=(1, problem.size[1]))
    yield from as_many_places(problem)
    square = {name: min(getattr(problem, name)) - 1 for name in ("kernel_size", "stride", "size")}
    for names in (("kernel_size",), ("kernel_size", "size"), ("kernel_size", "stride"), tuple(square)):
        yield with_axis(with_axis(problem, 0, **pick(square, names)), 1, **pick(square, names))
    yield swap_axes(problem)
    for name in PAIRS:
        swapped = replace(problem, **{name: getattr(problem, name)[::-1]})
        yield swapped
        yield from (with_axis(swapped, axis, size=problem.size[axis] - 1) for axis in (0, 1))


def in_blocks(problem: Problem, unit: int) -> Iterator[Problem]:
    """As many channels out as in a group, both a block: what takes both in blocks fails on no smaller one alone."""
    if "out_channels" in OPERATORS[problem.operator].options:
        for block in BLOCKS:
            yield replace(problem, channels=unit * block, out_channels=unit * block)


def fewer_than(count: int) -> Iterator[int]:
    """Fewer of what is counted: the least, steps towards it, and the sizes of blocks, which are no step away."""
    yield from dict.fromkeys((*smaller(count, 1), *(block for block in BLOCKS if block < count)))


def pick(options: dict[str, int], names: tuple[str, ...]) -> dict[str, int]:
    """Some of the options."""
    return {name: options[name] for name in names}


def as_many_places(problem: Problem) -> Iterator[Problem]:
    """As many places of the kernel or a few more, in another height and width."""
    if min(problem.output_size) < 1:
        return
    for height in range(1, isqrt(problem.places) + 1):
        for width in {-(-problem.places // height), problem.places // height + 1}:
            for places in ((height, width), (width, height)):
                more = [
                    (new - now) * s for new, now, s in zip(places, problem.output_size, problem.stride, strict=True)
                ]
                if more != [0, 0]:
                    yield replace(problem, size=(problem.size[0] + more[0], problem.size[1] + more[1]))


def fewer_groups(problem: Problem) -> Iterator[Problem]:
    """Fewer groups with as many channels each; and one group with the channels of all."""
    per_group, multiplier = problem.channels // problem.groups, problem.out_channels // problem.groups
    for groups in fewer_than(problem.groups):
        yield replace(problem, groups=groups, channels=groups * per_group, out_channels=groups * multiplier)
    yield replace(problem, groups=1)


def simpler_axis(problem: Problem, axis: int) -> Iterator[Problem]:
    """Make the options of one axis simpler: each alone, and with the size that keeps the places of the kernel."""
    put = partial(with_axis, problem, axis)
    now = {name: getattr(problem, name)[axis] for name in PAIRS}
    size, stride = now["size"], now["stride"]
    places = output_size(size, now["kernel_size"], stride, now["padding"], now["dilation"], ceil_mode=problem.ceil_mode)
    yield put(**LEAST)
    yield put(**{**LEAST, "size": size})
    if stride > 0:
        yield from (put(size=size - stride * (places - fewer)) for fewer in fewer_than(places))
    pixels_by = {
        "dilation": now["kernel_size"] - 1,
        "padding": -2,
        "stride": places - 1,
        "kernel_size": now["dilation"],
    }
    for name, pixels in pixels_by.items():
        for less in smaller(now[name], LEAST[name]):
            yield put(**{name: less})
            yield put(**{name: less, "size": max(1, size - pixels * (now[name] - less))})
    yield from (put(size=less) for less in smaller(size, 1))
    if now["kernel_size"] > 1:
        fewer = {"kernel_size": now["kernel_size"] - 1}
        yield put(**fewer, stride=stride - 1)
        yield put(**fewer, padding=now["padding"] - 1)
        yield put(**fewer, stride=stride - 1, size=size - 1)
        # a pool's padding is at most half of its kernel
        yield put(kernel_size=now["kernel_size"] - 2, padding=now["padding"] - 1)
        for less in (stride - 1, stride - 2):
            room = (places - 1) * less + now["dilation"] * (now["kernel_size"] - 2) + 1 - 2 * now["padding"]
            yield put(**fewer, stride=less, size=max(1, room))


def smaller(value: int, least: int) -> Iterator[int]:
    """The least value, then half way towards it, and so on up to the value's neighbour."""
    whole = value - least
    gaps = [whole]
    while abs(gaps[-1]) > 3:
        gaps.append(int(gaps[-1] / 2))
    # by two as well, for what depends on a number being even
    gaps += [gap if whole > 0 else -gap for gap in (2, 1) if gap < abs(whole)]
    yield from (value - gap for gap in dict.fromkeys(gaps) if gap)


def cropped(case: Case, problem: Problem) -> Case:
    """Keep the points within the arrays of a smaller problem; an index that is too large is moved in."""
    shapes = array_shapes(problem)
    kept: dict[tuple[str, tuple[int, ...]], Point] = {}
    for point in case.points:
        shape = shapes.get(point.array)
        if shape is not None and len(shape) == len(point.index) and 0 not in shape:
            index = tuple(min(i, length - 1) for i, length in zip(point.index, shape, strict=True))
            kept.setdefault((point.array, index), replace(point, index=index))
    return replace(case, problem=problem, points=tuple(kept.values()))


def moved_up_and_left(case: Case) -> Iterator[Case]:
    """Without the first row or column of pixels, where there are no points: the others are cropped at their ends."""
    for axis in (0, 1):
        ours = [point for point in case.points if point.array == "x"]
        # an array that breaks a rule may have no such axis
        beyond = all(len(point.index) > 2 + axis and point.index[2 + axis] > 0 for point in ours)
        if ours and case.problem.size[axis] > 1 and beyond:
            moved = tuple(
                replace(point, index=tuple(i - (place == 2 + axis) for place, i in enumerate(point.index)))
                if point.array == "x"
                else point
                for point in case.points
            )
            problem = with_axis(case.problem, axis, size=case.problem.size[axis] - 1)
            yield cropped(replace(case, points=moved), problem)


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
    """Powers of two half way to 1 and next to a number, and half of it: a few steps from 2**500 to a threshold."""
    if np.isfinite(value):
        exponent = frexp(value)[1] - 1
        yield copysign(ldexp(1.0, int(exponent / 2)), value)
        yield copysign(ldexp(1.0, exponent), value)
        yield float(int(value / 2))
    elif not np.isnan(value):
        yield np.nan
