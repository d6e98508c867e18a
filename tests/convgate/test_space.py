"""The space of shape classes: figures small enough to count by hand, and feasibility found in other ways."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convgate.cases.case import Case, case_rule
from convgate.problems.axis import make_axes
from convgate.problems.operators import OPERATORS
from convgate.problems.operators.classes import DILATED_AXES, Block, Feature, padding_windows
from convgate.problems.problem import Problem
from convgate.results.coverage import STRENGTHS
from convgate.results.record import JudgedCase
from convgate.shapes.coverage import Coverage, coverage_of
from convgate.shapes.features import features_of, vector_of
from convgate.shapes.space import Member, Space, axes_of, space_of
from convgate.sources.strategies import cases

# An example to count by hand


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """An operator whose coverage looks at a few things."""
    return tiny_operator(monkeypatch, "tiny")


def tiny_operator(monkeypatch: pytest.MonkeyPatch, name: str) -> str:
    """Add that operator by a name.

    It is im2col with kernel classes alone of either axis (1; even; odd, > 1), no equal options as it has no pairs, the
    batch (0; 1; more), one dtype, one layout and one fill. That makes the features

        kernel_h (3 classes)   kernel_w (3)   batch (3)   dtype (1)   layout (1)   fill (1)
    """
    kernel = next(feature for feature in DILATED_AXES if feature.name == "kernel")
    batch = Feature("batch", ("batch = 0", "batch = 1", "batch > 1"), lambda problem: min(problem.batch, 2))
    found = replace(
        OPERATORS["im2col"],
        name=name,
        axis_features=(kernel,),
        blocks=(Block((batch,), ({"batch": 1}, {"batch": 2}, {"batch": 0})),),
        fills=("lattice",),
    )
    data = {"dtype": ("f64",), "layout": ("contiguous",), "fill": ("lattice",)}
    for module in ("space", "features"):
        monkeypatch.setattr(f"convgate.shapes.{module}.data_choices", lambda _: data)
        monkeypatch.setattr(f"convgate.shapes.{module}.equal_pairs", lambda _: ())
    monkeypatch.setitem(OPERATORS, name, found)
    return name


def judged(spec: str, verdict: str = "passed") -> JudgedCase:
    return JudgedCase(spec=spec, verdict=verdict, seconds=0.0)


def test_what_is_feasible_is_what_one_counts_by_hand(tiny: str) -> None:
    """All classes go together here, so every count is a sum of products of 3, 3, 3, 1, 1, 1.

    1-way: 3 + 3 + 3 + 1 + 1 + 1 = 12.
    2-way: the three pairs of features with 3 classes have 9 each, 27; each of these 3 features with each of the 3 of
    one class has 3, 9 * 3 = 27; the 3 pairs of features with one class have 1 each, 3. Together 57.
    3-way: all three with 3 classes 27; two of them (3 ways) with one of one class (3 ways) have 9, 81; one of them
    (3 ways) with two of one class (3 ways) have 3, 27; the three of one class 1. Together 136.
    """
    space = Space(tiny)
    assert [feature.name for feature in space.features] == ["kernel_h", "kernel_w", "batch", "dtype", "layout", "fill"]
    assert [int(space.feasible(t).sum()) for t in STRENGTHS] == [12, 57, 136]
    assert [space.ways(t).total for t in STRENGTHS] == [12, 57, 136]


@pytest.mark.parametrize(("sides", "expected"), [("w", [9, 30, 46]), ("dhw", [15, 93, 307])])
def test_one_axis_and_three_are_counted_as_two_are(
    sides: str, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every count is a sum of products of 3 for each axis and the batch, and of 1, 1, 1.

    For one axis: 1-way 2 * 3 + 3 = 9; 2-way 9 + 2 * 3 * 3 + 3 = 30; 3-way 9 * 3 + (3 + 3) * 3 + 1 = 46.
    For three: 1-way 4 * 3 + 3 = 15; 2-way 6 * 9 + 4 * 3 * 3 + 3 = 93; 3-way 4 * 27 + 6 * 9 * 3 + 4 * 3 * 3 + 1 = 307.
    """
    for module in ("space", "features"):
        monkeypatch.setattr(f"convgate.shapes.{module}.AXIS_NAMES", tuple(sides))
    space = Space(tiny_operator(monkeypatch, f"tiny_{sides}"))
    assert [int(space.feasible(t).sum()) for t in STRENGTHS] == expected
    for code in np.flatnonzero(space.feasible(2)):
        case = space.witness(space.ways(2).members(int(code)))
        assert case is not None
        assert len(case.problem.axes) == len(sides)
    rows = space.draw(np.random.PCG64(1), 20)
    assert rows.vectors.tolist() == [list(vector_of(space.case(picks, 0)) or ()) for picks in rows.picks]


