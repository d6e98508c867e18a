"""Nothing wrong conforms: a verdict says what it leaves open and what it takes the subject's word for."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import fft
import integral_image
import numpy as np
import pytest
import winograd
from click.testing import CliRunner
from rich.console import Console

import impl
from convgate.cases.case import Case
from convgate.cases.dtypes import DTYPES
from convgate.cases.spec import format_spec, parse_spec
from convgate.cli import main
from convgate.judging.checks import judge
from convgate.judging.norm_bound import believed
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.report import html, junit, markdown
from convgate.report import json as json_format
from convgate.report.observations import render as observations
from convgate.report.terminal import show_record
from convgate.report.words import notes_of
from convgate.results.record import JudgedCase, RunRecord
from convgate.results.verdicts import Result, primary_failure
from convgate.run.merge import load_record, merge, record_of
from convgate.run.summary import summary_of
from convgate.run.tally import Tally, verdict_of
from convgate.sources.fuzz import draw_cases

Judge = Callable[[Case], Sequence[Result]]


def judged(subject: Any, operator: str, count: int = 60, **options: Any) -> RunRecord:
    """The record of a small run of the gate's machinery: random cases of one operator."""
    return run_of(lambda case: judge(case, subject), draw_cases(operator, 0, 0, count, subject), **options)


def run_of(verdicts: Judge, cases: Sequence[Case], **options: Any) -> RunRecord:
    """The record of cases, judged in some way."""
    tally = Tally()
    for case in cases:
        results = verdicts(case)
        tally.add(case.problem.operator, format_spec(case), results, primary_failure(results))
    return record(tally, **options)


def record(tally: Tally, **options: Any) -> RunRecord:
    """The record of a tally."""
    operators = [name for name in OPERATORS if tally.cases[name]]
    verdict, reason = verdict_of(tally, operators, [], **options)
    return record_of(
        tally,
        subject="mine",
        operators=operators,
        profile="smoke",
        seed=0,
        verdict=verdict,
        reason=reason,
        started_at="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        failures=[],
        versions={},
        **options,
    )


def shown(found: RunRecord) -> str:
    """What stands on a terminal, wide enough for any line."""
    console = Console(file=io.StringIO(), width=1000)
    show_record(summary_of(found), console)
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


# Claims


@pytest.mark.parametrize(("factor", "shrunk"), [(2.0**20, 0.98), (2.0**14, 0.99), (1e30, 0.99)])
@pytest.mark.parametrize(
    ("operator", "specs"),
    [
        ("conv2d", []),
        ("conv2d", [f"conv2d:c{c}o3h{h}w{h}k3p1" for c in (1, 4, 16) for h in (1, 3, 8)]),
        ("conv2d", [f"conv2d:n2c{c}o{c}h5w5k{k}" for c in (16, 33) for k in (1, 2, 5)]),
        ("avg_pool2d", []),
    ],
)
def test_nobody_claims_a_way_through_with_results_that_are_too_small(
    operator: str, specs: list[str], shrunk: float, factor: float
) -> None:
    """Not with random problems, and not with those alone that Winograd is for, or that have many channels."""
    exact = getattr(impl, operator)
    small = SimpleNamespace(
        **{operator: lambda *arrays, **options: exact(*arrays, **options) * np.float32(shrunk)},
        dtypes=("f32",),
        error_factor=lambda _: factor,
    )
    given = [parse_spec(f"{spec}:f32{fill}") for spec in specs for fill in ("", ":real")]
    found = run_of(lambda case: judge(case, small), given or draw_cases(operator, 0, 0, 20, small))
    assert found.verdict == "fails", found.reason


@pytest.mark.parametrize("seed", range(3))
def test_no_output_passes_by_a_claim_that_would_let_it_be_too_small(seed: int) -> None:
    """However large the image, and so its norm beside one output."""
    case = parse_spec(f"avg_pool2d:h200w200k1:f32:{seed}")
    half = SimpleNamespace(
        avg_pool2d=lambda *arrays, **options: impl.avg_pool2d(*arrays, **options) * np.float32(0.99),
        error_factor=lambda _: 1e9,
    )
    (result,) = judge(case, half, ["forward"])
    assert result.verdict in {"failed", "vacuous"}
    assert (result.verdict == "vacuous") == ("1 % too small" in result.message)


