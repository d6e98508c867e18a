"""The space of shape classes: which combinations of them there are, and a case for each.

What is feasible is found by construction. All axes with small options are enumerated and sorted into their classes; a
combination of classes is feasible if some height, some width and some choice of the other options have it, so the
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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convgate.cases.case import Case, case_rule
from convgate.problems.operators import OPERATORS
from convgate.problems.operators.classes import LARGE_KERNEL, Axis, padding_windows, places_of
from convgate.problems.problem import PAIRS, Problem, span
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
    options : ndarray of int, axes x pairs
        Their options, in the order of `PAIRS`.
    classes : ndarray of int, axes x axis features
        Their classes.
    """

    axes: tuple[Axis, ...]
    modes: Ints
    options: Ints
    classes: Ints


def axes_of(operator: str, most_kernel: int = MOST_KERNEL) -> Axes:
    """All axes with small options that are valid and on which something can be seen.

    Parameters
    ----------
    operator : str
        Name of the operator.
    most_kernel : int
        The largest kernel of those that are all tried; the largest stride, padding and size follow it.
    """
    found = sorted(set(enumerate_axes(operator, most_kernel)), key=lambda pair: (sum(pair[1]), pair))
    axes = tuple(axis for _, axis in found)
    return Axes(
        axes,
        np.array([mode for mode, _ in found], np.int64),
        np.array([axis[: len(PAIRS)] for axis in axes], np.int64),
        np.array([axis_classes(operator, axis) for axis in axes], np.int64),
    )


def enumerate_axes(operator: str, most_kernel: int) -> Iterator[tuple[bool, Axis]]:
    """The same one by one, each with the operator's axis mode."""
    found = OPERATORS[operator]
    most_dilation = MOST_DILATION if "dilation" in found.options else 1
    for mode in (False, True) if found.axis_mode else (False,):
        ceil_mode = mode and found.axis_mode == "ceil_mode"
        few = (axis for axis in small_axes(most_kernel, most_dilation, ceil_mode) if places_of(axis) <= MOST_PLACES)
        for axis in chain(few, large_axes(most_dilation, ceil_mode), (Axis(*each, ceil_mode) for each in LARGER)):
            problem = problem_of(operator, axis, axis, {found.axis_mode: mode} if found.axis_mode else {})
            if found.broken_rule(problem) is None:
                empty, windows = padding_windows(axis)
                if empty < windows or found.padding_shows(problem):
                    yield mode, axis


def small_axes(most_kernel: int, most_dilation: int, ceil_mode: bool) -> Iterator[Axis]:
    """All axes with small options, valid or not."""
    for kernel, dilation in product(range(1, most_kernel + 1), range(1, most_dilation + 1)):
        for stride, padding in product(range(1, kernel + 3), range(kernel + 2)):
            for size in range(1, span(kernel, dilation) + MOST_PLACES * stride + 1):
                yield Axis(size, kernel, stride, padding, dilation, ceil_mode)


