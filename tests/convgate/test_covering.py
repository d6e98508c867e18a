"""The covering source: all feasible combinations in few valid cases, the same for the same seed."""

from collections.abc import Callable
from functools import cache
from math import prod

import numpy as np
import pytest

import impl
from convgate.cases.case import Case, case_rule
from convgate.cases.spec import format_spec, parse_spec
from convgate.judging.checks import OUTPUTS, judge
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.results.verdicts import primary_failure
from convgate.run.tally import Tally
from convgate.shapes.coverage import coverage_of
from convgate.shapes.features import features_of, vector_of
from convgate.shapes.space import restricted, space_of
from convgate.sources.covering import covering_cases

covering = cache(covering_cases)
COMPARING = (*OUTPUTS, "special_values")
# Measured: 59 to 66 and 304 to 382. Fewer than so many cannot be far from the least, which nobody knows.
# Beside the least there can be: the product of the largest numbers of classes.
MOST_TIMES = {2: 1.6, 3: 2.5}


@pytest.mark.parametrize("strength", [2, 3])
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_feasible_combination_is_in_some_case_that_shows_it(operator: str, strength: int) -> None:
    space = space_of(operator)
    ways = space.ways(strength)
    missing = space.feasible(strength).copy()
    for case in covering(operator, strength, 0):
        vector = vector_of(case)
        assert vector is not None
        codes = ways.codes(np.array([vector]))[0]
        assert space.feasible(strength)[codes].all()
        with_batch = (ways.features == space.batch).any(axis=1)
        missing[codes[with_batch] if case.problem.batch == 0 else codes] = False
    assert not missing.any()


@pytest.mark.parametrize("strength", [2, 3])
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_case_is_valid_and_survives_its_spec(operator: str, strength: int) -> None:
    for case in covering(operator, strength, 0):
        assert case.operator.broken_rule(case.problem) is None
        assert case_rule(case) is None
        assert parse_spec(format_spec(case)) == case


@pytest.mark.parametrize("strength", [2, 3])
@pytest.mark.parametrize("operator", OPERATORS)
def test_the_cases_are_few(operator: str, strength: int) -> None:
    least = prod(sorted((len(feature.classes) for feature in features_of(operator)), reverse=True)[:strength])
    assert least <= len(covering(operator, strength, 0)) < MOST_TIMES[strength] * least


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_same_seed_gives_the_same_cases_and_another_one_others(operator: str) -> None:
    def problems(cases: list[Case]) -> set[object]:
        return {case.problem for case in cases}

    first = covering(operator, 2, 0)
    assert covering_cases(operator, 2, 0) == first
    other = covering_cases(operator, 2, 1)
    assert len(problems(first) & problems(other)) < len(first) // 2


@pytest.mark.parametrize("operator", OPERATORS)
def test_when_the_covering_cases_are_judged_nearly_all_triples_count(operator: str) -> None:
    """All pairs, and triples but for cases on which the data happen to show nothing; random cases fill these.

    By the checks that compare with the oracles alone: the relations could only make more cases count.
    """
    tally = Tally()
    for case in covering(operator, 3, 0):
        results = judge(case, impl, COMPARING)
        tally.add(operator, format_spec(case), results, primary_failure(results))
    assert not tally.failing
    coverage = coverage_of(tally.judged, [operator])[operator]
    pairs, triples = coverage.count(2), coverage.count(3)
    assert pairs.covered == pairs.feasible
    assert triples.covered >= 0.99 * triples.feasible


SUPPORTED: dict[str, Callable[[Problem], bool]] = {
    "one kernel": lambda problem: problem.kernel_size == (3, 3) and problem.stride == (1, 1) and problem.groups == 1,
    "no groups, no dilation": lambda problem: problem.groups == 1 and problem.dilation == (1, 1),
    "what no square has": lambda problem: problem.stride[0] != problem.stride[1],
    "next to nothing": lambda problem: problem.size == (5, 7),
}


@pytest.mark.parametrize("supported", SUPPORTED.values(), ids=SUPPORTED)
def test_the_cases_are_among_those_that_a_subject_supports(supported: Callable[[Problem], bool]) -> None:
    cases = covering("conv2d", 2, 0, supported)
    assert len(cases) > 10
    assert all(supported(case.problem) for case in cases)


@pytest.mark.parametrize("name", ["one kernel", "no groups, no dilation"])
def test_of_what_a_subject_supports_everything_is_covered(name: str) -> None:
    """The channels past a block, layouts and fills too, although few random cases are of the kind."""
    space = restricted("conv2d", SUPPORTED[name])
    vectors = np.array([vector_of(case) for case in covering("conv2d", 2, 0, SUPPORTED[name])])
    covered = np.zeros(space.ways(2).total, bool)
    covered[space.ways(2).codes(vectors)] = True
    assert (covered >= space.feasible(2)).all()
    assert space.feasible(2).sum() < space_of("conv2d").feasible(2).sum()


def test_a_subject_that_supports_nothing_gets_no_cases() -> None:
    assert covering_cases("im2col", 2, 0, lambda _: False) == []