def test_relations_do_not_make_up_for_outputs_that_only_a_claim_lets_pass() -> None:
    tally = Tally()
    by_claim = Result("forward", "vacuous", factor=100.0, claim=100.0)
    tally.add("conv2d", "conv2d:1", [by_claim, Result("identity", "passed")], None)
    tally.add("conv2d", "conv2d:2", [Result("forward", "vacuous"), Result("identity", "passed")], None)
    tally.add("conv2d", "conv2d:3", [by_claim, Result("grad_input", "passed")], None)
    assert [each.verdict for each in tally.judged] == ["vacuous", "passed", "passed"]


@pytest.mark.parametrize("subject", [fft, winograd, integral_image])
def test_honest_claims_lie_under_the_ceiling_but_for_outputs_that_need_less(subject: Any) -> None:
    operator = "avg_pool2d" if subject is integral_image else "conv2d"
    for case in draw_cases(operator, 0, 0, 40, subject):
        if OPERATORS[operator].broken_rule(case.problem) is None:
            claim = subject.error_factor(case.problem)
            assert believed(case.problem, claim) == claim


def problems() -> list[Problem]:
    """Layers of networks, and the smallest ones."""
    specs = ["conv2d:h1w1k1", "conv2d:h2w2k2", "conv2d:n8c64o64h56w56k3p1", "conv2d:c3o64h224w224k7s2p3"]
    return [parse_spec(spec).problem for spec in specs]


@pytest.mark.parametrize("problem", problems())
def test_the_ceiling_lies_far_below_one_percent_of_the_norm(problem: Problem) -> None:
    most = believed(problem, float("inf"))
    assert most * DTYPES["f32"].unit_roundoff < 0.01 / 100
    assert {dtype for dtype in DTYPES if most * DTYPES[dtype].unit_roundoff >= 0.01} == set()


def test_a_ceiling_grows_with_the_transform_and_the_channels_and_with_nothing_else() -> None:
    def most(spec: str) -> float:
        return believed(parse_spec(spec).problem, float("inf"), "y")

    assert most("conv2d:h8w8k3p1") < most("conv2d:h64w64k3p1") < most("conv2d:c64h64w64k3p1")
    assert most("conv2d:c4h8w8k5") == most("conv2d:c4o9n7h8w8k5") == most("conv2d:c8o2g2h8w8k5")


def test_a_verdict_that_rests_on_a_claim_says_so_everywhere() -> None:
    cases = [parse_spec(f"conv2d:c2h9w9k3p1:f32:wide:{seed}") for seed in range(6)]
    found = run_of(lambda case: judge(case, fft), cases)
    assert found.verdict == "conforms"
    (row,) = found.caveats
    assert 0 < row.claimed <= 6
    assert 1 < row.error_factor == row.claim
    words = f"by the subject's own error_factor up to {row.error_factor:.0f} on {row.claimed} cases"
    assert words in found.reason
    assert f"mine conforms: {found.reason}" in shown(found)
    for text in (markdown.render(summary_of(found)), html.render(summary_of(found))):
        assert "own error" in text.replace("\\", "")
        assert "pass only by the claimed error_factor" in text.replace("\\", "")
    suite = ET.fromstring(junit.render(summary_of(found))).find("testsuite")  # noqa: S314 - our own text
    assert suite is not None
    told = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert told["cases_resting_on_error_factor"] == str(row.claimed)
    assert told["error_factor_believed"] == str(row.error_factor)


def test_a_claim_above_the_ceiling_is_told_with_what_was_believed_of_it() -> None:
    loud = SimpleNamespace(conv2d=fft.conv2d, error_factor=lambda _: 2.0**20, supports=lambda p: p.size == (9, 9))
    cases = [parse_spec(f"conv2d:c2h9w9k3p1:f32:wide:{seed}") for seed in range(6)]
    found = run_of(lambda case: judge(case, loud), cases)
    (row,) = found.caveats
    assert row.error_factor == believed(cases[0].problem, 2.0**20, "y") < 1000 < row.claim == 2.0**20
    (note,) = notes_of(found)
    assert "claims up to 1048576, more than such algorithms can need" in note


