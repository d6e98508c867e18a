"""Coverage: what counts, what adds up, what is missing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convgate.cases.case import Case
from convgate.cases.spec import parse_spec
from convgate.results.coverage import STRENGTHS
from convgate.results.record import JudgedCase
from convgate.shapes.coverage import Coverage, coverage_of
from convgate.shapes.features import vector_of
from convgate.shapes.space import space_of
from convgate.sources.strategies import cases


def judged(spec: str, verdict: str) -> JudgedCase:
    return JudgedCase(spec=spec, verdict=verdict, seconds=0.0)


def covered(spec: str, verdict: str) -> int:
    """How many classes one case covers."""
    return coverage_of([judged(spec, verdict)], ["im2col"])["im2col"].count(1).covered


@pytest.mark.parametrize("verdict", ["passed", "failed", "crashed", "timed_out"])
def test_a_case_on_which_the_subject_was_right_or_wrong_counts(verdict: str) -> None:
    """With one class of each of the 28 features."""
    assert covered("im2col:n2h5w7k3s2p1", verdict) == 28


@pytest.mark.parametrize("verdict", ["vacuous", "unsupported", "oracles_disagree"])
def test_a_case_that_tells_nothing_of_the_subject_does_not_count(verdict: str) -> None:
    assert covered("im2col:n2h5w7k3s2p1", verdict) == 0


@pytest.mark.parametrize("verdict", ["vacuous", "passed", "failed"])
def test_an_empty_batch_counts_for_being_empty_alone(verdict: str) -> None:
    """One class, and a pair with each of the other 27 features."""
    coverage = coverage_of([judged("im2col:n0h5w7k3s2p1", verdict)], ["im2col"])["im2col"]
    assert [coverage.count(t).covered for t in STRENGTHS] == [1, 27, 27 * 26 // 2]
    space = coverage.space
    (code,) = np.flatnonzero(coverage.covered(1))
    assert space.words(space.ways(1).members(int(code))) == ("batch = 0",)


@pytest.mark.parametrize("verdict", ["unsupported", "oracles_disagree"])
def test_an_empty_batch_that_was_not_judged_does_not_count(verdict: str) -> None:
    assert covered("im2col:n0", verdict) == 0


@pytest.mark.parametrize("spec", ["im2col:w2:points@x.0.0.0.1=-3", "im2col:s0", "im2col:k3"])
def test_single_points_and_invalid_problems_do_not_count(spec: str) -> None:
    assert vector_of(parse_spec(spec)) is None
    assert covered(spec, "passed") == covered(spec, "failed") == 0


def test_only_the_operators_asked_for_are_looked_at() -> None:
    found = coverage_of([judged("im2col", "passed"), judged("col2im", "passed")], ["col2im", "conv2d"])
    assert list(found) == ["col2im", "conv2d"]
    assert found["conv2d"].count(1).covered == 0
    assert found["col2im"].count(1).covered == len(space_of("col2im").features)


def test_failing_combinations_are_told_apart() -> None:
    good, bad = judged("im2col:n2h5w7k3s2p1", "passed"), judged("im2col:n2h5w7k3s2p1:f32", "failed")
    coverage = coverage_of([good, bad], ["im2col"])["im2col"]
    assert coverage.failing(1).sum() == 28
    assert coverage.count(1).covered == 29


@settings(deadline=None, database=None, max_examples=25)
@given(st.lists(cases("im2col"), max_size=6), st.lists(cases("im2col"), max_size=6))
def test_what_two_runs_cover_is_the_union_of_what_each_covers(ones: list[Case], others: list[Case]) -> None:
    vectors = [[vector for case in part if (vector := vector_of(case)) is not None] for part in (ones, others)]
    one, other, both = (Coverage("im2col", each, []) for each in (*vectors, [*vectors[0], *vectors[1]]))
    for t in STRENGTHS:
        assert (both.covered(t) == (one.covered(t) | other.covered(t))).all()
        lost = other.covered(t) & ~one.covered(t) & one.space.feasible(t)
        assert one.lost(other, t).tolist() == np.flatnonzero(lost).tolist()


def test_covered_and_missing_are_all_that_is_feasible() -> None:
    coverage = coverage_of([judged("im2col:n2h5w7k3s2p1", "passed")], ["im2col"])["im2col"]
    for t in STRENGTHS:
        count = coverage.count(t)
        assert count.covered + len(coverage.missing(t)) == count.feasible


def test_the_spec_of_a_gap_has_its_classes() -> None:
    coverage = coverage_of([judged("im2col:n2h5w7k3s2p1", "passed")], ["im2col"])["im2col"]
    for gap, _ in zip(coverage.gaps(2), range(50), strict=False):
        vector = vector_of(parse_spec(gap.spec))
        assert vector is not None
        classes = {each.classes[number] for each, number in zip(coverage.space.features, vector, strict=True)}
        assert set(gap.conditions) <= classes
