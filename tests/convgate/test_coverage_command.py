"""convgate coverage: records in, tables and an exit code out."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from convgate.cases.spec import format_spec, parse_spec
from convgate.cli import main
from convgate.report.json import render
from convgate.results.coverage import percent
from convgate.results.files import write_text
from convgate.results.record import RunRecord, WayCount
from convgate.results.verdicts import Result as Checked
from convgate.run.merge import load_record, record_of
from convgate.run.summary import summary_of
from convgate.run.tally import Tally
from convgate.shapes.coverage import coverage_of, shortfalls
from convgate.shapes.space import space_of
from convgate.sources.covering import covering_cases


def record(specs: list[str], subject: str = "mine") -> RunRecord:
    """The record of a run of im2col on which all went well."""
    tally = Tally()
    for spec in specs:
        tally.add("im2col", spec, [Checked("forward", "passed")], None)
    return record_of(
        tally,
        subject=subject,
        operators=["im2col"],
        profile="smoke",
        seed=0,
        verdict="conforms",
        reason="all is well",
        started_at="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        failures=[],
        versions={"numpy": "2"},
    )


@pytest.fixture(scope="module")
def covering() -> list[str]:
    """Specs that cover all pairs."""
    return [format_spec(case) for case in covering_cases("im2col", 2, 0)]


@pytest.fixture
def whole(tmp_path: Path, covering: list[str]) -> str:
    """The file of a run that covers all pairs."""
    write_text(tmp_path / "whole.json", render(summary_of(record(covering))))
    return str(tmp_path / "whole.json")


@pytest.fixture
def half(tmp_path: Path, covering: list[str]) -> str:
    """The file of a run that looked at half as much."""
    write_text(tmp_path / "half.json", render(summary_of(record(covering[::2]))))
    return str(tmp_path / "half.json")


def feasible(strength: int) -> int:
    """Combinations of so many shape classes of im2col that there are."""
    return int(space_of("im2col").feasible(strength).sum())


def coverage(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["coverage", *arguments])


def test_a_run_that_covers_all_pairs_says_so(whole: str) -> None:
    ended = coverage(whole, "--missing", "0")
    assert ended.exit_code == 0
    pairs = feasible(2)
    assert f"{pairs:,}/{pairs:,}  100 %" in ended.output


def test_a_gap_comes_with_a_spec_that_closes_it(half: str, covering: list[str]) -> None:
    lines = coverage(half, "--missing", "1").output.splitlines()
    conditions, _, spec = lines[-1].partition("  → ")
    before, after = (
        coverage_of(record(specs).judged, ["im2col"])["im2col"]
        for specs in (covering[::2], [*covering[::2], spec.strip()])
    )
    t = conditions.count(" and ") + 1
    assert after.count(t).covered > before.count(t).covered
    assert parse_spec(spec.strip()).problem.batch > 0


def test_the_number_of_gaps_is_stated_and_so_many_are_shown(half: str) -> None:
    record = load_record(Path(half))
    missing = sum(each.feasible - each.covered for each in record.coverage)
    for number in (3, 10):
        lines = coverage(half, "--missing", str(number)).output.splitlines()
        assert lines[-number - 1] == f"{missing:,} feasible combinations are missing; the first {number}:"
        assert all("  → im2col" in line for line in lines[-number:])
    assert coverage(half, "--missing", "0").output.splitlines()[-1] == f"{missing:,} feasible combinations are missing"


def test_runs_are_merged_and_cases_judged_twice_are_named(whole: str, half: str, tmp_path: Path) -> None:
    target = tmp_path / "runs" / "merged.json"
    ended = coverage(whole, half, "--output", str(target), "--missing", "0")
    one, other, merged = (load_record(Path(path)) for path in (whole, half, target))
    assert ended.exit_code == 0
    assert merged.cases == one.cases + other.cases
    assert merged.coverage == one.coverage
    assert f"{merged.cases} cases judged, {one.cases} of them different" in ended.output


def test_what_was_lost_and_gained_since_is_shown(whole: str, half: str) -> None:
    now, then = load_record(Path(half)).coverage, load_record(Path(whole)).coverage
    lost = [old.covered - new.covered for old, new in zip(then, now, strict=True)]
    ended = coverage(half, "--against", whole, "--missing", "2")
    lines = ended.output.splitlines()
    assert ended.exit_code == 0
    cells = "".join(f"{number:,} lost, 0 gained" for number in lost).replace(" ", "")
    assert f"im2col{cells}" in [line.replace(" ", "") for line in lines]
    assert lines[-3] == f"{sum(lost):,} combinations were covered earlier and are not now; the first 2:"
    backwards = coverage(whole, "--against", half).output
    assert f"0 lost, {lost[1]:,} gained" in backwards
    assert "0 combinations were covered earlier and are not now" in backwards


def test_an_operator_that_is_no_longer_judged_is_lost(whole: str, tmp_path: Path) -> None:
    write_text(tmp_path / "none.json", render(summary_of(replace(record([]), operators=[], coverage=[]))))
    ended = coverage(str(tmp_path / "none.json"), "--against", whole, "--missing", "0")
    assert f"{feasible(1)} lost, 0 gained" in ended.output


def test_below_what_is_required_the_exit_code_is_3(whole: str, half: str) -> None:
    assert coverage(whole, "--require", "1-way=100,2-way=100").exit_code == 0
    ended = coverage(half, "--require", "1-way=0,2-way=100")
    count, pairs = load_record(Path(half)).coverage[1], feasible(2)
    assert ended.exit_code == 3
    assert ended.output.splitlines()[-1] == (
        f"too little covered: im2col 2-way: {count.covered:,} of {pairs:,} covered "
        f"({percent(count.covered, pairs)}), 100 % required: {pairs - count.covered} more needed"
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("4-way=3", "'4-way=3' is not of the form 2-way=100"),
        ("2-way", "'2-way' is not of the form"),
        ("2-way=-1", "is not of the form"),
        ("2-way=nan", "is not of the form"),
        ("", "'' is not of the form"),
        ("2-way=101", "exceeds 100 %"),
        ("2-way=9,2-way=8", "2-way is given twice"),
    ],
)
def test_a_requirement_that_cannot_be_read_is_wrong_usage(whole: str, text: str, complaint: str) -> None:
    ended = coverage(whole, "--require", text)
    assert ended.exit_code == 2
    assert complaint in ended.output


def test_runs_of_different_subjects_are_refused(whole: str, tmp_path: Path) -> None:
    write_text(tmp_path / "yours.json", render(summary_of(record(["im2col"], "yours"))))
    ended = coverage(whole, str(tmp_path / "yours.json"))
    assert ended.exit_code == 2
    assert "these are of mine, yours" in ended.output


def test_a_file_that_is_no_record_is_refused(tmp_path: Path) -> None:
    ended = coverage(str(tmp_path / "absent.json"))
    assert ended.exit_code == 2
    assert "absent.json cannot be read" in ended.output


def test_percentages_are_never_rounded_up() -> None:
    assert percent(99_999, 100_000) == "99.99 %"
    assert percent(1, 1) == "100 %"
    assert percent(0, 7) == "0 %"
    assert percent(1, 3) == "33.33 %"
    assert percent(0, 0) == "none"


def counted(covered: int, feasible: int, t: int = 2) -> WayCount:
    return WayCount(operator="im2col", t=t, covered=covered, feasible=feasible)


def test_requirements_are_compared_exactly() -> None:
    most = {2: Fraction("99.9999999")}
    assert shortfalls([counted(999_999_999, 1_000_000_000)], most) == []
    assert shortfalls([counted(999_999_998, 1_000_000_000)], most) == [
        "im2col 2-way: 999,999,998 of 1,000,000,000 covered (99.99 %), 99.9999999 % required: 1 more needed"
    ]
    assert shortfalls([counted(199, 200)], {2: Fraction("99.5")}) == []


def test_only_what_is_required_is_asked_for() -> None:
    assert shortfalls([counted(0, 10, 3), counted(10, 10, 2)], {2: Fraction(100)}) == []
    assert shortfalls([counted(0, 10)], {}) == []


def test_where_nothing_was_judged_nothing_is_covered() -> None:
    assert shortfalls([], {1: Fraction(0)}) == ["no operator was judged, so nothing is covered"]
    assert shortfalls([], {}) == []


def test_the_gate_can_ask_for_coverage_too(tmp_path: Path) -> None:
    arguments = ["gate", "--operators", "col2im", "--profile", "smoke", "--jobs", "1", "--reports", str(tmp_path)]
    ended = CliRunner().invoke(main, [*arguments, "--require", "2-way=100,3-way=100"])
    assert ended.exit_code == 3
    assert "conforms" in ended.output
    assert "too little covered: col2im 3-way: " in ended.output
    assert "col2im 2-way" not in ended.output