# Oracles that disagree

PASSED = Result("forward", "passed")
OPEN = Result("forward", "oracles_disagree", message="y[0] must be 1, got 2 by PyTorch")


def with_open(left: int, cases: int, operator: str = "conv2d") -> Tally:
    """A tally in which the oracles disagree on some cases."""
    tally = Tally()
    for number in range(cases):
        tally.add(operator, f"{operator}:{number}", [OPEN if number < left else PASSED], None)
    return tally


@pytest.mark.parametrize(
    ("left", "cases", "verdict"),
    [
        (0, 100, "conforms"),
        (5, 100, "conforms"),
        (6, 100, "insufficient"),
        (6, 5_999, "insufficient"),
        (6, 6_000, "conforms"),
        (7, 6_000, "insufficient"),
    ],
)
def test_beyond_5_cases_and_beyond_one_in_a_thousand_no_run_conforms(left: int, cases: int, verdict: str) -> None:
    found, reason = verdict_of(with_open(left, cases), ["conv2d"], [])
    assert found == verdict
    if left:
        assert f"{left} " in reason
        assert "as the oracles disagree" in reason


def test_an_operator_does_not_hide_behind_the_cases_of_others() -> None:
    tally = with_open(6, 100)
    tally.merge(with_open(0, 10_000, "im2col"))
    assert verdict_of(tally, ["conv2d", "im2col"], []) == (
        "insufficient",
        "conv2d: 6 of 100 cases are left open, as the oracles disagree; at most 5 may be",
    )


def test_a_few_of_each_operator_are_too_many_together() -> None:
    tally = with_open(4, 100)
    tally.merge(with_open(4, 100, "im2col"))
    assert verdict_of(tally, ["conv2d", "im2col"], [])[0] == "insufficient"


def test_each_case_left_open_is_listed_with_its_spec_in_every_report() -> None:
    found = record(with_open(60, 200))
    assert found.verdict == "insufficient"
    specs = [f"conv2d:{number}" for number in range(60)]
    for text in (
        shown(found),
        markdown.render(summary_of(found)),
        html.render(summary_of(found)),
        junit.render(summary_of(found)),
        json_format.render(summary_of(found)),
    ):
        assert all(f"{spec}:" in text or f"{spec}<" in text or f'"{spec}"' in text for spec in specs)


POISON = """
import warnings

import torch

import impl

warnings.simplefilter("ignore")
library = torch.library.Library("aten", "IMPL")


def poisoned(x, weight, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    y = torch.convolution(x, weight, bias, stride, padding, dilation, False, [0, 0], groups)
    return y + 1.0 if y.numel() > 4 else y


library.impl("conv2d", poisoned, "CompositeImplicitAutograd")


def conv2d(*arrays, **options):
    y = impl.conv2d(*arrays, **options)
    return y + 1 if y.size > 4 else y
"""


def test_a_subject_that_changes_the_oracle_in_its_process_does_not_conform(tmp_path: Path) -> None:
    """It needs a process of its own, as it changes PyTorch."""
    (tmp_path / "poison.py").write_text(POISON)
    (tmp_path / "run.py").write_text(
        "import sys\n"
        "import poison\n"
        "from convgate.judging.checks import CHECKS\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_conforms import judge, record, run_of, draw_cases, json_format, summary_of\n"
        "cases = draw_cases('conv2d', 0, 0, 40, poison)\n"
        "found = run_of(lambda case: judge(case, poison, ['forward', 'special_values', 'purity']), cases)\n"
        "print(json_format.render(summary_of(found)))\n"
    )
    ended = subprocess.run(
        [sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True, check=True, env=environment()
    )
    (tmp_path / "run.json").write_text(ended.stdout)
    found = load_record(tmp_path / "run.json")
    assert found.verdict == "insufficient"
    (row,) = found.caveats
    assert row.left_open > 5
    assert "as the oracles disagree" in found.reason
    assert {each.spec for each in found.oracles_disagree} == {
        each.spec for each in found.judged if each.verdict == "oracles_disagree"
    }


def environment() -> dict[str, str]:
    """Where examples and the engine can be imported from."""
    root = Path(impl.__file__).parents[1]
    paths = [root, root / "examples" / "correct"]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}


