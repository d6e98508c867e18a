"""The formats of a run, each read by a real reader of it, with foreign text in every place where it can come."""

import io
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.internal.observability import TestCaseObservation, TestCaseStatus
from jsonschema import Draft202012Validator, ValidationError
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console

from convgate.report import annotations, junit, markdown, observations
from convgate.report import json as json_format
from convgate.report.formats import FORMATS
from convgate.report.terminal import show_record
from convgate.results.events import RunFinished
from convgate.results.failure import When, sentence
from convgate.results.foreign_text import visible
from convgate.results.picture import Grid, Picture
from convgate.results.record import CheckCounts, Disagreement, JudgedCase, RunRecord, SavedFailure, WayCount
from convgate.results.verdicts import VERDICTS
from convgate.run.merge import load_record
from convgate.run.plan import Plan
from convgate.run.runner import gate
from convgate.run.summary import summary_of

SCHEMA = Path(__file__).parents[2] / "docs" / "run-record.schema.json"
WHEN = When(conditions=("kernel_w even", "padding_w > 0"), having=12, failing=12, others=340, passing=339)
PICTURE = Picture(
    "conv2d(x, weight, None)",
    [Grid("x[0,0]", [["1"]], (0, 0)), Grid("weight[0,0]", [["-3", "0"]], (0, 0))],
    [Grid("expected y[0,0]", [["0", "-3"]], (0, 1)), Grid("actual y[0,0]", [["0", "0"]], (0, 1))],
)
FAILURE = SavedFailure(
    fingerprint="0123abcd",
    subject="mine:net.conv",
    operator="conv2d",
    check="forward",
    symptom="wrong value",
    relation="",
    found="conv2d:n2k3p1:f32:9",
    minimal="conv2d:k1x2p0x1:points@x.0.0.0.0@weight.0.0.0.0=-3",
    message="y[0,0,0,1] must be -3, got 0",
    expected="-3",
    actual="0",
    found_at="2026-01-01T00:00:00+00:00",
    cases=4,
    when=WHEN,
    picture=PICTURE,
    folder="reports/failures/conv2d-wrong-value-0123abcd",
)
DISAGREEMENT = Disagreement(spec="conv2d:3", check="forward", message="they differ")
# Text that each format has a reason to fear.
HOSTILE = [
    "]]></failure><testcase name='x'/>",
    "a & b < c > d \"e\" 'f'",
    "| a | b |\n|---|---|",
    "```\nout of the block\n```",
    "`` ` ```` ` ``",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "thanks to @someone and #12",
    "line\nbreak\r\nand\rreturn\ttab",
    "::error::mine\n::stop-commands::x",
    "100% %0A, a: b, c",
    "[link](http://example.org) ![image](x) **bold** # title",
    "[red]markup[/red] [/]",
    "\x00\x01\x1b[31mred\x1b[0m\x7f\x85\x9b31m",
    "\ufffe\uffff\u202ereversed\u2028\u2029\ufeff",
    "ünïcode ∞ 🎉 \U0010ffff",
    "",
    "   ",
]
ANY_TEXT = st.sampled_from(HOSTILE) | st.text(st.characters()) | st.text("|`<>@\\\n\r*_[]&#:%, -=+~1.\x1b\ud800")


def counts(**numbers: int) -> dict[str, int]:
    """Numbers by verdict, all verdicts named."""
    return dict.fromkeys(VERDICTS, 0) | numbers