def counted(tiny: str, *specs: str) -> list[int]:
    """How many combinations of 1, 2 and 3 features these cases of im2col cover, as cases of the tiny operator."""
    vectors = []
    for spec in specs:
        batch, height, width = (int(number) for number in spec)
        problem = Problem(operator=tiny, batch=batch, axes=make_axes(size=(9, 9), kernel_size=(height, width)))
        vector = vector_of(Case(problem=problem))
        assert vector is not None
        vectors.append(vector)
    coverage = Coverage(tiny, vectors, [])
    coverage.__dict__["space"] = Space(tiny)
    return [coverage.count(t).covered for t in STRENGTHS]


def test_what_is_covered_is_what_one_counts_by_hand(tiny: str) -> None:
    """A case here is batch, kernel height and kernel width.

    One case has one class of each of the 6 features: C(6,1) = 6 classes, C(6,2) = 15 pairs, C(6,3) = 20 triples.

    A second one that differs in the kernel's height alone brings what includes that: 1 class, C(5,1) = 5 pairs,
    C(5,2) = 10 triples. The same kernel again, of height 5 in place of 3, is of the same class and brings nothing.

    A third one that differs from the first in batch and width brings what includes one of these:
    2 classes, C(6,2) - C(4,2) = 9 pairs, C(6,3) - C(4,3) = 16 triples.

    One with an empty batch shows only what includes the batch: of itself 1 class, 5 pairs and 10 triples.
    """
    assert counted(tiny, "111") == [6, 15, 20]
    assert counted(tiny, "111", "131") == [7, 20, 30]
    assert counted(tiny, "111", "131", "151") == [7, 20, 30]
    assert counted(tiny, "111", "212") == [8, 24, 36]
    assert counted(tiny, "111", "131", "212") == [9, 29, 46]
    assert counted(tiny, "011") == [1, 5, 10]
    assert counted(tiny, "111", "011") == [7, 20, 30]
    everything = ["".join(map(str, each)) for each in product((0, 1, 2), (1, 2, 3), (1, 2, 3))]
    assert counted(tiny, *everything) == [12, 57, 136]


def test_two_cases_of_im2col_cover_what_one_counts_by_hand() -> None:
    """im2col has 9 features of each axis, 5 of equal options, batch, channels, dtype, layout, fill: 28.

    One case has one class of each: 28 classes, 28 * 27 / 2 = 378 pairs, 28 * 27 * 26 / 6 = 3276 triples. A second one
    in another dtype and layout brings what includes one of these two: 2 classes, 378 - 26 * 25 / 2 = 53 pairs and
    3276 - 26 * 25 * 24 / 6 = 676 triples.
    """
    assert len(features_of("im2col")) == 28
    one = coverage_of([judged("im2col:n2h5w7k3s2p1")], ["im2col"])["im2col"]
    assert [one.count(t).covered for t in STRENGTHS] == [28, 378, 3276]
    two = coverage_of([judged("im2col:n2h5w7k3s2p1"), judged("im2col:n2h5w7k3s2p1:f32:sliced")], ["im2col"])["im2col"]
    assert [two.count(t).covered for t in STRENGTHS] == [30, 431, 3952]


# Numbers of combinations


@settings(deadline=None, database=None)
@given(st.sampled_from(list(OPERATORS)), st.sampled_from(STRENGTHS), st.data())
def test_numbers_and_members_of_combinations_are_inverse(operator: str, t: int, data: st.DataObject) -> None:
    space = space_of(operator)
    ways = space.ways(t)
    code = data.draw(st.integers(0, ways.total - 1))
    members = ways.members(code)
    vector = np.zeros((1, len(space.features)), np.int64)
    for feature, number in members:
        vector[0, feature] = number
    subset = list(combinations(range(len(space.features)), t)).index(tuple(feature for feature, _ in members))
    assert ways.codes(vector)[0, subset] == code


# What is feasible


def shows_something(case: Case) -> bool:
    """Whether something can be seen on both axes: not all windows of either lie in padding, or padding shows."""
    for axis in case.problem.axes:
        empty, windows = padding_windows(axis, case.problem.ceil_mode)
        if empty == windows and not case.operator.padding_shows(case.problem):
            return False
    return True