def large_axes(most_dilation: int, ceil_mode: bool) -> Iterator[Axis]:
    """Axes with large kernels: options at the boundaries of the classes alone, for two even kernels and an odd one."""
    for kernel in (LARGE_KERNEL, LARGE_KERNEL + 1, LARGE_KERNEL + 2):
        options = product((1, 2, kernel, kernel + 1), (0, 1, kernel // 2, kernel), (1, 2)[:most_dilation])
        for stride, padding, dilation in options:
            reach = span(kernel, dilation)
            # one pixel, the span, and what leaves one place, two and three, each with no remainder and with one
            least = max(1, reach - 2 * padding)
            sizes = {1, reach, *(least + places * stride + rest for places in range(3) for rest in (0, 1))}
            yield from (Axis(size, kernel, stride, padding, dilation, ceil_mode) for size in sorted(sizes))


def problem_of(operator: str, height: Axis, width: Axis, options: Mapping[str, Any]) -> Problem:
    """A problem with these axes and other options."""
    pairs: dict[str, Any] = {name: (getattr(height, name), getattr(width, name)) for name in PAIRS}
    return Problem(operator=operator, **pairs, **options)


@dataclass(frozen=True)
class Rows:
    """Some cases of a space, by the numbers of their axes and choices.

    Parameters
    ----------
    picks : ndarray of int, cases x (2 + tables)
        Number of the height and of the width among the axes, then of the choice in each table.
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

    Whether it supports an axis is asked with that axis in height and width, whether it supports a choice with some of
    these. What it supports only in other company is not there; if that is everything, all of it is.

    Parameters
    ----------
    operator : str
        Name of the operator.
    supported : callable
        Whether the subject supports a problem.
    """
    space = Space(operator)
    mode = OPERATORS[operator].axis_mode
    everything = space.axes
    squares = [
        problem_of(operator, axis, axis, {mode: bool(on)} if mode else {})
        for axis, on in zip(everything.axes, everything.modes, strict=True)
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
        self.axis_count = len(found.axis_features)
        first = 2 * self.axis_count + len(self.pairs)
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
        self._distinct: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Ints] = {}

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
        """Whether the two axes decide a feature: one of theirs, whether an option is the same, or their mode."""
        return feature < 2 * self.axis_count + len(self.pairs) or feature == self.mode_feature

    def together_on_axes(self, features: tuple[int, ...]) -> Bools:
        """Which classes of features that the two axes decide go together."""
        if features not in self._together:
            self._together[features] = self.join_axes(features)
        return self._together[features]

    def join_axes(self, features: tuple[int, ...]) -> Bools:
        """The same, found by joining all heights with all widths of the same mode."""
        a = self.axis_count
        columns = [[f for f in features if f < a], [f - a for f in features if a <= f < 2 * a]]
        pairs = [f - 2 * a for f in features if 2 * a <= f < 2 * a + len(self.pairs)]
        together = np.zeros([self.sizes[feature] for feature in features], bool)
        for mode in np.unique(self.axes.modes):
            heights, widths = (self.distinct(int(mode), tuple(each), tuple(pairs)) for each in columns)
            i, j = (each.ravel() for each in np.indices((len(heights), len(widths))))
            different = heights[i, len(columns[0]) :] != widths[j, len(columns[1]) :]
            index = [*heights[i, : len(columns[0])].T, *widths[j, : len(columns[1])].T, *different.astype(np.int64).T]
            if self.mode_feature in features:
                index.append(np.full(len(i), mode))
            together[tuple(index)] = True
        return together

    def distinct(self, mode: int, columns: tuple[int, ...], pairs: tuple[int, ...]) -> Ints:
        """What the axes of one mode have, each once: the classes in some columns, and the values of some options."""
        key = (mode, columns, pairs)
        if key not in self._distinct:
            those = self.axes.modes == mode
            options = [PAIRS.index(self.pairs[pair]) for pair in pairs]
            rows = np.hstack([self.axes.classes[those][:, list(columns)], self.axes.options[those][:, options]])
            # as one number each they are sorted much faster than as rows
            numbers = np.zeros(len(rows), np.int64)
            for column in rows.T:
                numbers = numbers * (column.max() + 1) + column
            self._distinct[key] = rows[np.unique(numbers, return_index=True)[1]]
        return self._distinct[key]

    def words(self, members: Iterable[Member]) -> tuple[str, ...]:
        """Classes as conditions in words."""
        return tuple(self.features[feature].classes[number] for feature, number in members)

    def rows(self, picks: Ints) -> Rows:
        """Sort cases, given by the numbers of their axes and choices, into their classes."""
        height, width = picks[:, 0], picks[:, 1]
        options = [PAIRS.index(pair) for pair in self.pairs]
        different = self.axes.options[height][:, options] != self.axes.options[width][:, options]
        vectors = np.zeros((len(picks), len(self.features)), np.int64)
        a = self.axis_count
        vectors[:, :a] = self.axes.classes[height]
        vectors[:, a : 2 * a] = self.axes.classes[width]
        vectors[:, 2 * a : 2 * a + len(self.pairs)] = different
        if self.mode_feature >= 0:
            vectors[:, self.mode_feature] = self.axes.modes[height]
        for column, table in enumerate(self.tables, 2):
            vectors[:, table.first : table.first + table.width] = table.classes[picks[:, column]]
        return Rows(picks, vectors)

    def case(self, picks: Ints, seed: int) -> Case:
        """The case with these axes and choices."""
        options: dict[str, Any] = {}
        for table, pick in zip(self.tables, picks[2:], strict=True):
            options |= table.choices[int(pick)]
        data = {name: options.pop(name) for name in data_choices(self.operator)}
        if self.mode_feature >= 0:
            options[OPERATORS[self.operator].axis_mode] = bool(self.axes.modes[picks[0]])
        height, width = (self.axes.axes[int(pick)] for pick in picks[:2])
        return Case(problem=problem_of(self.operator, height, width, options), seed=seed, **data)

    def pools(self, members: Sequence[Member]) -> tuple[Bools, Bools, list[Ints]]:
        """Heights, widths and, of each table, choices that have the given classes, each looked at alone."""
        a = self.axis_count
        heights = np.ones(len(self.axes.axes), bool)
        widths = heights.copy()
        for feature, number in members:
            if feature < a:
                heights &= self.axes.classes[:, feature] == number
            elif feature < 2 * a:
                widths &= self.axes.classes[:, feature - a] == number
            elif feature == self.mode_feature:
                heights &= self.axes.modes == number
        choices = []
        for table in self.tables:
            fits = np.ones(len(table.choices), bool)
            for feature, number in members:
                if 0 <= feature - table.first < table.width:
                    fits &= table.classes[:, feature - table.first] == number
            choices.append(np.flatnonzero(fits))
        return heights, widths, choices

    def partners(self, height: int, widths: Bools, members: Sequence[Member]) -> Bools:
        """The widths among these that go with a height: of the same mode, and with options equal or not as given."""
        fits: Bools = widths & (self.axes.modes == self.axes.modes[height])
        for feature, number in members:
            pair = feature - 2 * self.axis_count
            if 0 <= pair < len(self.pairs):
                column = self.axes.options[:, PAIRS.index(self.pairs[pair])]
                fits &= (column != column[height]) == bool(number)
        return fits

    def draw(self, stream: Stream, count: int, members: Sequence[Member] = ()) -> Rows:
        """Random cases that have the given classes, which must be feasible together."""
        heights, widths, choices = self.pools(members)
        pool = np.flatnonzero(heights)
        picks = np.zeros((count, 2 + len(self.tables)), np.int64)
        for row in range(count):
            fits = np.zeros(0, bool)
            while not fits.any():
                height = int(pick(stream, pool))
                fits = self.partners(height, widths, members)
            picks[row, 0], picks[row, 1] = height, pick(stream, np.flatnonzero(self.alike(stream, height, fits)))
        for column, fitting in enumerate(choices, 2):
            picks[:, column] = pick(stream, fitting, count)
        return self.rows(picks)

    def alike(self, stream: Stream, height: int, widths: Bools) -> Bools:
        """Of some widths those that share with a height some options that chance names, if there are any."""
        for pair, chance in zip(self.pairs, stream.random_raw(len(self.pairs)), strict=True):
            column = self.axes.options[:, PAIRS.index(pair)]
            same: Bools = widths & (column == column[height])
            if chance % 3 == 0 and same.any():
                widths = same
        return widths

    def variations(self, row: Ints, stream: Stream, count: int) -> Iterator[Rows]:
        """Cases that differ from one in a single choice, or in one axis; itself is among each of the groups."""
        for column in (0, 1):
            other = self.axes.modes == self.axes.modes[row[1 - column]]
            picks = np.tile(row, (count, 1))
            picks[1:, column] = pick(stream, np.flatnonzero(other), count - 1)
            yield self.rows(picks)
        for column, table in enumerate(self.tables, 2):
            # of many choices as many as there are candidates, with the same steps between them
            number = len(table.choices)
            every = np.arange(0, number, -(-number // count))
            picks = np.tile(row, (len(every), 1))
            picks[:, column] = (row[column] + every) % number
            yield self.rows(picks)

    def witness(self, members: Sequence[Member]) -> Case | None:
        """The simplest case that has the given classes; None if they are not feasible together."""
        heights, widths, choices = self.pools(members)
        if any(not fitting.size for fitting in choices):
            return None
        for height in np.flatnonzero(heights):
            fits = self.partners(int(height), widths, members)
            for width in np.flatnonzero(fits):
                picks = np.array([height, width, *(fitting[0] for fitting in choices)])
                case = self.case(picks, seed=0)
                if case_rule(case) is None:
                    return case
        return None


def pick(stream: Stream, among: Ints, count: int | None = None) -> Ints:
    """Entries at random, from raw bits: NumPy keeps these the same from version to version."""
    words = stream.random_raw(1 if count is None else count) % np.uint64(len(among))
    found: Ints = among[words.astype(np.int64)]
    return found if count is not None else found[0]