def record(*failures: SavedFailure, **changes: Any) -> RunRecord:
    """A record of a run of two operators in which the first fails if there are failures."""
    found: dict[str, Any] = {
        "subject": "mine:net.conv",
        "operators": ["conv2d", "im2col"],
        "profile": "smoke",
        "seed": 3,
        "verdict": "fails" if failures else "conforms",
        "reason": "1 of 4 cases fail" if failures else "4 checks passed on 4 cases",
        "cases": 4,
        "started_at": "2026-01-01T00:00:00+00:00",
        "seconds": 1.25,
        "counts": counts(passed=3, failed=len(failures)),
        "checks": [
            CheckCounts(operator="conv2d", check="forward", counts=counts(passed=2, failed=len(failures))),
            CheckCounts(operator="conv2d", check="adjoint", counts=counts(passed=1)),
            CheckCounts(operator="im2col", check="forward", counts=counts(passed=1, vacuous=1)),
        ],
        "failures": list(failures),
        "coverage": [
            WayCount(operator=operator, t=t, covered=t, feasible=1000 * t)
            for operator in ("conv2d", "im2col")
            for t in (1, 2, 3)
        ],
        "judged": [
            JudgedCase(spec="conv2d:n2k3p1:f32:9", verdict="failed" if failures else "passed", seconds=0.25),
            JudgedCase(spec="conv2d:h3w3:2", verdict="passed", seconds=0.5),
            JudgedCase(spec="im2col:1", verdict="passed", seconds=0.125),
            JudgedCase(spec="im2col:n0:2", verdict="vacuous", seconds=0.0),
        ],
        "oracles_disagree": [],
        "versions": {"numpy": "2"},
    }
    return RunRecord(**found | changes)


def foreign(text: str) -> RunRecord:
    """A record with a text in every place where the subject, or an oracle, or whoever wrote the file, has a say."""
    failure = replace(FAILURE, message=text, expected=text, actual=text, minimal=text, subject=text, folder=text)
    return record(failure, replace(failure, when=None), subject=text, oracles_disagree=[DISAGREEMENT])


SUBJECT = """
import impl

def col2im(columns, input_shape, kernel_size, **options):
    return impl.col2im(columns, input_shape, kernel_size, **options) + (options["stride"][0] > 1)
"""


@pytest.fixture(scope="module", params=["impl", "adds_one"])
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """The record of a real run: of impl, and of a subject that is wrong where rows are skipped."""
    folder = tmp_path_factory.mktemp("subject")
    (folder / "adds_one.py").write_text(SUBJECT)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        plan = Plan(subject=request.param, operators=("col2im",), profile="smoke", reports=folder / "reports")
        last = list(gate(plan))[-1]
    assert isinstance(last, RunFinished)
    assert last.record.verdict == {"impl": "conforms", "adds_one": "fails"}[request.param]
    return last.record


# -- foreign text --


@given(ANY_TEXT)
def test_text_is_made_visible_without_a_loss(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    assert shown.encode().decode() == shown  # no half of a character is left
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    if text.replace("\n", "").isprintable():
        assert shown == text


def test_an_escape_is_written_out() -> None:
    assert visible("\x1b[31m\r\u202e\ud800") == r"\x1b[31m\r\u202e\ud800"


# -- JSON --


def test_a_record_is_read_back_from_its_json(tmp_path: Path, real: RunRecord) -> None:
    (tmp_path / "run.json").write_text(json_format.render(summary_of(real)))
    assert load_record(tmp_path / "run.json") == real


def test_the_published_schema_is_that_of_the_code() -> None:
    """To renew it: ``convgate report --schema > docs/run-record.schema.json``."""
    assert SCHEMA.read_text(encoding="utf-8") == json_format.schema()
    Draft202012Validator.check_schema(json.loads(json_format.schema()))


def validate(found: Any) -> None:
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(found)


def test_a_real_record_keeps_to_the_schema(real: RunRecord) -> None:
    validate(json.loads(json_format.render(summary_of(real))))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found.pop("verdict"),
        lambda found: found.update(format_version=1),
        lambda found: found.update(cases="many"),
        lambda found: found["failures"][0].pop("folder"),
        lambda found: found["failures"][0]["when"].update(having="12"),
        lambda found: found["failures"][0]["picture"]["data"][0].update(rows=[[1]]),
        lambda found: found["judged"][0].pop("spec"),
        lambda found: found["coverage"][0].update(t=None),
    ],
)
def test_a_spoiled_record_does_not(spoil: Callable[[dict[str, Any]], object]) -> None:
    found = json.loads(json_format.render(summary_of(record(FAILURE))))
    validate(found)
    spoil(found)
    with pytest.raises(ValidationError):
        validate(found)


