"""Cases near others: valid ones that differ in a few things, among them those that special cases of kernels are for.

Besides small values of each option these are larger kernels, strides and dilations, counts that are whole multiples of
the blocks that vectors and tiles take, with and without a tail, and such counts of channels and of outputs together.
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
from convgate.problems.block_sizes import BLOCKS, FEW
from convgate.problems.operators.classes import Axis, axis_of, span_of
from convgate.problems.problem import PAIRS, Problem, with_axis
from convgate.shapes.features import data_choices
from convgate.shapes.space import Stream, space_of

__all__ = ["around", "at_threshold", "varied", "whole_blocks"]

# Cases around a failure: enough to name the triggers of the planted faults.
NEAR = 500
# Changes made at once to a case that fails.
MOST_CHANGES = 3
MOST_PLACES = 4
# By so much several options are changed at once.
MOST_TOGETHER = 8
# Proposals for one change, of which some are not valid.
TRIES = 20
# The least and the largest value of an option: those that tell its shape classes apart, and, every so often, those up
# to which kernels are written for one size each (13 x 13 detectors, dilations of 6 and 8, patches of 7).
USUAL = {"size": (1, 9), "kernel_size": (1, 7), "stride": (1, 5), "padding": (0, 3), "dilation": (1, 3)}
WIDE = {"size": (1, 16), "kernel_size": (1, 13), "stride": (1, 7), "padding": (0, 8), "dilation": (1, 8)}
EVERY = 4
# Counts with no tail: up to three times a block, but not much larger than the largest.
MOST_COUNT = 96
WHOLE = tuple(sorted({times * block for block in BLOCKS for times in (1, 2, 3) if times * block <= MOST_COUNT}))
# Where a count is past the few that enter no block, it is seen whether a tail matters.
WHOLE_BLOCKS = tuple(count for count in WHOLE if count > FEW)


def around(known: Sequence[Case], stream: Stream, count: int = NEAR) -> Iterator[Case]:
    """Cases that differ in a few things, by turns from the first and from any of those known to fail by then."""
    for number in range(count):
        candidate = known[chance(stream, len(known))] if number % 2 else known[0]
        for _ in range(1 + chance(stream, MOST_CHANGES)):
            candidate = changed(candidate, stream)
        yield candidate


def varied(case: Case) -> Iterator[Case]:
    """Cases that differ in one count, or in one option of one axis, each with numbers near its own and a block away.

    And those that differ by a little in several options that are the same number, which become the same other number:
    of one axis or of both. Options also differ with a size that gives the kernel as many places.
    """
    for count, put in counts_of(case):
        yield from (put(number) for number in numbers_near(count) if number > 0)
    pairs = [pair for pair in PAIRS if pair in case.operator.options]
    together = [names for size in range(1, MOST_CHANGES + 1) for names in combinations(pairs, size)]
    for axes in ((0,), (1,), (0, 1)):
        for names in (names for names in together if len(names) == 1 or "size" not in names):
            numbers = {getattr(case.problem, name)[axis] for name in names for axis in axes}
            if len(numbers) == 1:
                (own,) = numbers
                least, single = max(USUAL[name][0] for name in names), len(axes) == len(names) == 1
                near = [other for other in numbers_near(own) if single or other <= own + MOST_TOGETHER]
                for other in (other for other in near if other >= least):
                    yield from with_options(case, axes, dict.fromkeys(names, other))


def with_options(case: Case, axes: Sequence[int], options: Mapping[str, int]) -> Iterator[Case]:
    """The case with other options of some axes, with its size, if there is room, and with as many places."""
    roomy = same = case.problem
    for axis in axes:
        places = case.problem.output_size[axis]
        roomy = with_room(with_axis(roomy, axis, **options), axis)
        changed = with_axis(same, axis, **options)
        same = with_axis(changed, axis, size=max(1, size_for(axis_of(changed, axis), places)))
    yield replace(case, problem=roomy)
    if "size" not in options and same != roomy:
        yield replace(case, problem=same)


def size_for(axis: Axis, places: int) -> int:
    """The size that gives the kernel so many places on an axis, with nothing left over."""
    return (places - 1) * axis.stride + span_of(axis) - 2 * axis.padding


def at_threshold(case: Case, text: str) -> Iterator[Case]:
    """Cases in which a quantity of the problem as a whole is the number that a condition names, or next to it.

    They differ from one in a single count or size, or are plain beside that, so that all numbers can be reached.
    """
    named = number_of_whole(text, case.problem.operator)
    if named is None:
        return
    name, number = named
    plain = replace(case, problem=with_axis(with_axis(case.problem, 0, **LEAST), 1, **LEAST))
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

    def with_size(axis: int, name: str, size: int) -> Case:
        return replace(case, problem=with_room(with_axis(case.problem, axis, **{name: size}), axis))

    return [
        (getattr(case.problem, name)[axis], partial(with_size, axis, name))
        for name in ("size", "kernel_size")
        for axis in (0, 1)
    ]


def with_room(problem: Problem, axis: int) -> Problem:
    """The problem with a size on one axis that leaves the kernel a place at the least."""
    options = axis_of(problem, axis)
    return with_axis(problem, axis, size=max(options.size, span_of(options) - 2 * options.padding))


def numbers_near(number: int) -> list[int]:
    """Numbers that differ by little or by a block, twice as much, and half."""
    steps = (1, *BLOCKS)
    return [*(number + step for step in steps), *(number - step for step in steps), number // 2, 2 * number]


def changed(case: Case, stream: Stream) -> Case:
    """A valid case that differs from one in a single thing; the case itself if chance proposes none in a few tries."""
    for _ in range(TRIES):
        move = MOVES[chance(stream, len(MOVES))]
        candidate = replace(move(case, stream), seed=chance(stream, 2**16))
        if rule_of_problem(candidate.problem) is None and case_rule(candidate) is None:
            return candidate
    return case


def chance(stream: Stream, below: int) -> int:
    """A number from 0 at random."""
    return int(stream.random_raw() % below)


def value_of_an_option(case: Case, stream: Stream) -> dict[str, int]:
    """An option that has a height and a width, and a value for it; every so often one near its own."""
    pairs = [pair for pair in PAIRS if pair in case.operator.options]
    name = pairs[chance(stream, len(pairs))]
    least, most = (USUAL if chance(stream, EVERY) else WIDE)[name]
    if chance(stream, EVERY):
        return {name: least + chance(stream, most - least + 1)}
    return {name: max(least, near(getattr(case.problem, name)[chance(stream, 2)], stream))}


def near(number: int, stream: Stream) -> int:
    """A number near one, or a block away."""
    others = numbers_near(number)
    return others[chance(stream, len(others))]


def other_pair(case: Case, stream: Stream) -> Case:
    """Another value of one option, the same on both axes."""
    option, fits = value_of_an_option(case, stream), chance(stream, 2)
    problem = with_axis(with_axis(case.problem, 0, **option), 1, **option)
    if fits:
        problem = fitted(fitted(problem, 0, stream), 1, stream)
    return replace(case, problem=problem)


def other_option(case: Case, stream: Stream) -> Case:
    """Another value of one option of one axis, and every second time a size that gives the kernel a few places."""
    axis = chance(stream, 2)
    problem = with_axis(case.problem, axis, **value_of_an_option(case, stream))
    return replace(case, problem=fitted(problem, axis, stream) if chance(stream, 2) else problem)


def fitted(problem: Problem, axis: int, stream: Stream) -> Problem:
    """The problem with a size that gives the kernel a few places on one axis."""
    options = axis_of(problem, axis)
    stride = max(1, options.stride)
    room = chance(stream, MOST_PLACES) * stride + chance(stream, stride)
    return with_axis(problem, axis, size=max(1, span_of(options) - 2 * options.padding + room))


def same_option(case: Case, stream: Stream) -> Case:
    """One option of one axis as it is on the other."""
    pairs = [pair for pair in PAIRS if pair in case.operator.options]
    name, source = pairs[chance(stream, len(pairs))], chance(stream, 2)
    return replace(case, problem=with_axis(case.problem, 1 - source, **{name: getattr(case.problem, name)[source]}))


def count_at_a_block(stream: Stream) -> int:
    """A whole number of blocks, or, every second time, one with a tail."""
    whole = WHOLE[chance(stream, len(WHOLE))]
    return whole + chance(stream, 2) * (1 + chance(stream, FEW))


def other_count(case: Case, stream: Stream) -> Case:
    """Another count beside a block or near its own: of images, places of the kernel, channels, outputs or groups."""
    counts = counts_of(case)
    own, put = counts[chance(stream, len(counts))]
    return put(count_at_a_block(stream) if chance(stream, 2) else max(1, near(own, stream)))


def other_counts(case: Case, stream: Stream) -> Case:
    """Other counts of channels and of outputs at once, of each group or in all: whole blocks, or all but one.

    Where there are other groups too, a whole block in all may be none of each group.
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
    """The case with so many groups, and channels and outputs of each."""
    channels, out_channels = groups * per_group, groups * outputs
    return replace(case, problem=replace(case.problem, groups=groups, channels=channels, out_channels=out_channels))


