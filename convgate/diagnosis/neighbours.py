"""Valid cases near a given one that differ in a few properties, including those that trigger special code paths.

Besides small values of each option these have larger kernels, strides and dilations, counts that are whole multiples of
the blocks of vectors and tiles, with and without a tail, and such counts for channels and outputs together.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from math import gcd
from typing import Any

from convgate.cases.case import Case, case_rule, rule_of_problem
from convgate.diagnosis.moves import LEAST
from convgate.diagnosis.quantities import number_of_whole, whole_quantities
from convgate.problems.axis import Axis, with_options
from convgate.problems.block_sizes import BLOCKS, FEW
from convgate.problems.problem import replace_axis, with_axes
from convgate.shapes.features import data_choices, equal_pairs
from convgate.shapes.space import Stream, space_of

__all__ = ["around", "at_threshold", "varied", "whole_blocks"]

# Number of cases around a failure: enough to find the triggers of the planted faults.
NEAR = 500
# Most simultaneous changes to a failing case.
MOST_CHANGES = 3
MOST_PLACES = 4
# By so much several options are changed at once.
MOST_TOGETHER = 8
# Proposals for one change; some are invalid.
TRIES = 20
# Least and largest value of an option. The usual ones distinguish its shape classes; sometimes values are chosen up to
# the sizes for which specialised kernels exist (13 x 13 detectors, dilations of 6 and 8, patches of 7).
USUAL = {"size": (1, 9), "kernel_size": (1, 7), "stride": (1, 5), "padding": (0, 3), "dilation": (1, 3)}
WIDE = {"size": (1, 16), "kernel_size": (1, 13), "stride": (1, 7), "padding": (0, 8), "dilation": (1, 8)}
EVERY = 4
# Largest count without a tail: up to three times a block, but not much more than the largest block.
MOST_COUNT = 96
WHOLE = tuple(sorted({times * block for block in BLOCKS for times in (1, 2, 3) if times * block <= MOST_COUNT}))
# Whole blocks, with which larger counts are compared to see whether a tail matters.
WHOLE_BLOCKS = tuple(count for count in WHOLE if count > FEW)


def around(known: Sequence[Case], stream: Stream, count: int = NEAR) -> Iterator[Case]:
    """Cases that differ in a few properties, alternately from the first case and from any case known to fail."""
    for number in range(count):
        candidate = known[chance(stream, len(known))] if number % 2 else known[0]
        for _ in range(1 + chance(stream, MOST_CHANGES)):
            candidate = changed(candidate, stream)
        yield candidate


def varied(case: Case) -> Iterator[Case]:
    """Cases that differ in one count or in one option of one axis, with nearby numbers and numbers a block away.

    Options that are the same number, on one axis or on several, also change together to another number. Options also
    change with a size that keeps the number of output positions.
    """
    for count, put in counts_of(case):
        yield from (put(number) for number in numbers_near(count) if number > 0)
    names_of_axes = equal_pairs(case.operator.name)
    together = [names for size in range(1, MOST_CHANGES + 1) for names in combinations(names_of_axes, size)]
    sides = range(len(case.problem.axes))
    for some in (*((side,) for side in sides), tuple(sides)):
        for names in (names for names in together if len(names) == 1 or "size" not in names):
            numbers = {getattr(case.problem.axes[side], name) for name in names for side in some}
            if len(numbers) == 1:
                (own,) = numbers
                least, single = max(USUAL[name][0] for name in names), len(some) == len(names) == 1
                near = [other for other in numbers_near(own) if single or other <= own + MOST_TOGETHER]
                for other in (other for other in near if other >= least):
                    yield from with_others(case, some, dict.fromkeys(names, other))


def with_others(case: Case, sides: Sequence[int], options: Mapping[str, int]) -> Iterator[Case]:
    """The case with other options of some axes: with its size, if there is room, and with as many output positions."""
    roomy = same = case
    for side in sides:
        places = case.problem.output_size[side]
        axis = with_options(case.problem.axes[side], **options)
        roomy = with_axis(roomy, side, with_room(axis))
        same = with_axis(same, side, replace(axis, size=max(1, axis.size_for(places))))
    yield roomy
    if "size" not in options and same != roomy:
        yield same


def at_threshold(case: Case, text: str) -> Iterator[Case]:
    """Cases in which a quantity of the whole problem is the number that a condition names, or next to it.

    They differ from one in a single count or size, or are plain beside that, so that all numbers can be reached.
    """
    named = number_of_whole(text, case.problem.operator)
    if named is None:
        return
    name, number = named
    plain = replace(case, problem=replace(case.problem, axes=(LEAST,) * len(case.problem.axes)))
    for each in (case, plain):
        own = whole_quantities(case.problem.operator)[name](each.problem)
        for wanted in (number - 1, number, number + 1):
            for count, put in (*counts_of(each), *sizes_of(each)):
                for other in {count * wanted // max(1, own), count + wanted - own}:
                    candidate = put(other) if other > 0 else each
                    if whole_quantities(case.problem.operator)[name](candidate.problem) == wanted:
                        yield candidate


def sizes_of(case: Case) -> list[tuple[int, Callable[[int], Case]]]:
    """The sizes of the image and of the kernel, each with a function that gives the case with another one."""

    def with_size(side: int, name: str, size: int) -> Case:
        return with_axis(case, side, with_room(with_options(case.problem.axes[side], **{name: size})))

    return [
        (getattr(axis, name), partial(with_size, side, name))
        for name in ("size", "kernel_size")
        for side, axis in enumerate(case.problem.axes)
    ]


def with_axis(case: Case, side: int, axis: Axis) -> Case:
    """The case with another axis in the place of one."""
    return replace(case, problem=replace_axis(case.problem, side, axis))


def with_room(axis: Axis) -> Axis:
    """The axis with a size that leaves the kernel a place at the least."""
    return replace(axis, size=max(axis.size, axis.size_for(1)))


def numbers_near(number: int) -> list[int]:
    """Numbers that differ by a little or by a block, and twice and half the number."""
    steps = (1, *BLOCKS)
    return [*(number + step for step in steps), *(number - step for step in steps), number // 2, 2 * number]


def changed(case: Case, stream: Stream) -> Case:
    """A random valid case that differs in one property; the case itself if a few tries give none."""
    for _ in range(TRIES):
        move = MOVES[chance(stream, len(MOVES))]
        candidate = replace(move(case, stream), seed=chance(stream, 2**16))
        if rule_of_problem(candidate.problem) is None and case_rule(candidate) is None:
            return candidate
    return case


def chance(stream: Stream, below: int) -> int:
    """A random integer from 0 up to, but not including, `below`."""
    return int(stream.random_raw() % below)


def value_of_an_option(case: Case, stream: Stream) -> dict[str, int]:
    """An option with a height and a width, and a random value for it, sometimes near its own."""
    names = equal_pairs(case.operator.name)
    name = names[chance(stream, len(names))]
    least, most = (USUAL if chance(stream, EVERY) else WIDE)[name]
    if chance(stream, EVERY):
        return {name: least + chance(stream, most - least + 1)}
    return {name: max(least, near(getattr(case.problem.axes[any_side(case, stream)], name), stream))}


def any_side(case: Case, stream: Stream) -> int:
    """The number of one of the axes at random."""
    return chance(stream, len(case.problem.axes))


def near(number: int, stream: Stream) -> int:
    """A random number near the given one, or a block away."""
    others = numbers_near(number)
    return others[chance(stream, len(others))]


def other_pair(case: Case, stream: Stream) -> Case:
    """Another value of one option, the same on all axes."""
    option, fits = value_of_an_option(case, stream), chance(stream, 2)
    problem = with_axes(case.problem, **option)
    if fits:
        problem = replace(problem, axes=tuple(fitted(axis, stream) for axis in problem.axes))
    return replace(case, problem=problem)


def other_option(case: Case, stream: Stream) -> Case:
    """Another value of one option of one axis, half of the time with a size that gives a few output positions."""
    side = any_side(case, stream)
    axis = with_options(case.problem.axes[side], **value_of_an_option(case, stream))
    return with_axis(case, side, fitted(axis, stream) if chance(stream, 2) else axis)


def fitted(axis: Axis, stream: Stream) -> Axis:
    """The problem with a size that gives a few output positions on one axis."""
    stride = max(1, axis.stride)
    room = chance(stream, MOST_PLACES) * stride + chance(stream, stride)
    return replace(axis, size=max(1, axis.size_for(1) + room))


def same_option(case: Case, stream: Stream) -> Case:
    """One option of one axis as it is on another."""
    names = equal_pairs(case.operator.name)
    name, source = names[chance(stream, len(names))], any_side(case, stream)
    number = getattr(case.problem.axes[source], name)
    target = next_side(case, source)
    return with_axis(case, target, with_options(case.problem.axes[target], **{name: number}))


def next_side(case: Case, side: int) -> int:
    """The number of the axis after one, of the first after the last."""
    return (side + 1) % len(case.problem.axes)


def count_at_a_block(stream: Stream) -> int:
    """A whole number of blocks, half of the time with a tail."""
    whole = WHOLE[chance(stream, len(WHOLE))]
    return whole + chance(stream, 2) * (1 + chance(stream, FEW))


def other_count(case: Case, stream: Stream) -> Case:
    """Another count of images, output positions, channels, outputs or groups, at a block or near its own."""
    counts = counts_of(case)
    own, put = counts[chance(stream, len(counts))]
    return put(count_at_a_block(stream) if chance(stream, 2) else max(1, near(own, stream)))


def other_counts(case: Case, stream: Stream) -> Case:
    """Other counts of both channels and outputs, per group or in total: whole blocks, or all but one.

    With several groups, a whole block in total need not be one per group.
    """
    block = BLOCKS[1 + chance(stream, 3)]
    counts = [block * (1 + chance(stream, 2)) for _ in range(2)]
    if chance(stream, 2):
        counts[chance(stream, 2)] += 1 + chance(stream, block - 1)
    channels, outputs = counts
    if "groups" not in case.operator.options:
        return replace(case, problem=replace(case.problem, channels=channels))
    if chance(stream, 2):
        return with_channels(case, case.problem.groups, channels, outputs)
    divisors = [groups for groups in (1, *BLOCKS) if gcd(channels, outputs) % groups == 0]
    groups = divisors[chance(stream, len(divisors))]
    return with_channels(case, groups, channels // groups, outputs // groups)


def with_channels(case: Case, groups: int, per_group: int, outputs: int) -> Case:
    """The case with the given number of groups, and of channels and outputs per group."""
    channels, out_channels = groups * per_group, groups * outputs
    return replace(case, problem=replace(case.problem, groups=groups, channels=channels, out_channels=out_channels))


def counts_of(case: Case) -> list[tuple[int, Callable[[int], Case]]]:
    """The counts of a case, each with a function that returns the case with another count."""
    problem = case.problem
    groups = problem.groups
    per_group, outputs = problem.channels // groups, problem.out_channels // groups

    def with_images(count: int) -> Case:
        return replace(case, problem=replace(problem, batch=count))

    def with_places(side: int, count: int) -> Case:
        axis = problem.axes[side]
        return with_axis(case, side, replace(axis, size=max(1, axis.size_for(count))))

    found: list[tuple[int, Callable[[int], Case]]] = [
        (problem.batch, with_images),
        *((places, partial(with_places, side)) for side, places in enumerate(problem.output_size)),
        (per_group, lambda count: with_channels(case, groups, count, outputs)),
    ]
    if "groups" in case.operator.options:
        found.append((outputs, lambda count: with_channels(case, groups, per_group, count)))
        found.append((groups, lambda count: with_channels(case, count, per_group, outputs)))
    return found


def whole_blocks(case: Case, stream: Stream) -> Iterator[Case]:
    """For each count larger than a block, cases with counts that leave no tail, with this kernel and another one."""
    kernels = [1 + chance(stream, 3), *[2] * (len(case.problem.axes) - 1)]
    larger = replace(case, problem=with_axes(case.problem, kernel_size=kernels))
    for number, (count, _) in enumerate(counts_of(case)):
        if count > FEW:
            for each in (case, larger):
                yield from (counts_of(each)[number][1](whole) for whole in WHOLE_BLOCKS if whole != count)


def other_axis(case: Case, stream: Stream) -> Case:
    """One axis replaced by another small one."""
    axes = space_of(case.problem.operator).axes.axes
    axis = axes[chance(stream, len(axes))]
    return with_axis(case, any_side(case, stream), axis)


def same_axes(case: Case, stream: Stream) -> Case:
    """One axis replaced by the other, so that both are equal."""
    source = any_side(case, stream)
    return with_axis(case, next_side(case, source), case.problem.axes[source])


def swapped_axes(case: Case, stream: Stream) -> Case:
    """Height and width swapped, sometimes for one option only."""
    names = equal_pairs(case.operator.name)
    chosen = [names[chance(stream, len(names))]] if chance(stream, 2) else names
    swapped = {name: getattr(case.problem, name)[::-1] for name in chosen}
    return replace(case, problem=with_axes(case.problem, **swapped))


def other_choice(case: Case, stream: Stream) -> Case:
    """Another batch, other channels and groups, another flag, or other data."""
    data = data_choices(case.problem.operator)
    number = chance(stream, len(case.operator.blocks) + len(data))
    if number < len(case.operator.blocks):
        choices = case.operator.blocks[number].choices
        return replace(case, problem=replace(case.problem, **choices[chance(stream, len(choices))]))
    name, values = list(data.items())[number - len(case.operator.blocks)]
    change: dict[str, Any] = {name: values[chance(stream, len(values))]}
    if name == "layout":
        change["laid_out"] = ""
    return replace(case, **change)


MOVES: tuple[Callable[[Case, Stream], Case], ...] = (
    other_option,
    other_option,
    other_pair,
    other_axis,
    same_axes,
    same_option,
    swapped_axes,
    other_choice,
    other_choice,
    other_count,
    other_counts,
)