# -- JUnit XML --


def read_junit(found: RunRecord) -> JUnitXml:
    read = JUnitXml.fromstring(junit.render(summary_of(found)).encode())
    assert isinstance(read, JUnitXml)
    return read


def test_junit_leaves_out_no_failure() -> None:
    assert result_of(record(FAILURE, operators=[], checks=[]), "conv2d", "forward")[0] == "Failure"


def result_of(found: RunRecord, operator: str, check: str) -> tuple[str, str, str]:
    """Kind, message and text of the one result of a test case; nothing where it passed."""
    for suite in read_junit(found):
        for case in suite:
            if (suite.name, case.name) == (operator, check):
                assert isinstance(case, TestCase)
                if not case.result:
                    return "", "", ""
                (result,) = case.result
                return type(result).__name__, result.message or "", result.text or ""
    raise AssertionError(f"there is no test case {operator} {check}")


def test_junit_has_a_suite_for_each_operator_and_a_test_case_for_each_check() -> None:
    found = read_junit(record(FAILURE))
    assert [(suite.name, [case.name for case in suite]) for suite in found] == [
        ("conv2d", ["forward", "adjoint"]),
        ("im2col", ["forward"]),
    ]
    assert [case.classname for suite in found for case in suite][::2] == [
        "convgate.mine:net.conv.conv2d",
        "convgate.mine:net.conv.im2col",
    ]
    assert [suite.time for suite in found] == [0.75, 0.125]
    assert '<property name="seed" value="3" />' in junit.render(summary_of(record(FAILURE)))


def test_junit_tells_when_it_fails_what_came_and_how_to_repeat_it() -> None:
    kind, message, text = result_of(record(FAILURE), "conv2d", "forward")
    assert (kind, message) == ("Failure", FAILURE.message)
    assert text.splitlines() == [
        "conv2d forward, wrong value",
        sentence(WHEN),
        FAILURE.message,
        f"convgate replay {FAILURE.minimal} --subject mine:net.conv",
        f"minimal: {FAILURE.minimal}",
    ]


def test_junit_shows_all_failures_of_a_check_in_its_one_test_case() -> None:
    kind, message, text = result_of(record(FAILURE, replace(FAILURE, minimal="conv2d:k7")), "conv2d", "forward")
    assert (kind, message) == ("Failure", f"{FAILURE.message} (and 1 more)")
    assert FAILURE.minimal in text
    assert "conv2d:k7" in text


def test_junit_shows_a_failure_even_where_no_result_of_its_check_failed() -> None:
    """The minimiser shows a failing identity as the wrong value behind it."""
    assert result_of(record(replace(FAILURE, check="grad_input")), "conv2d", "grad_input")[0] == "Failure"


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ({"passed": 1}, ""),
        ({"passed": 1, "vacuous": 3, "unsupported": 2, "oracles_disagree": 1}, ""),
        ({"unsupported": 2}, "Skipped"),
        ({"vacuous": 2}, "Skipped"),
        ({"oracles_disagree": 2}, "Skipped"),
        ({"passed": 5, "failed": 1}, "Failure"),
        ({"passed": 5, "crashed": 1}, "Error"),
        ({"passed": 5, "timed_out": 1, "failed": 1}, "Error"),
    ],
)
def test_junit_says_what_a_check_came_to(numbers: dict[str, int], kind: str) -> None:
    row = CheckCounts(operator="conv2d", check="purity", counts=counts(**numbers))
    found, message, _ = result_of(record(checks=[row]), "conv2d", "purity")
    assert found == kind
    assert all(f"{number} {verdict.replace('_', ' ')}" in message for verdict, number in numbers.items()) or not kind


@pytest.mark.parametrize("symptom", ["crashed", "timed out"])
def test_junit_calls_a_process_that_did_not_come_back_an_error(symptom: str) -> None:
    assert result_of(record(replace(FAILURE, symptom=symptom)), "conv2d", "forward")[0] == "Error"