def counts_of(case: Case) -> list[tuple[int, Callable[[int], Case]]]:
    """What can be counted in a case, each with a function that gives the case with another count."""
    problem = case.problem
    groups = problem.groups
    per_group, outputs = problem.channels // groups, problem.out_channels // groups

    def with_images(count: int) -> Case:
        return replace(case, problem=replace(problem, batch=count))

    def with_places(axis: int, count: int) -> Case:
        return replace(case, problem=with_axis(problem, axis, size=max(1, size_for(axis_of(problem, axis), count))))

    found: list[tuple[int, Callable[[int], Case]]] = [
        (problem.batch, with_images),
        *((problem.output_size[axis], partial(with_places, axis)) for axis in (0, 1)),
        (per_group, lambda count: with_channels(case, groups, count, outputs)),
    ]
    if "groups" in case.operator.options:
        found.append((outputs, lambda count: with_channels(case, groups, per_group, count)))
        found.append((groups, lambda count: with_channels(case, count, per_group, outputs)))
    return found


def whole_blocks(case: Case, stream: Stream) -> Iterator[Case]:
    """For each count that is past a block others that leave no tail behind it, with this kernel and another."""
    larger = replace(
        case, problem=with_axis(with_axis(case.problem, 0, kernel_size=1 + chance(stream, 3)), 1, kernel_size=2)
    )
    for number, (count, _) in enumerate(counts_of(case)):
        if count > FEW:
            for each in (case, larger):
                yield from (counts_of(each)[number][1](whole) for whole in WHOLE_BLOCKS if whole != count)


def other_axis(case: Case, stream: Stream) -> Case:
    """One axis in place of which another stands, of all that are small."""
    axes = space_of(case.problem.operator).axes.axes
    axis = axes[chance(stream, len(axes))]
    options = {name: getattr(axis, name) for name in PAIRS}
    return replace(case, problem=with_axis(case.problem, chance(stream, 2), **options))


def same_axes(case: Case, stream: Stream) -> Case:
    """One axis in place of which the other stands as well."""
    source = chance(stream, 2)
    options = {name: getattr(case.problem, name)[source] for name in PAIRS}
    return replace(case, problem=with_axis(case.problem, 1 - source, **options))


def swapped_axes(case: Case, stream: Stream) -> Case:
    """The height in place of the width and the other way round; now and then of one option alone."""
    pairs = [pair for pair in PAIRS if pair in case.operator.options]
    chosen = [pairs[chance(stream, len(pairs))]] if chance(stream, 2) else pairs
    swapped: dict[str, Any] = {name: getattr(case.problem, name)[::-1] for name in chosen}
    return replace(case, problem=replace(case.problem, **swapped))


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