@pytest.mark.parametrize("operator", OPERATORS)
def test_larger_problems_have_no_combination_that_the_space_lacks(operator: str) -> None:
    space = space_of(operator)
    seen: dict[tuple[int, ...], Case] = {}

    @settings(deadline=None, database=None, max_examples=400, derandomize=True)
    @given(cases(operator))
    def draw(case: Case) -> None:
        vector = vector_of(case)
        if vector is not None and shows_something(case):
            seen[vector] = case

    draw()
    vectors = np.array(list(seen))
    assert len(vectors) > 150
    for t in STRENGTHS:
        ways = space.ways(t)
        codes = ways.codes(vectors)
        lacking = codes[~space.feasible(t)[codes]]
        assert not lacking.size, [space.words(ways.members(int(code))) for code in np.unique(lacking)[:5]]


@pytest.mark.parametrize("operator", ["avg_pool2d", "max_pool2d", "im2col"])
def test_larger_kernels_and_outputs_bring_no_new_combinations(operator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    few = space_of(operator)
    monkeypatch.setattr("convgate.shapes.space.MOST_PLACES", 8)
    monkeypatch.setattr("convgate.shapes.space.axes_of", partial(axes_of, most_kernel=6))
    many = Space(operator)
    assert len(many.axes.axes) > 4 * len(few.axes.axes)
    for t in STRENGTHS:
        lacking = np.flatnonzero(many.feasible(t) & ~few.feasible(t))
        assert not lacking.size, [many.words(many.ways(t).members(int(code))) for code in lacking[:5]]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("t", [2, 3])
def test_a_witness_is_there_if_and_only_if_the_combination_is_feasible(operator: str, t: int) -> None:
    """On a sample; infeasible combinations take longer, as all axes are looked at."""
    space = space_of(operator)
    ways, feasible = space.ways(t), space.feasible(t)
    generator = np.random.default_rng(t)
    for code in generator.choice(np.flatnonzero(feasible), 150, replace=False):
        members = ways.members(int(code))
        case = space.witness(members)
        assert case is not None, space.words(members)
        vector = vector_of(case)
        assert vector is not None
        assert case_rule(case) is None
        assert all(vector[feature] == number for feature, number in members)
        assert case.problem.batch > 0 or (space.batch, 0) in members
    for code in generator.choice(np.flatnonzero(~feasible), 15, replace=False):
        assert space.witness(ways.members(int(code))) is None


@cache
def small_poolings() -> tuple[Problem, ...]:
    """All average poolings with few pixels, whole problems, with no thought for axes."""
    return tuple(enumerate_poolings())


def enumerate_poolings() -> Iterator[Problem]:
    rule = OPERATORS["avg_pool2d"].broken_rule
    pairs = [list(product(values, values)) for values in (range(1, 8), (1, 2), (1, 2, 3), (0, 1))]
    for size, kernel, stride, padding in product(*pairs):
        for ceil_mode in (False, True):
            problem = Problem(
                operator="avg_pool2d",
                axes=make_axes(size=size, kernel_size=kernel, stride=stride, padding=padding),
                ceil_mode=ceil_mode,
            )
            if rule(problem) is None:
                yield problem


SLICE = ("stride_h", "overhang_h", "overhang_w", "remainder_w", "output_w", "equal_input", "equal_stride", "ceil_mode")


def test_pairs_of_a_few_features_are_those_of_all_small_problems() -> None:
    """Whole problems with kernels of 1 and 2, strides to 3, sizes to 7 have all pairs of these features.

    But for one: a stride that is more than 1 and less than the kernel needs a kernel of 3.
    """
    space = space_of("avg_pool2d")
    numbers = [[feature.name for feature in space.features].index(name) for name in SLICE]
    found: set[tuple[Member, ...]] = set()
    for problem in small_poolings():
        vector = vector_of(Case(problem=problem))
        assert vector is not None
        found |= set(combinations(sorted((number, vector[number]) for number in numbers), 2))
    expected = set()
    for code in np.flatnonzero(space.feasible(2)):
        members = space.ways(2).members(int(code))
        if all(feature in numbers for feature, _ in members) and "1 < stride_h < kernel_h" not in space.words(members):
            expected.add(members)
    assert found == expected
    assert ((numbers[1], 1), (numbers[7], 0)) not in {tuple(sorted(members)) for members in found}