def test_junit_is_not_all_green_if_too_little_was_verified() -> None:
    found = record(verdict="insufficient", reason="the subject has no conv2d", operators=[], checks=[])
    assert result_of(found, "run", "verified enough")[:2] == ("Error", "the subject has no conv2d")


def counted(found: JUnitXml) -> list[tuple[int, int, int, int]]:
    """Tests, failures, errors and skipped of each suite, counted one by one."""
    numbers = []
    for suite in found:
        results = Counter(type(result) for case in suite for result in case.result)
        numbers.append((len(list(suite)), results[Failure], results[Error], results[Skipped]))
    return numbers


def test_junit_s_counts_are_right(real: RunRecord) -> None:
    crashed = replace(FAILURE, check="adjoint", symptom="crashed")
    skipped = CheckCounts(operator="im2col", check="layout", counts=counts(unsupported=1))
    made = record(FAILURE, crashed)
    for each in (real, replace(made, checks=[*made.checks, skipped])):
        found = read_junit(each)
        assert [(s.tests, s.failures, s.errors, s.skipped) for s in found] == counted(found)
        totals = (found.tests, found.failures, found.errors, found.skipped)
        assert totals == tuple(map(sum, zip(*counted(found), strict=True)))
    assert totals == (4, 1, 1, 1)


@settings(deadline=None)
@given(ANY_TEXT)
def test_junit_keeps_any_text_or_shows_what_it_replaces(text: str) -> None:
    kind, message, said = result_of(foreign(text), "conv2d", "forward")
    assert kind == "Failure"
    assert message == f"{visible(text)} (and 1 more)"
    assert said.count(visible(text)) >= 2


# -- Markdown --


def tokens(found: RunRecord) -> list[Token]:
    """What a reader of Markdown makes of it, the inline parts among the blocks."""
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown.render(summary_of(found)))
    return [token for block in blocks for token in (block, *(block.children or []))]


def test_markdown_tells_verdict_failures_and_coverage() -> None:
    text = markdown.render(summary_of(record(FAILURE, replace(FAILURE, when=None))))
    assert text.startswith("## convgate: `mine:net.conv` fails\n")
    assert "**1 of 4 cases fail**, in 1.2 s (profile smoke, seed 3)." in text
    assert text.count("### conv2d forward, wrong value") == 2
    assert text.count("12 of 12") == 1
    assert text.count(f"```sh\nconvgate replay {FAILURE.minimal} --subject mine:net.conv\n```") == 2
    assert "| conv2d | 2 | 1 | 1 | 0 | 1 of 1,000 (0.1 %) | 2 of 2,000 (0.1 %) | 3 of 3,000 (0.1 %) |" in text


def test_markdown_s_conditions_read_as_they_are_said() -> None:
    words = "".join(token.content for token in tokens(record(FAILURE)) if token.type == "text")
    assert f"It {sentence(WHEN)}." in words


def cells_by_row(found: RunRecord) -> list[list[str]]:
    """What a reader sees in the cells of the table; it drops cells beyond the head's and fills up short rows."""
    rows: list[list[str]] = []
    read = tokens(found)
    for token, following in pairwise(read):
        if token.type == "tr_open":
            rows.append([])
        if token.type in {"th_open", "td_open"}:
            rows[-1].append("".join(part.content for part in following.children or []))
    return rows


def test_a_reader_finds_the_numbers_below_their_heads(real: RunRecord) -> None:
    head, *rows = cells_by_row(record(FAILURE))
    assert head == ["operator", "cases", "passed", "failed", "vacuous", "1-way", "2-way", "3-way"]
    assert rows[1][:5] == ["im2col", "2", "1", "0", "1"]
    assert rows[1][7] == "3 of 3,000 (0.1 %)"
    head, row = cells_by_row(real)
    verdicts = Counter(each.verdict for each in real.judged)
    assert row[1:3] == [str(real.cases), str(verdicts["passed"])]
    assert len(head) == len(row)
    assert row[-1].endswith("%)")


def test_a_verdict_that_occurs_has_a_column() -> None:
    disagreed = [JudgedCase(spec="im2col:1", verdict="oracles_disagree", seconds=0.0)]
    head, _, row = cells_by_row(record(judged=disagreed))
    assert (head[4], row[:5]) == ("oracles disagree", ["im2col", "1", "0", "0", "1"])


