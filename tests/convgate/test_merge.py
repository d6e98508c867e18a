"""Run records added up, in whatever order and grouping."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convgate.judging.checks import CHECKS
from convgate.problems.operators import OPERATORS
from convgate.results.coverage import STRENGTHS
from convgate.results.failure import When
from convgate.results.picture import Picture
from convgate.results.record import RunRecord, SavedFailure, differing_versions
from convgate.results.verdicts import Result, primary_failure
from convgate.run.merge import MergeError, merge, record_of, united
from convgate.run.tally import Tally, verdict_of

SPECS = {
    "im2col": ("im2col", "im2col:h3w2k2:f32", "im2col:n2h5w7k3s2p1"),
    "col2im": ("col2im", "col2im:n0", "col2im:c3k2x1p1x0:f32"),
}
WHEN = When(conditions=("stride_h > 1",), having=4, failing=4, others=6, passing=6)


def failure(fingerprint: str = "0123abcd", *, cases: int = 1, **fields: object) -> SavedFailure:
    plain = SavedFailure(
        fingerprint=fingerprint,
        subject="mine",
        operator="im2col",
        check="forward",
        symptom="wrong value",
        relation="",
        found="im2col:k2",
        minimal="im2col",
        message="y is wrong",
        expected="1",
        actual="0",
        found_at="2026-01-01T00:00:00+00:00",
        cases=cases,
        when=None,
        picture=Picture("im2col(x)", [], []),
        folder="reports/failures/im2col",
    )
    return replace(plain, **fields)  # type: ignore[arg-type] # by name


def record(*verdicts: tuple[str, str], failures: Sequence[SavedFailure] = (), **fields: object) -> RunRecord:
    """The record of a run in which each spec's forward check came to a verdict."""
    tally = Tally()
    for spec, verdict in verdicts:
        results = [Result("forward", verdict)]
        tally.add(spec.partition(":")[0], spec, results, primary_failure(results), 0.125)
    operators = [operator for operator in OPERATORS if tally.cases[operator]]
    verdict, reason = verdict_of(tally, operators, [])
    made = record_of(
        tally,
        subject="mine",
        operators=operators,
        profile="smoke",
        seed=0,
        verdict=verdict,
        reason=reason,
        started_at="2026-01-01T00:00:00+00:00",
        seconds=1.5,
        failures=failures,
        versions={"numpy": "2.4"},
    )
    return replace(made, **fields)  # type: ignore[arg-type] # by name


@st.composite
def records(draw: st.DrawFn) -> RunRecord:
    tally = Tally()
    chosen = draw(st.sets(st.sampled_from(list(SPECS)), min_size=1))
    operators = [operator for operator in OPERATORS if operator in chosen]
    for _ in range(draw(st.integers(0, 4))):
        operator = draw(st.sampled_from(operators))
        verdicts = draw(
            st.lists(st.sampled_from(["passed", "passed", "vacuous", "failed", "oracles_disagree"]), max_size=2)
        )
        results = [Result(check, verdict, message="so") for check, verdict in zip(CHECKS, verdicts, strict=False)]
        tally.add(operator, draw(st.sampled_from(SPECS[operator])), results, primary_failure(results), 0.125)
    verdict, reason = verdict_of(tally, operators, draw(st.sampled_from([[], ["conv2d"]])))
    notes = draw(st.sampled_from(["", "; col2im was given up after 3 crashes or hangs, with 2 of 9 cases to go"]))
    found = st.builds(
        failure,
        st.sampled_from(["00000000", "11111111"]),
        cases=st.integers(1, 9),
        when=st.sampled_from([None, WHEN]),
        found_at=st.sampled_from(["2026-01-01", "2026-01-02"]),
        found=st.sampled_from(["im2col:k2", "im2col:k3"]),
    )
    return record_of(
        tally,
        subject="mine",
        operators=operators,
        profile=draw(st.sampled_from(["smoke", "pr"])),
        seed=draw(st.integers(0, 3)),
        verdict=verdict,
        reason=reason + (notes if verdict == "fails" else ""),
        started_at=draw(st.sampled_from(["2026-01-01", "2026-01-02"])),
        seconds=draw(st.integers(0, 9999)) / 1000,
        failures=draw(st.lists(found, max_size=2, unique_by=lambda each: each.fingerprint)),
        versions=draw(st.dictionaries(st.sampled_from(["numpy", "torch"]), st.sampled_from(["1", "2", "3"]))),
    )


def in_order(record: RunRecord) -> RunRecord:
    """The same with its lists sorted."""
    return replace(
        record,
        failures=sorted(record.failures, key=lambda each: each.fingerprint),
        judged=sorted(record.judged, key=repr),
        oracles_disagree=sorted(record.oracles_disagree, key=repr),
    )


