"""The space of shape classes: which combinations of them there are, and a case for each.

What is feasible is found by construction. All axes with small options are enumerated and sorted into their classes; a
combination of classes is feasible if some axes and some choice of the other options have it, so the
parts that do not depend on each other are enumerated apart and combined. The classes compare options with each other
and with 0, 1 and 2, so beyond the sizes here nothing new turns up, up to three classes at a time (a test enumerates
further and finds the same).

An axis on which nothing can be seen, as all its windows lie in padding and give zero, counts as none. Nor does an empty
batch show anything of combinations that it is no part of.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import chain, combinations, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convgate.cases.case import Case, case_rule
from convgate.problems.axis import AXIS_OPTIONS, Axis, output_size
from convgate.problems.operators import OPERATORS
from convgate.problems.operators.classes import AXIS_NAMES, LARGE_KERNEL, padding_windows
from convgate.problems.problem import Problem
from convgate.shapes.features import axis_classes, data_choices, equal_pairs, features_of

__all__ = ["Axes", "Bools", "Ints", "Member", "Rows", "Space", "Stream", "Ways", "axes_of", "restricted", "space_of"]

MOST_KERNEL = 4
MOST_DILATION = 3
MOST_PLACES = 3
# Axes that a choice of other options is tried with.
SAMPLED = 50
# The larger axes without which some three classes would not be seen together, as two odd kernels that differ: size,
# kernel, stride, padding, dilation. They were found by enumerating up to kernels of 6 with 8 places.
LARGER = (
    (2, 1, 1, 1, 1),
    (3, 2, 1, 1, 1),
    (4, 3, 2, 3, 1),
    (1, 5, 1, 2, 1),
    (3, 5, 1, 2, 1),
    (5, 5, 3, 2, 1),
    (2, 5, 4, 2, 1),
    (5, 6, 4, 3, 1),
    (1, 6, 5, 3, 2),
    (5, 6, 7, 3, 1),
)

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Stream = np.random.PCG64
# A class of a feature, both by their numbers.
Member = tuple[int, int]


@dataclass(frozen=True)
class Table:
    """Choices of options that do not depend on other tables' choices, and their classes.

    Parameters
    ----------
    first : int
        Number of the first feature that the table decides.
    choices : tuple of dict
        Options by name.
    classes : ndarray of int, choices x features
        Class of each feature for each choice.
    """

    first: int
    choices: tuple[Mapping[str, Any], ...]
    classes: Ints

    @property
    def width(self) -> int:
        """How many features it decides."""
        return int(self.classes.shape[1])


@dataclass(frozen=True)
class Ways:
    """All combinations of the classes of `t` features, numbered.

    Parameters
    ----------
    features : ndarray of int, subsets x t
        The features of each subset.
    sizes : ndarray of int, subsets x t
        How many classes these have.
    offsets : ndarray of int, subsets + 1
        Number of each subset's first combination; the last entry is how many there are in all.
    """

    features: Ints
    sizes: Ints
    offsets: Ints

    @property
    def total(self) -> int:
        """Number of combinations, feasible or not."""
        return int(self.offsets[-1])

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """What a class adds to the number of a combination within its subset: features x subsets."""
        subsets, t = self.features.shape
        found = np.zeros((int(self.features.max(initial=-1)) + 1, subsets), np.float32)
        for column in range(t):
            found[self.features[:, column], np.arange(subsets)] = self.sizes[:, column + 1 :].prod(axis=1)
        return found

    def codes(self, vectors: Ints) -> Ints:
        """Numbers of the combinations that vectors have: vectors x subsets.

        As a product of matrices, which is many times faster than to look up the features of each subset. It is exact:
        a subset has some thousands of combinations at most.
        """
        within = vectors[:, : len(self.weights)].astype(np.float32) @ self.weights
        found: Ints = within.astype(np.int64) + self.offsets[:-1]
        return found

    def members(self, code: int) -> tuple[Member, ...]:
        """The features and classes of a combination."""
        subset = int(np.searchsorted(self.offsets, code, side="right")) - 1
        rest = code - int(self.offsets[subset])
        found = []
        for feature, size in zip(self.features[subset][::-1], self.sizes[subset][::-1], strict=True):
            rest, number = divmod(rest, int(size))
            found.append((int(feature), number))
        return tuple(reversed(found))


@dataclass(frozen=True)
class Axes:
    """All small axes of an operator, the simplest first.

    Parameters
    ----------
    axes : tuple of Axis
        The axes.
    modes : ndarray of int
        Whether the operator's axis mode is on for each of them; an axis can be there twice.
    options : ndarray of int, axes x options
        Those options that the operator has, in the order of `equal_pairs`.
    classes : ndarray of int, axes x axis features
        Their classes.
    """

    axes: tuple[Axis, ...]
    modes: Ints
    options: Ints
    classes: Ints

    @cached_property
    def all_modes(self) -> Ints:
        """The modes that there are."""
        found: Ints = np.unique(self.modes)
        return found

    @cached_property
    def numbered(self) -> list[tuple[int, Ints]]:
        """Of each option how many values there are, and the number of the value that each axis has."""
        found = [np.unique(column, return_inverse=True) for column in self.options.T]
        return [(len(values), numbers) for values, numbers in found]


def axes_of(operator: str, most_kernel: int = MOST_KERNEL) -> Axes:
    """All axes with small options that are valid and on which something can be seen.

    Parameters
    ----------
    operator : str
        Name of the operator.
    most_kernel : int
        The largest kernel of those that are all tried; the largest stride, padding and size follow it.
    """
    of_ceil_mode, names = OPERATORS[operator].axis_mode == "ceil_mode", equal_pairs(operator)
    found = {}
    for mode, axis in enumerate_axes(operator, most_kernel):
        numbers = [getattr(axis, name) for name in AXIS_OPTIONS]
        found[sum(numbers) + (mode and of_ceil_mode), mode, *numbers] = mode, axis
    those = [found[key] for key in sorted(found)]
    return Axes(
        tuple(axis for _, axis in those),
        np.array([mode for mode, _ in those], np.int64),
        np.array([[getattr(axis, name) for name in names] for _, axis in those], np.int64),
        np.array([axis_classes(operator, axis, mode and of_ceil_mode) for mode, axis in those], np.int64),
    )


def enumerate_axes(operator: str, most_kernel: int) -> Iterator[tuple[bool, Axis]]:
    """The same one by one, each with the operator's axis mode."""
    found = OPERATORS[operator]
    most_dilation = MOST_DILATION if "dilation" in found.options else 1
    for mode in (False, True) if found.axis_mode else (False,):
        ceil_mode = mode and found.axis_mode == "ceil_mode"
        small = small_axes(most_kernel, most_dilation)
        few = (axis for axis in small if output_size(axis, ceil_mode=ceil_mode) <= MOST_PLACES)
        for axis in chain(few, large_axes(most_dilation), (axis_with(*each) for each in LARGER)):
            problem = square(operator, axis, mode=mode)
            if found.broken_rule(problem) is None:
                empty, windows = padding_windows(axis, ceil_mode)
                if empty < windows or found.padding_shows(problem):
                    yield mode, axis