@settings(deadline=None)
@given(ANY_TEXT)
def test_foreign_text_in_markdown_stays_text(text: str) -> None:
    """It is code and nothing else, so it is neither markup nor a mention, and the rest is what it would be."""
    plain, found = tokens(foreign("plain")), tokens(foreign(text))
    kinds = [token.type for token in found]
    assert kinds == [token.type for token in plain]
    assert not {"html_block", "html_inline", "link_open", "image"} & set(kinds)
    blocks = [token.content for token in found if token.type == "fence"]
    assert blocks[0] == f"{visible(text)}\n"
    assert not any("@" in token.content for token in found if token.type == "text")


def test_words_of_ours_are_never_markup_in_markdown() -> None:
    odd = replace(FAILURE, symptom="a_b_c *d* <e> [f](g) @h | `i` ~~j~~ &amp; http://k", check="grad_input")
    found = tokens(record(odd, operators=["a|b", "conv2d"]))
    assert not {"link_open", "em_open", "s_open", "image"} & {token.type for token in found}
    assert [token.content for token in found if token.type == "html_inline"] == ["<!-- -->"]
    assert cells_by_row(record(odd, operators=["a|b", "conv2d"]))[1] == ["a|b", "0", "0", "0", "0", "", "", ""]


def test_markdown_stays_far_below_what_a_step_may_write() -> None:
    huge = replace(FAILURE, message="`" * 1_000_000, minimal="x" * 1_000_000)
    text = markdown.render(summary_of(record(*[huge] * 1000, subject="`" * 1_000_000)))
    assert len(text.encode()) < 200_000
    assert "And 990 more failures." in text
    assert "(1,000,000 characters in all)" in text


# -- annotations --


def unescaped(text: str) -> str:
    """As the runner of GitHub Actions reads it."""
    for escape, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escape, character)
    return text


def read_annotations(text: str) -> list[tuple[str, str]]:
    """Title and message of each command."""
    found = [re.fullmatch(r"::error title=([^,:]*)::(.*)", line) for line in text.split("\n")[:-1]]
    return [(unescaped(each[1]), unescaped(each[2])) for each in found if each is not None]


def test_each_failure_is_an_annotation() -> None:
    ((title, message),) = read_annotations(annotations.render(summary_of(record(FAILURE))))
    assert title == "conv2d forward, wrong value"
    assert message.split("\n") == [
        sentence(WHEN),
        FAILURE.message,
        f"convgate replay {FAILURE.minimal} --subject mine:net.conv",
    ]


def test_a_subject_that_conforms_has_no_annotation() -> None:
    assert annotations.render(summary_of(record())) == ""


def test_too_little_verified_is_an_annotation() -> None:
    found = record(verdict="insufficient", reason="the subject has no conv2d")
    assert read_annotations(annotations.render(summary_of(found))) == [
        ("convgate: too little was verified", "the subject has no conv2d")
    ]


def test_there_are_no_more_annotations_than_are_shown() -> None:
    assert len(read_annotations(annotations.render(summary_of(record(*[FAILURE] * 10))))) == 10
    found = read_annotations(annotations.render(summary_of(record(*[FAILURE] * 22))))
    assert len(found) == 10
    assert found[-1] == ("convgate", "and 13 more failures")


@given(ANY_TEXT)
def test_foreign_text_ends_no_annotation_and_begins_none(text: str) -> None:
    found = read_annotations(
        annotations.render(summary_of(record(replace(FAILURE, message=text, symptom=text, when=None))))
    )
    ((title, message),) = found
    assert title == f"conv2d forward, {visible(text)}"
    assert text == "" or message.startswith(visible(text))


# -- observations --


def lines_of(found: RunRecord) -> list[dict[str, Any]]:
    return [json.loads(line) for line in observations.render(summary_of(found)).split("\n")[:-1]]