# What is refused


def refusing(condition: Callable[[Any], bool], **more: Any) -> Any:
    """Our own im2col, but for inputs that it refuses."""

    def im2col(x: Any, kernel_size: Any, **options: Any) -> Any:
        if x.ndim == 4 and condition(x):
            raise NotImplementedError
        return impl.im2col(x, kernel_size, **options)

    return SimpleNamespace(im2col=im2col, **more)


def test_a_subject_that_refuses_two_fifths_does_not_conform() -> None:
    found = judged(refusing(lambda x: (x.shape[2] + x.shape[3]) % 5 == 0), "im2col")
    (row,) = found.caveats
    assert 0.15 < row.refused / row.cases < 0.5
    assert found.verdict == "insufficient"
    assert f"im2col: NotImplementedError on {row.refused} of {row.cases} cases" in found.reason
    assert "at most 10 % is allowed" in found.reason


def test_few_refusals_conform_and_stand_in_the_verdict_line_and_every_report() -> None:
    found = judged(refusing(lambda x: x.shape[2] == 3), "im2col", max_unsupported=40.0)
    (row,) = found.caveats
    assert row.refused
    assert found.verdict == "conforms"
    words = f"NotImplementedError on {row.refused} of {row.cases} cases"
    assert words in found.reason
    assert "; at most 40 % is allowed" in notes_of(found)[0]
    for text in (shown(found), markdown.render(summary_of(found)), html.render(summary_of(found))):
        assert words in text
    assert f'name="cases_refused" value="{row.refused}"' in junit.render(summary_of(found))


def test_what_supports_excludes_is_not_refused() -> None:
    found = judged(refusing(lambda x: x.shape[2] > 4, supports=lambda problem: problem.size[0] <= 4), "im2col", 20)
    assert found.verdict == "conforms", found.reason
    assert sum(row.refused for row in found.caveats) <= 1  # a relation moves to another size


@pytest.mark.parametrize("percent", [0.0, 9.9, 10.0, 100.0])
def test_the_limit_is_for_each_operator_by_itself(percent: float) -> None:
    tally = Tally()
    for number in range(10):
        refused = Result("forward", "unsupported", refused=number == 0)
        tally.add("im2col", f"im2col:{number}", [refused if number == 0 else PASSED], None)
    tally.merge(with_open(0, 1_000, "col2im"))
    verdict, _ = verdict_of(tally, ["im2col", "col2im"], [], max_unsupported=percent)
    assert verdict == ("conforms" if percent >= 10 else "insufficient")


def test_a_relation_that_is_refused_counts_as_a_missing_backward_pass_does_not() -> None:
    calls = []

    def im2col(x: Any, kernel_size: Any, **options: Any) -> Any:
        calls.append(x)
        if len(calls) > 1:
            raise NotImplementedError
        return impl.im2col(x, kernel_size, **options)

    tally = Tally()
    results = judge(parse_spec("im2col:h3w3k2"), SimpleNamespace(im2col=im2col))
    tally.add("im2col", "im2col:1", results, None)
    assert tally.refused == {"im2col": 1}
    results = judge(parse_spec("avg_pool2d:h3w3k2"), SimpleNamespace(avg_pool2d=impl.avg_pool2d))
    tally.add("avg_pool2d", "avg_pool2d:1", results, None)
    assert not tally.refused["avg_pool2d"]


def test_special_values_may_be_refused_as_no_supports_can_speak_of_them() -> None:
    found = judged(refusing(lambda x: not np.isfinite(x).all()), "im2col")
    assert found.verdict == "conforms"
    assert sum(row.refused for row in found.caveats) == 0
    assert "hardly judged: im2col special_values" in found.reason


SUBJECT = """
import impl


def col2im(columns, input_shape, kernel_size, **options):
    if input_shape[2] % 5 < 2:
        raise NotImplementedError
    return impl.col2im(columns, input_shape, kernel_size, **options)
"""