def small_axes(most_kernel: int, most_dilation: int) -> Iterator[Axis]:
    """All axes with small options, valid or not."""
    for kernel, dilation in product(range(1, most_kernel + 1), range(1, most_dilation + 1)):
        for stride, padding in product(range(1, kernel + 3), range(kernel + 2)):
            least = axis_with(1, kernel, stride, padding, dilation)
            for size in range(1, least.span + MOST_PLACES * stride + 1):
                yield axis_with(size, kernel, stride, padding, dilation)


def large_axes(most_dilation: int) -> Iterator[Axis]:
    """Axes with large kernels: options at the boundaries of the classes alone, for two even kernels and an odd one."""
    for kernel in (LARGE_KERNEL, LARGE_KERNEL + 1, LARGE_KERNEL + 2):
        options = product((1, 2, kernel, kernel + 1), (0, 1, kernel // 2, kernel), (1, 2)[:most_dilation])
        for stride, padding, dilation in options:
            reach = axis_with(1, kernel, stride, padding, dilation).span
            # one pixel, the span, and what leaves one place, two and three, each with no remainder and with one
            least = max(1, reach - 2 * padding)
            sizes = {1, reach, *(least + places * stride + rest for places in range(3) for rest in (0, 1))}
            yield from (axis_with(size, kernel, stride, padding, dilation) for size in sorted(sizes))


def axis_with(size: int, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
    """An axis with as much padding on both sides."""
    return Axis(
        size=size,
        kernel_size=kernel,
        stride=stride,
        padding_before=padding,
        padding_after=padding,
        dilation=dilation,
    )


def square(operator: str, axis: Axis, *, mode: bool) -> Problem:
    """A problem with one axis on all sides."""
    axis_mode = OPERATORS[operator].axis_mode
    options: dict[str, Any] = {axis_mode: mode} if axis_mode else {}
    return Problem(operator=operator, axes=(axis,) * len(AXIS_NAMES), **options)


@dataclass(frozen=True)
class Rows:
    """Some cases of a space, by the numbers of their axes and choices.

    Parameters
    ----------
    picks : ndarray of int, cases x (sides + tables)
        Number of the axis on each side, height first, then of the choice in each table.
    vectors : ndarray of int, cases x features
        Their classes.
    """

    picks: Ints
    vectors: Ints


@cache
def space_of(operator: str) -> "Space":
    """The space of an operator's shape classes."""
    return Space(operator)


def restricted(operator: str, supported: Callable[[Problem], bool]) -> "Space":
    """The space of the axes and choices that a subject supports.

    Whether it supports an axis is asked with that axis on all sides, whether it supports a choice with some of
    these. What it supports only in other company is not there; if that is everything, all of it is.

    Parameters
    ----------
    operator : str
        Name of the operator.
    supported : callable
        Whether the subject supports a problem.
    """
    space = Space(operator)
    everything = space.axes
    squares = [
        square(operator, axis, mode=bool(on)) for axis, on in zip(everything.axes, everything.modes, strict=True)
    ]
    kept = np.flatnonzero([supported(problem) for problem in squares])
    if kept.size:
        space.axes = Axes(
            tuple(everything.axes[i] for i in kept),
            everything.modes[kept],
            everything.options[kept],
            everything.classes[kept],
        )
    few = [squares[i] for i in (kept if kept.size else np.arange(len(squares)))[:: max(1, len(kept) // SAMPLED)]]
    for number, table in enumerate(space.tables):
        if set(table.choices[0]) <= set(data_choices(operator)):
            continue
        fits = [any(supported(replace(problem, **choice)) for problem in few) for choice in table.choices]
        if any(fits):
            choices = tuple(choice for choice, fit in zip(table.choices, fits, strict=True) if fit)
            space.tables[number] = Table(table.first, choices, table.classes[fits])
    return space


@cache
def subsets(numbers: frozenset[int]) -> list[frozenset[int]]:
    """All subsets, the smaller ones first."""
    return [frozenset(each) for count in range(len(numbers) + 1) for each in combinations(numbers, count)]


def number_of_ways(sides: Sequence[NDArray[np.float64]], equal: frozenset[int]) -> NDArray[np.float64]:
    """How many ways there are to put an axis on each side, by the classes of all sides, with some options equal.

    Parameters
    ----------
    sides : sequence of ndarray of float, classes x values of each option
        1 for what an axis can have.
    equal : set of int
        The options that are the same on all sides.
    """
    others = tuple(n for n in range(1, sides[0].ndim) if n - 1 not in equal)
    first, *more = (side.sum(axis=others).reshape(len(side), -1) for side in sides)
    for side in more[:-1]:
        first = (first[:, None, :] * side).reshape(-1, first.shape[1])
    found: NDArray[np.float64] = first @ more[-1].T if more else first.sum(axis=1)
    return found.ravel()


class Space:
    """The combinations of shape classes of one operator.

    Parameters
    ----------
    operator : str
        Name of the operator.
    """

    def __init__(self, operator: str) -> None:
        found = OPERATORS[operator]
        self.operator = operator
        self.features = features_of(operator)
        self.sizes = np.array([len(feature.classes) for feature in self.features])
        self.axes = axes_of(operator)
        self.pairs = equal_pairs(operator)
        self.sides = len(AXIS_NAMES)
        # numbers of the first feature of the options that may be equal, and of the first one after these
        self.first_pair = self.sides * len(found.axis_features)
        first = self.first_pair + len(self.pairs)
        self.batch = [feature.name for feature in self.features].index("batch")
        self.mode_feature = -1
        self.tables: list[Table] = []
        for block in found.blocks:
            if block.features[0].name == found.axis_mode:
                self.mode_feature = first
            else:
                problems = [Problem(operator=operator, **choice) for choice in block.choices]
                classes = [[feature.of(problem) for feature in block.features] for problem in problems]
                self.tables.append(Table(first, block.choices, np.array(classes)))
            first += len(block.features)
        for name, choices in data_choices(operator).items():
            self.tables.append(
                Table(first, tuple({name: choice} for choice in choices), np.arange(len(choices))[:, None])
            )
            first += 1
        self._ways: dict[int, Ways] = {}
        self._feasible: dict[int, Bools] = {}
        self._together: dict[tuple[int, ...], Bools] = {}
        self._present: dict[tuple[int, tuple[int, ...], tuple[int, ...]], NDArray[np.float64]] = {}

    def ways(self, t: int) -> Ways:
        """All combinations of `t` features."""
        if t not in self._ways:
            features = np.array(list(combinations(range(len(self.features)), t)))
            sizes = self.sizes[features]
            self._ways[t] = Ways(features, sizes, np.concatenate([[0], np.cumsum(sizes.prod(axis=1))]))
        return self._ways[t]

    def shown(self, vectors: Ints, t: int) -> Bools:
        """Which of their combinations of `t` features cases show something of: vectors x subsets.

        An empty batch has no values, so all that it shows is what becomes of an empty batch.
        """
        of_batch = (self.ways(t).features == self.batch).any(axis=1)
        found: Bools = (vectors[:, [self.batch]] > 0) | of_batch
        return found

    def feasible(self, t: int) -> Bools:
        """Which combinations of `t` features there are, by their numbers."""
        if t not in self._feasible:
            subsets = (tuple(map(int, features)) for features in self.ways(t).features)
            self._feasible[t] = np.concatenate([self.feasible_classes(subset).ravel() for subset in subsets])
        return self._feasible[t]

    def feasible_classes(self, features: Sequence[int]) -> Bools:
        """Which classes of some features go together: an array with an axis for each feature, in ascending order."""
        whole = np.ones([self.sizes[feature] for feature in features], bool)
        for part, together in self.parts_of(features):
            shape = [self.sizes[feature] if feature in part else 1 for feature in features]
            whole &= together.reshape(shape)
        return whole

    def parts_of(self, features: Sequence[int]) -> Iterator[tuple[tuple[int, ...], Bools]]:
        """The features by what decides them, with the classes that go together in each part."""
        on_axes = tuple(feature for feature in features if self.is_on_axes(feature))
        if on_axes:
            yield on_axes, self.together_on_axes(on_axes)
        for table in self.tables:
            columns = [feature - table.first for feature in features if 0 <= feature - table.first < table.width]
            if columns:
                part = tuple(table.first + column for column in columns)
                together = np.zeros([self.sizes[feature] for feature in part], bool)
                together[tuple(table.classes[:, columns].T)] = True
                yield part, together

    def is_on_axes(self, feature: int) -> bool:
        """Whether the axes decide a feature: one of theirs, whether an option is the same, or their mode."""
        return feature < self.first_pair + len(self.pairs) or feature == self.mode_feature

    def together_on_axes(self, features: tuple[int, ...]) -> Bools:
        """Which classes of features that the axes decide go together."""
        if features not in self._together:
            self._together[features] = self.join_axes(features)
        return self._together[features]

    def join_axes(self, features: tuple[int, ...]) -> Bools:
        """The same, found by counting the axes of the same mode that can stand on all sides together.

        Where options are to differ, all ways are counted, and those in which they are the same taken off again
        (inclusion and exclusion).
        """
        a = self.first_pair // self.sides
        columns = [tuple(f % a for f in features if f < self.first_pair and f // a == n) for n in range(self.sides)]
        pairs = tuple(f - self.first_pair for f in features if 0 <= f - self.first_pair < len(self.pairs))
        together = np.zeros([self.sizes[feature] for feature in features], bool)
        cells, every = together.shape[: sum(map(len, columns))], frozenset(range(len(pairs)))
        for mode in self.axes.all_modes:
            sides = [self.present(int(mode), each, pairs) for each in columns]
            same = {equal: number_of_ways(sides, equal) for equal in subsets(every)}
            for differing in subsets(every):
                equal = every - differing
                number = sum((-1) ** len(more) * same[equal | more] for more in subsets(differing))
                place = tuple(int(pair in differing) for pair in range(len(pairs)))
                if self.mode_feature in features:
                    place = (*place, int(mode))
                index: Any = (..., *place)
                together[index] |= (number > 0).reshape(cells)
        return together

    def present(self, mode: int, columns: tuple[int, ...], pairs: tuple[int, ...]) -> NDArray[np.float64]:
        """What the axes of one mode have: 1 for the classes in some columns and the values of some options.

        Its first axis is that of the classes, and each option has one more.
        """
        key = (mode, columns, pairs)
        if key not in self._present:
            those = self.axes.modes == mode
            values = [self.axes.numbered[pair] for pair in pairs]
            sizes = [self.sizes[column] for column in columns]
            found = np.zeros([*sizes, *(count for count, _ in values)])
            index = [*self.axes.classes[those][:, list(columns)].T, *(numbers[those] for _, numbers in values)]
            found[tuple(index)] = 1
            self._present[key] = found.reshape(prod(sizes), *found.shape[len(sizes) :])
        return self._present[key]

    def words(self, members: Iterable[Member]) -> tuple[str, ...]:
        """Classes as conditions in words."""
        return tuple(self.features[feature].classes[number] for feature, number in members)

    def rows(self, picks: Ints) -> Rows:
        """Sort cases, given by the numbers of their axes and choices, into their classes."""
        sides = picks[:, : self.sides]
        vectors = np.zeros((len(picks), len(self.features)), np.int64)
        vectors[:, : self.first_pair] = self.axes.classes[sides].reshape(len(picks), self.first_pair)
        different = differ([self.axes.options[side] for side in sides.T])
        vectors[:, self.first_pair : self.first_pair + len(self.pairs)] = different
        if self.mode_feature >= 0:
            vectors[:, self.mode_feature] = self.axes.modes[sides[:, 0]]
        for column, table in enumerate(self.tables, self.sides):
            vectors[:, table.first : table.first + table.width] = table.classes[picks[:, column]]
        return Rows(picks, vectors)

    def case(self, picks: Ints, seed: int) -> Case:
        """The case with these axes and choices."""
        options: dict[str, Any] = {}
        for table, pick in zip(self.tables, picks[self.sides :], strict=True):
            options |= table.choices[int(pick)]
        data = {name: options.pop(name) for name in data_choices(self.operator)}
        if self.mode_feature >= 0:
            options[OPERATORS[self.operator].axis_mode] = bool(self.axes.modes[picks[0]])
        axes = tuple(self.axes.axes[int(pick)] for pick in picks[: self.sides])
        return Case(problem=Problem(operator=self.operator, axes=axes, **options), seed=seed, **data)

    def pools(self, members: Sequence[Member]) -> tuple[list[Bools], list[Ints]]:
        """Axes of each side and, of each table, choices that have the given classes, each looked at alone."""
        a = self.first_pair // self.sides
        sides = [np.ones(len(self.axes.axes), bool) for _ in range(self.sides)]
        for feature, number in members:
            if feature < self.first_pair:
                sides[feature // a] &= self.axes.classes[:, feature % a] == number
            elif feature == self.mode_feature:
                sides[0] &= self.axes.modes == number
        choices = []
        for table in self.tables:
            fits = np.ones(len(table.choices), bool)
            for feature, number in members:
                if 0 <= feature - table.first < table.width:
                    fits &= table.classes[:, feature - table.first] == number
            choices.append(np.flatnonzero(fits))
        return sides, choices

    def partners(self, chosen: Sequence[int], axes: Bools, members: Sequence[Member]) -> Bools:
        """The axes that go with those chosen before: of the same mode, and with options equal or not as given."""
        fits: Bools = axes & (self.axes.modes == self.axes.modes[chosen[0]])
        for feature, number in members:
            pair = feature - self.first_pair
            if 0 <= pair < len(self.pairs):
                column = self.axes.options[:, pair]
                same = column == column[chosen[0]]
                if not number:
                    fits &= same
                elif len(chosen) == self.sides - 1 and same[list(chosen)].all():
                    # the last side is the one that can differ
                    fits &= ~same
        return fits

    def draw(self, stream: Stream, count: int, members: Sequence[Member] = ()) -> Rows:
        """Random cases that have the given classes, which must be feasible together."""
        sides, choices = self.pools(members)
        picks = np.zeros((count, self.sides + len(self.tables)), np.int64)
        pool = np.flatnonzero(sides[0])
        for row in range(count):
            chosen: list[int] = []
            while len(chosen) < self.sides:
                chosen = self.draw_axes(stream, pool, sides[1:], members)
            picks[row, : self.sides] = chosen
        for column, fitting in enumerate(choices, self.sides):
            picks[:, column] = pick(stream, fitting, count)
        return self.rows(picks)

    def draw_axes(self, stream: Stream, pool: Ints, sides: Sequence[Bools], members: Sequence[Member]) -> list[int]:
        """A random axis of the pool, and one of each further side that goes with it, as far as there are any."""
        chosen = [int(pick(stream, pool))]
        for side in sides:
            fits = self.partners(chosen, side, members)
            if not fits.any():
                break
            chosen.append(int(pick(stream, np.flatnonzero(self.alike(stream, chosen[0], fits)))))
        return chosen

    def alike(self, stream: Stream, first: int, axes: Bools) -> Bools:
        """Of some axes those that share with the first one some options that chance names, if there are any."""
        for pair, chance in enumerate(stream.random_raw(len(self.pairs))):
            column = self.axes.options[:, pair]
            same: Bools = axes & (column == column[first])
            if chance % 3 == 0 and same.any():
                axes = same
        return axes

    def variations(self, row: Ints, stream: Stream, count: int) -> Iterator[Rows]:
        """Cases that differ from one in a single choice, or in one axis; itself is among each of the groups."""
        others = np.flatnonzero(self.axes.modes == self.axes.modes[row[0]])
        for column in range(self.sides):
            picks = np.tile(row, (count, 1))
            picks[1:, column] = pick(stream, others, count - 1)
            yield self.rows(picks)
        for column, table in enumerate(self.tables, self.sides):
            # of many choices as many as there are candidates, with the same steps between them
            number = len(table.choices)
            every = np.arange(0, number, -(-number // count))
            picks = np.tile(row, (len(every), 1))
            picks[:, column] = (row[column] + every) % number
            yield self.rows(picks)

    def witness(self, members: Sequence[Member]) -> Case | None:
        """The simplest case that has the given classes; None if they are not feasible together."""
        sides, choices = self.pools(members)
        if any(not fitting.size for fitting in choices):
            return None
        for chosen in self.joined((), sides, members):
            case = self.case(np.array([*chosen, *(fitting[0] for fitting in choices)]), seed=0)
            if case_rule(case) is None:
                return case
        return None

    def joined(
        self, chosen: tuple[int, ...], sides: Sequence[Bools], members: Sequence[Member]
    ) -> Iterator[tuple[int, ...]]:
        """Those chosen with an axis of each further side that goes with them, the simplest first."""
        if not sides:
            yield chosen
            return
        fits = self.partners(chosen, sides[0], members) if chosen else sides[0]
        for number in np.flatnonzero(fits):
            yield from self.joined((*chosen, int(number)), sides[1:], members)


def differ(options: Sequence[Ints]) -> Bools:
    """Which options are not the same on all sides."""
    found: Bools = np.any([each != options[0] for each in options], axis=0)
    return found


def pick(stream: Stream, among: Ints, count: int | None = None) -> Ints:
    """Entries at random, from raw bits: NumPy keeps these the same from version to version."""
    words = stream.random_raw(1 if count is None else count) % np.uint64(len(among))
    found: Ints = among[words.astype(np.int64)]
    return found if count is not None else found[0]