def test_an_observation_is_one_that_hypothesis_could_have_made(real: RunRecord) -> None:
    """Its own class has the names and types; its metadata alone are free."""
    types = get_type_hints(TestCaseObservation)
    names = {field.name for field in fields(TestCaseObservation)}
    found = [*lines_of(real), *lines_of(record(FAILURE))]
    assert len(found) == real.cases + 4
    for line in found:
        assert line.keys() == names
        for name in names - {"metadata"}:
            msgspec.convert(line[name], types[name])
        assert isinstance(line["metadata"], dict)
        assert line["status"] in get_args(TestCaseStatus)
        assert all(isinstance(value, str) for value in line["features"].values())


def test_an_observation_tells_the_case_its_classes_and_what_it_came_to() -> None:
    first, second, _, last = lines_of(record(FAILURE))
    assert (first["property"], first["representation"]) == ("conv2d (mine:net.conv)", "conv2d:n2k3p1:f32:9")
    assert (first["status"], first["timing"]) == ("failed", {"execute:test": 0.25})
    assert FAILURE.when is not None
    said = f"{sentence(FAILURE.when)}; {FAILURE.message}"
    assert first["status_reason"] == f"failed: forward, wrong value: {said}"
    assert (first["run_start"], first["arguments"]["problem"]["kernel_size"]) == (1767225600.0, [3, 3])
    assert (first["features"]["kernel_h"], first["features"]["dtype"]) == ("kernel_h odd, > 1", "dtype f32")
    assert (second["status"], second["status_reason"]) == ("passed", "")
    assert (last["status"], last["status_reason"].partition(":")[0]) == ("gave_up", "vacuous")


@pytest.mark.parametrize("verdict", VERDICTS)
def test_an_observation_has_a_reason_unless_it_passed(verdict: str) -> None:
    judged = [JudgedCase(spec="conv2d:3", verdict=verdict, seconds=0.0)]
    (line,) = lines_of(record(judged=judged, oracles_disagree=[DISAGREEMENT]))
    status = {"passed": "passed", "failed": "failed", "crashed": "failed", "timed_out": "failed"}
    assert line["status"] == status.get(verdict, "gave_up")
    assert line["status_reason"].startswith("" if verdict == "passed" else verdict.replace("_", " "))
    assert bool(line["status_reason"]) == (verdict != "passed")
    assert ("they differ" in line["status_reason"]) == (verdict == "oracles_disagree")


def test_an_invalid_problem_is_observed_without_classes() -> None:
    (line,) = lines_of(record(judged=[JudgedCase(spec="im2col:k9", verdict="passed", seconds=0.0)]))
    assert (line["status"], line["features"]) == ("passed", {})