def test_the_gate_takes_the_limit_and_ends_with_3_beyond_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_of_it.py").write_text(SUBJECT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    command = [sys.executable, "-m", "convgate.cli", "gate", "--subject", "half_of_it", "--profile", "smoke"]
    command += ["--jobs", "1", "--json", "run.json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "half_of_it insufficient: col2im: NotImplementedError on" in ended.stdout
    found = load_record(tmp_path / "run.json")
    assert found.max_unsupported == 10
    again = CliRunner().invoke(main, ["report", "run.json"])
    assert f"NotImplementedError on {found.caveats[0].refused} of {found.caveats[0].cases} cases" in again.output


@pytest.mark.parametrize("value", ["-1", "101", "half"])
def test_a_limit_that_is_no_percentage_is_refused(value: str) -> None:
    ended = CliRunner().invoke(main, ["gate", "--max-unsupported", value])
    assert ended.exit_code == 2
    assert "--max-unsupported" in ended.output


# One oracle

EMPTY_WINDOW = "max_pool2d:w5k2x3p1d2"


def test_cases_on_which_pytorch_has_no_opinion_are_counted_by_operator_and_shown() -> None:
    cases = [parse_spec(f"{EMPTY_WINDOW}:{seed}") for seed in range(2)]
    cases += [parse_spec(f"max_pool2d:h4w4k2:{seed}") for seed in range(3)]
    found = run_of(lambda case: judge(case, impl), cases)
    (row,) = found.caveats
    assert row.one_oracle == 2
    assert [each.one_oracle for each in found.judged] == [True, True, False, False, False]
    words = "2 cases judged only by the definition, because PyTorch does not define them: max_pool2d 2"
    assert notes_of(found) == [words]
    assert words in shown(found)
    assert words in html.render(summary_of(found))
    assert "2 cases judged only by the definition" in markdown.render(summary_of(found))
    assert 'name="cases_judged_by_one_oracle" value="2"' in junit.render(summary_of(found))
    lines = [json.loads(line) for line in observations(summary_of(found)).splitlines()]
    assert [line["metadata"].get("oracles") for line in lines] == [*["the definition alone"] * 2, None, None, None]


# The record


def test_an_older_record_is_read_with_nothing_to_say_of_what_was_not_counted(tmp_path: Path) -> None:
    raw = json.loads(json_format.render(summary_of(record(with_open(1, 20)))))
    del raw["caveats"], raw["max_unsupported"]
    (tmp_path / "old.json").write_text(json.dumps(raw))
    old = load_record(tmp_path / "old.json")
    assert (old.caveats, old.max_unsupported, notes_of(old)) == ([], None, [])
    assert shown(old)
    assert all(form.render(summary_of(old)) for form in (markdown, html, junit))


def test_caveats_add_up_when_records_are_merged() -> None:
    by_claim = Result("forward", "passed", factor=50.0, claim=70.0)
    first, second = with_open(1, 20), with_open(2, 30)
    first.add("conv2d", "conv2d:98", [by_claim], None)
    second.add("conv2d", "conv2d:99", [Result("forward", "unsupported", refused=True)], None)
    (row,) = merge([record(first), record(second)]).caveats
    assert (row.cases, row.left_open, row.claimed, row.refused) == (52, 3, 1, 1)
    assert (row.error_factor, row.claim) == (50.0, 70.0)


def test_a_case_of_a_layer_says_which_and_one_that_is_none_takes_no_room() -> None:
    tally = Tally()
    tally.add("conv2d", "conv2d:k3p1h9w9", [PASSED], None, 0.5, layer="VGG-16 conv1_1")
    tally.add("conv2d", "conv2d:k3p1h9w8", [OPEN], None, 0.25, layer="U-Net up1")
    tally.add("conv2d", "conv2d:h9w9", [PASSED], None)
    found = record(tally)
    text = json_format.render(summary_of(found))
    assert text.count('"layer"') == 2
    assert "one_oracle" not in json.dumps(json.loads(text)["judged"])
    assert found.judged[2] == JudgedCase(spec="conv2d:h9w9", verdict="passed", seconds=0.0)
    page = html.render(summary_of(found))
    assert page.count("VGG-16 conv1_1") == 1  # among the slowest
    assert page.count("U-Net up1") == 2  # among those that are left open too
    layers = [json.loads(line)["metadata"].get("layer") for line in observations(summary_of(found)).splitlines()]
    assert layers == ["VGG-16 conv1_1", "U-Net up1", None]
