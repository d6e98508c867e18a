"""The record of a run: sums of tallies, and the verdict that follows from them."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convgate.judging.checks import CHECKS
from convgate.report import json as json_format
from convgate.results.record import CheckCounts, RecordError, RunRecord, WayCount
from convgate.results.verdicts import VERDICTS, Result
from convgate.run.merge import load_record
from convgate.run.summary import summary_of
from convgate.run.tally import Tally, counts_by_check, total_counts, verdict_of

PASSED = Result("forward", "passed")
VACUOUS = Result("forward", "vacuous")
UNSUPPORTED = Result("forward", "unsupported")
FAILED = Result("forward", "failed", "wrong value")
DISAGREE = Result("forward", "oracles_disagree", message="they differ")


def tally_of(*results: Result, operator: str = "im2col") -> Tally:
    """A tally of cases with one result each."""
    tally = Tally()
    for number, result in enumerate(results):
        bad = result.verdict in {"failed", "crashed", "timed_out"}
        tally.add(operator, f"{operator}:{number}", [result], result if bad else None)
    return tally


def test_a_case_counts_once_and_its_results_one_by_one() -> None:
    tally = Tally()
    tally.add("im2col", "im2col:1", [PASSED, Result("purity", "passed"), Result("layout", "vacuous")], None)
    assert tally.cases == {"im2col": 1}
    assert tally.verified == {"im2col": 1}
    assert tally.results == {
        ("im2col", "forward", "passed"): 1,
        ("im2col", "purity", "passed"): 1,
        ("im2col", "layout", "vacuous"): 1,
    }


def test_a_case_of_which_nothing_passed_is_not_verified() -> None:
    tally = tally_of(VACUOUS, UNSUPPORTED, FAILED, DISAGREE)
    assert tally.cases["im2col"] == 4
    assert tally.verified["im2col"] == 0


def test_failures_and_disagreements_are_kept_with_their_specs() -> None:
    tally = tally_of(PASSED, FAILED, DISAGREE)
    assert tally.failing == [("im2col:1", FAILED)]
    assert tally.disagreements == [("im2col:2", DISAGREE)]


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    tally = Tally()
    for _ in range(draw(st.integers(0, 5))):
        verdicts = draw(st.lists(st.sampled_from(VERDICTS), max_size=3))
        results = [Result(check, verdict) for check, verdict in zip(CHECKS, verdicts, strict=False)]
        primary = next((result for result in results if result.verdict == "failed"), None)
        operator = draw(st.sampled_from(["conv2d", "im2col"]))
        tally.add(operator, f"{operator}:{draw(st.integers(0, 9))}", results, primary)
    return tally


def merged(*parts: Tally) -> Tally:
    total = Tally()
    for part in parts:
        total.merge(copy.deepcopy(part))
    return total


@settings(deadline=None, database=None)
@given(st.lists(tallies(), min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_tallies_add_up_to_the_same_in_any_order_but_for_their_lists(parts: list[Tally], random: object) -> None:
    shuffled = list(parts)
    getattr(random, "shuffle")(shuffled)  # noqa: B009 - Hypothesis's own type is not public
    one, other = merged(*parts), merged(*shuffled)
    assert (one.cases, one.results, one.verified) == (other.cases, other.results, other.verified)
    for ones, others in ((one.failing, other.failing), (one.disagreements, other.disagreements)):
        assert sorted(map(repr, ones)) == sorted(map(repr, others))
    assert total_counts(one) == total_counts(other)


@settings(deadline=None, database=None)
@given(tallies(), tallies(), tallies())
def test_it_does_not_matter_which_tallies_are_added_first(a: Tally, b: Tally, c: Tally) -> None:
    assert merged(merged(a, b), c) == merged(a, merged(b, c))


@settings(deadline=None, database=None)
@given(tallies())
def test_an_empty_tally_adds_nothing(tally: Tally) -> None:
    assert merged(tally, Tally()) == merged(Tally(), tally) == tally


def test_total_counts_name_every_verdict() -> None:
    counts = total_counts(tally_of(PASSED, PASSED, FAILED))
    assert tuple(counts) == VERDICTS
    assert {verdict: number for verdict, number in counts.items() if number} == {"passed": 2, "failed": 1}


def test_counts_by_check_stand_in_the_order_of_operators_and_checks() -> None:
    tally = tally_of(Result("layout", "passed"), FAILED)
    tally.merge(tally_of(Result("purity", "passed"), operator="conv2d"))
    rows = counts_by_check(tally, ["conv2d", "im2col"])
    assert [(row.operator, row.check) for row in rows] == [
        ("conv2d", "purity"),
        ("im2col", "forward"),
        ("im2col", "layout"),
    ]
    assert rows[1] == CheckCounts(operator="im2col", check="forward", counts=dict.fromkeys(VERDICTS, 0) | {"failed": 1})


def test_counts_by_check_leave_out_what_did_not_occur() -> None:
    assert counts_by_check(tally_of(PASSED), ["conv2d"]) == []
    assert len(counts_by_check(tally_of(PASSED), ["conv2d", "im2col"])) == 1


def test_a_run_in_which_all_passed_conforms() -> None:
    assert verdict_of(tally_of(PASSED, PASSED), ["im2col"], []) == ("conforms", "2 checks passed on 2 cases")


@pytest.mark.parametrize("verdict", ["failed", "crashed", "timed_out"])
def test_one_bad_case_among_many_fails_the_run(verdict: str) -> None:
    tally = tally_of(*[PASSED] * 99, Result("forward", verdict))
    assert verdict_of(tally, ["im2col"], []) == ("fails", "1 of 100 cases fail")


def test_a_failure_weighs_more_than_too_little_verified() -> None:
    assert verdict_of(tally_of(FAILED, VACUOUS, VACUOUS), ["im2col"], ["conv2d"])[0] == "fails"


def test_a_missing_operator_is_insufficient_and_named() -> None:
    assert verdict_of(tally_of(PASSED), ["im2col"], ["conv2d", "col2im"]) == (
        "insufficient",
        "the subject has no conv2d, col2im",
    )


def test_what_is_rejected_as_invalid_verifies_nothing() -> None:
    rejected = Result("invalid_arguments", "passed")
    assert verdict_of(tally_of(PASSED, VACUOUS, *[rejected] * 9), ["im2col"], [])[0] == "conforms"
    assert verdict_of(tally_of(PASSED, VACUOUS, VACUOUS, *[rejected] * 9), ["im2col"], []) == (
        "insufficient",
        "im2col: only 1 of 3 cases verified anything; half are needed",
    )
    assert verdict_of(tally_of(rejected, rejected), ["im2col"], [])[0] == "insufficient"


@pytest.mark.parametrize("idle", [VACUOUS, UNSUPPORTED, DISAGREE])
def test_half_of_the_cases_must_verify_something(idle: Result) -> None:
    assert verdict_of(tally_of(PASSED, PASSED, idle, idle), ["im2col"], [])[0] == "conforms"
    assert verdict_of(tally_of(PASSED, PASSED, idle, idle, idle), ["im2col"], []) == (
        "insufficient",
        "im2col: only 2 of 5 cases verified anything; half are needed",
    )


def test_every_operator_must_be_verified_enough_on_its_own() -> None:
    tally = tally_of(*[PASSED] * 50)
    tally.merge(tally_of(VACUOUS, operator="conv2d"))
    verdict, reason = verdict_of(tally, ["conv2d", "im2col"], [])
    assert (verdict, reason.partition(":")[0]) == ("insufficient", "conv2d")


def test_no_cases_are_insufficient() -> None:
    assert verdict_of(Tally(), ["im2col"], []) == (
        "insufficient",
        "im2col: no case was judged, as the subject's supports() excludes them all",
    )


def test_no_operators_are_insufficient() -> None:
    assert verdict_of(Tally(), [], []) == ("insufficient", "no case was judged")


def a_record() -> RunRecord:
    return RunRecord(
        subject="mine",
        operators=["im2col"],
        profile="smoke",
        seed=3,
        verdict="conforms",
        reason="all is well",
        cases=1,
        started_at="2026-01-01T00:00:00+00:00",
        seconds=0.5,
        counts=total_counts(tally_of(PASSED)),
        checks=counts_by_check(tally_of(PASSED), ["im2col"]),
        failures=[],
        coverage=[WayCount(operator="im2col", t=1, covered=3, feasible=4)],
        judged=tally_of(PASSED).judged,
        oracles_disagree=[],
        versions={"numpy": "2"},
    )


def test_a_record_s_file_says_what_the_record_says(tmp_path: Path) -> None:
    record = a_record()
    text = json_format.render(summary_of(record))
    (tmp_path / "run.json").write_text(text)
    read = json.loads(text)
    assert read["format_version"] == 2
    assert read["checks"] == [
        {"operator": "im2col", "check": "forward", "counts": dict.fromkeys(VERDICTS, 0) | {"passed": 1}}
    ]
    assert read["seconds"] == 0.5
    assert read["versions"] == {"numpy": "2"}
    assert load_record(tmp_path / "run.json") == record


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"verdict": "splendid"}, "'splendid' is no verdict of the run"),
        ({"operators": ["conv9d"]}, "'conv9d' is no operator"),
        ({"judged": [{"spec": "im2col", "verdict": "weird", "seconds": 0.1}]}, "'weird' is no verdict"),
        ({"started_at": "yesterday"}, "yesterday"),
        ({"checks": [{"operator": "im2col", "check": "forward", "counts": {"odd": 1}}]}, "'odd' is no verdict"),
    ],
)
def test_a_record_with_words_that_are_not_ours_is_refused(
    change: dict[str, object], words: str, tmp_path: Path
) -> None:
    record = json.loads(json_format.render(summary_of(a_record())))
    (tmp_path / "run.json").write_text(json.dumps(record | change))
    with pytest.raises(RecordError, match=words):
        load_record(tmp_path / "run.json")


def test_a_check_that_was_mostly_unsupported_is_named_though_some_of_it_passed() -> None:
    tally = tally_of(*[PASSED] * 4)
    for number in range(5):
        tally.add("im2col", f"im2col:{number + 10}", [PASSED, Result("adjoint", "unsupported")], None)
    tally.add("im2col", "im2col:9", [PASSED, Result("adjoint", "passed")], None)
    verdict, reason = verdict_of(tally, ["im2col"], [])
    assert verdict == "conforms"
    assert reason.endswith("(mostly unsupported, so hardly judged: im2col adjoint)")