def test_ten_thousand_cases_are_written_within_seconds(real: RunRecord) -> None:
    many = (real.judged * (10_000 // real.cases + 1))[:10_000]
    started = time.process_time()
    text = observations.render(summary_of(replace(real, judged=many)))
    assert time.process_time() - started < 10
    assert text.count("\n") == 10_000


# -- the terminal --


def shown(found: RunRecord, width: int = 100) -> str:
    file = io.StringIO()
    show_record(summary_of(found), Console(file=file, width=width))
    return file.getvalue()


def in_colour(found: RunRecord) -> str:
    file = io.StringIO()
    show_record(summary_of(found), Console(file=file, width=100, force_terminal=True, color_system="standard"))
    return file.getvalue()


def test_layers_of_networks_are_counted_once_each() -> None:
    names = {"conv2d:k3p1": "VGG-16 conv1_1", "conv2d:c8k3p1": "VGG-16 conv1_1", "conv2d:k7s2p3": "ResNet stem"}
    layers = [JudgedCase(spec=spec, verdict="passed", seconds=0.0, layer=name) for spec, name in names.items()]
    others = [JudgedCase(spec=spec, verdict="passed", seconds=0.0) for spec in ("conv2d:7", "im2col:1")]
    assert [line.split() for line in shown(record(judged=layers + others)).splitlines()[:3]] == [
        ["operator", "cases", "passed", "failed", "layers"],
        ["conv2d", "4", "4", "·", "2"],
        ["im2col", "1", "1", "·", "·"],
    ]


def test_a_run_in_which_all_passed_takes_a_line_for_each_operator() -> None:
    lines = shown(record()).splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["operator", "cases", "passed", "failed", "vacuous"],
        ["conv2d", "2", "2", "·", "·"],
        ["im2col", "2", "1", "·", "1"],
    ]
    assert lines[4].split() == ["shape", "classes", "covered", "1-way", "2-way", "3-way"]
    assert lines[5].split() == ["conv2d", "1/1,000", "0.1", "%", "2/2,000", "0.1", "%", "3/3,000", "0.1", "%"]
    assert lines[-1].startswith("mine:net.conv conforms: 4 checks passed on 4 cases, in 1.2 s. ")
    assert len(lines) == 9


def test_of_a_failing_operator_each_check_is_shown() -> None:
    out = shown(record(FAILURE))
    assert re.search(r"conv2d +forward +2 +1\n +adjoint +1 +·\n\n", out)
    assert not re.search(r"im2col +forward", out)


def test_a_failure_is_told_from_when_it_fails_to_how_to_repeat_it() -> None:
    assert "\n".join(line.rstrip() for line in shown(record(FAILURE)).splitlines()).endswith(f"""\
conv2d forward, wrong value
  {sentence(WHEN)}
  {FAILURE.message}

  {PICTURE.call}

  x[0,0]   weight[0,0]
  [1]      [-3]  0

  expected y[0,0]   actual y[0,0]
    0 [-3]           0 [0]

  convgate replay {FAILURE.folder}

mine:net.conv fails: 1 of 4 cases fail, in 1.2 s. Look at {FAILURE.folder}/README.md next.""")


def test_marked_entries_are_in_colour_as_well_as_in_brackets() -> None:
    out = in_colour(record(FAILURE))
    assert "\x1b[1;36m[1]\x1b[0m" in out
    assert "\x1b[1;32m[-3]\x1b[0m" in out
    assert "\x1b[1;31m[0]\x1b[0m" in out


def test_grids_stand_below_each_other_where_there_is_no_room() -> None:
    assert "\n  x[0,0]   weight[0,0]\n" in shown(record(FAILURE), width=40)
    assert "\n  x[0,0]\n  [1]\n" in shown(record(FAILURE), width=20)


def test_after_some_failures_the_others_have_a_line_each() -> None:
    out = shown(record(*[FAILURE] * 7))
    assert out.count("\n  x[0,0]   weight[0,0]\n") == 5
    line = f"conv2d forward, wrong value: {FAILURE.message} → convgate replay {FAILURE.folder}\n"
    assert out.count(line) == 2


def test_disagreements_beyond_some_are_counted() -> None:
    out = shown(record(oracles_disagree=[DISAGREEMENT] * 8))
    assert out.count("oracles disagree on conv2d:3: they differ") == 5
    assert "and on 3 more" in out


@settings(deadline=None)
@given(ANY_TEXT)
def test_foreign_text_on_a_terminal_is_neither_markup_nor_an_escape(text: str) -> None:
    out = shown(foreign(text))
    assert "".join(out.split()).count("".join(visible(text).split())) >= 2  # tabs become spaces
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", out)


# -- all of them --


@pytest.mark.parametrize("name", FORMATS)
def test_a_record_renders_to_the_same_text_twice_and_ends_with_a_line_break(name: str) -> None:
    text = FORMATS[name].render(summary_of(record(FAILURE)))
    assert text == FORMATS[name].render(summary_of(record(FAILURE)))
    assert text.endswith("\n")


def test_a_check_that_is_not_installed_here_is_shown_under_a_heading_of_its_own() -> None:
    there = CheckCounts(operator="conv2d", check="order_of_mylab", counts={**dict.fromkeys(VERDICTS, 0), "passed": 7})
    found = record(FAILURE)
    page = FORMATS["html"].render(summary_of(replace(found, checks=[*found.checks, there])))
    assert "Other checks" in page
    assert "order_of_mylab" in page
    assert "Other checks" not in FORMATS["html"].render(summary_of(found))