@settings(deadline=None, database=None)
@given(st.lists(records(), min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(parts: list[RunRecord], random: object) -> None:
    shuffled = list(parts)
    getattr(random, "shuffle")(shuffled)  # noqa: B009 - Hypothesis's own type is not public
    assert in_order(merge(parts)) == in_order(merge(shuffled))


@settings(deadline=None, database=None)
@given(records(), records(), records())
def test_the_grouping_of_records_does_not_matter(a: RunRecord, b: RunRecord, c: RunRecord) -> None:
    whole = merge([a, b, c])
    assert merge([merge([a, b]), c]) == whole
    assert merge([a, merge([b, c])]) == whole


@settings(deadline=None, database=None)
@given(records())
def test_one_record_merged_is_itself(alone: RunRecord) -> None:
    assert in_order(merge([alone])) == in_order(alone)


def test_cases_and_counts_add_up() -> None:
    one, other = record(("im2col", "passed")), record(("im2col:k2", "passed"), ("col2im", "vacuous"))
    whole = merge([one, other])
    assert whole.cases == 3
    assert [each.spec for each in whole.judged] == ["im2col", "im2col:k2", "col2im"]
    assert whole.counts["passed"] == 2
    assert whole.counts["vacuous"] == 1
    assert [(row.operator, row.counts["passed"]) for row in whole.checks] == [("im2col", 2), ("col2im", 0)]
    assert whole.seconds == 3.0


def test_a_record_given_twice_counts_its_cases_twice_and_covers_the_same() -> None:
    once = record(("im2col:n2h5w7k3s2p1", "passed"))
    twice = merge([once, once])
    assert (twice.cases, len(twice.judged)) == (2, 2)
    assert twice.coverage == once.coverage
    assert all(each.covered > 0 for each in twice.coverage)


def test_operators_come_in_the_order_of_the_others() -> None:
    assert merge([record(("col2im", "passed")), record(("im2col", "passed"))]).operators == ["im2col", "col2im"]


def test_coverage_is_counted_anew_over_all_cases() -> None:
    one, other = record(("im2col", "passed")), record(("im2col:h3w4k2:f32", "passed"))
    whole = merge([one, other])
    for t in range(len(STRENGTHS)):
        assert whole.coverage[t].covered > max(one.coverage[t].covered, other.coverage[t].covered)
        assert whole.coverage[t].feasible == one.coverage[t].feasible


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        (("conforms", "conforms"), "conforms"),
        (("conforms", "insufficient"), "insufficient"),
        (("insufficient", "fails"), "fails"),
        (("fails", "conforms"), "fails"),
    ],
)
def test_the_verdict_is_the_worst(verdicts: tuple[str, str], worst: str) -> None:
    result = {"conforms": "passed", "insufficient": "vacuous", "fails": "failed"}
    parts = [record(("im2col", result[verdict])) for verdict in verdicts]
    assert [part.verdict for part in parts] == list(verdicts)
    assert merge(parts).verdict == worst


def test_the_reason_is_that_of_the_whole() -> None:
    good, bad = record(("im2col", "passed")), record(("im2col", "failed"), ("im2col:k2", "passed"))
    assert merge([good, good]).reason == "2 checks passed on 2 cases"
    assert merge([good, bad]).reason == "1 of 3 cases fail"
    given_up = replace(
        bad, reason=bad.reason + "; im2col was given up after 3 crashes or hangs, with 4 of 9 cases to go"
    )
    assert merge([bad, given_up]).reason == (
        "2 of 4 cases fail; im2col was given up after 3 crashes or hangs, with 4 of 9 cases to go"
    )


def test_each_run_that_verified_too_little_says_why() -> None:
    little = record(("im2col", "vacuous"))
    lacking = replace(little, reason="the subject has no conv2d")
    assert merge([little, lacking, little, record(("im2col", "passed"))]).reason == (
        "im2col: only 0 of 1 cases verified anything; half are needed | the subject has no conv2d"
    )


def test_failures_are_united_by_fingerprint_with_their_cases_added() -> None:
    late = failure(cases=2, found_at="2026-01-02", folder="b")
    early = failure(cases=3, found_at="2026-01-01", folder="a")
    other = failure("ffffffff", cases=4)
    assert united([late, early, other]) == [replace(early, cases=5), other]


def test_of_the_same_failure_the_one_that_says_when_it_fails_is_kept() -> None:
    silent, telling = failure(found_at="2026-01-01"), failure(found_at="2026-01-02", when=WHEN)
    assert united([silent, telling]) == [replace(telling, cases=2)]


def test_versions_that_differ_are_all_named() -> None:
    one = record(("im2col", "passed"), versions={"numpy": "2.4", "torch": "2.13"})
    other = replace(one, versions={"numpy": "2.5", "torch": "2.13"})
    whole = merge([one, other, merge([one, other])])
    assert whole.versions == {"numpy": "2.4 | 2.5", "torch": "2.13"}
    assert differing_versions(whole) == {"numpy": ["2.4", "2.5"]}


def test_records_of_different_subjects_are_refused() -> None:
    one = record(("im2col", "passed"))
    with pytest.raises(MergeError, match="one subject can be merged; these are of mine, yours"):
        merge([one, replace(one, subject="yours")])


def test_no_records_are_refused() -> None:
    with pytest.raises(MergeError, match="of none"):
        merge([])
