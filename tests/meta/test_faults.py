"""The gate finds planted faults, one at a time and several at once, and shows them as small as a person would."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from convgate.cases.spec import parse_spec
from convgate.diagnosis.repro import repro_source
from convgate.judging.checks import judge
from convgate.results.verdicts import primary_failure
from convgate.selftest.faults import CATALOGUE, Fault, subject_name, subject_of
from convgate.selftest.qualification import Qualification


def sampled() -> dict[tuple[str, str], Fault]:
    """A fault of each operator and stage, all of different classes."""
    found: dict[tuple[str, str], Fault] = {}
    for fault in CATALOGUE.values():
        if fault.bug_class not in {each.bug_class for each in found.values()}:
            found.setdefault((fault.operator, fault.stage), fault)
    return found


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python."""
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def judged(subject: str, operators: str, folder: Path) -> dict[str, Any]:
    """The record of a gate on a subject."""
    asked = ["--subject", subject, "--operators", operators, "--profile", "smoke", "--jobs", "1"]
    gate = run("-m", "convgate.cli", "gate", *asked, "--reports", str(folder), "--json", "run.json", folder=folder)
    assert gate.returncode == 1, gate.stdout + gate.stderr
    record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    assert record["verdict"] == "fails"
    return record


def repeat_it(folder: Path, faults: str) -> None:
    """The script of a failure fails, and passes once the faults are gone."""
    assert run("repro.py", folder=folder).returncode == 1
    script = folder / "repro.py"
    script.write_text(script.read_text().replace(faults, "correct"))
    gone = run("repro.py", folder=folder)
    assert gone.returncode == 0, gone.stdout + gone.stderr


def test_a_fault_of_each_operator_and_stage_is_found_once_and_small_and_a_script_repeats_it(tmp_path: Path) -> None:
    """By qualify, which asks the oracles once for all faults, and tells of each what the gate does.

    All faults take an hour: docs/kill-matrix.md. A script takes seconds to load what it needs, so some are run.
    """
    samples = sampled()
    assert set(samples) == {(fault.operator, fault.stage) for fault in CATALOGUE.values()}
    names = [fault.name for fault in samples.values()]
    asked = ["qualify", *names, "--profile", "smoke", "--jobs", "2", "--json", "kills.json"]
    ended = run("-m", "convgate.cli", *asked, folder=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = msgspec.json.decode((tmp_path / "kills.json").read_bytes(), type=Qualification).faults
    assert sorted(each.name for each in found) == sorted(names)
    for each in found:
        assert len(each.failures) == 1, each
        assert each.small, each
        (failure,), case, subject = (
            each.failures,
            parse_spec(each.failures[0].minimal),
            subject_of(CATALOGUE[each.name]),
        )
        (result,) = judge(case, subject, [failure.check])
        assert (result.verdict, result.symptom) == ("failed", failure.symptom), each
        if each in found[::4]:
            script = repro_source(subject_name(CATALOGUE[each.name]), case, result, each.name, failure.minimal, 10.0)
            (tmp_path / "repro.py").write_text(script)
            repeat_it(tmp_path, each.name)


# The second lot has two in one check, of which one shows in a few cases only.
THREES = {
    "conv2d": (
        "conv2d_swaps_stride",
        "conv2d_adds_the_bias_to_the_first_image",
        "conv2d_backward_leaves_the_last_channel_out",
    ),
    "avg_pool2d": (
        "avg_pool2d_leaves_the_tail_of_blocks_of_32_columns",
        "avg_pool2d_ignores_the_override_without_count_include_pad",
        "avg_pool2d_backward_assigns_overlapping_gradients",
    ),
}


@pytest.mark.parametrize("operator", THREES)
def test_three_bugs_are_three_failures_and_each_shows_one_of_them(operator: str, tmp_path: Path) -> None:
    """Not one, not two, and not a hundred."""
    names = THREES[operator]
    failures = judged(f"convgate.selftest.faults:{'__'.join(names)}", operator, tmp_path)["failures"]
    for folder in (tmp_path / failure["folder"] for failure in failures):
        assert sorted(path.name for path in folder.iterdir()) == ["README.md", "failure.json", "repro.py"]
        repeat_it(folder, "__".join(names))
    cases = [parse_spec(failure["minimal"]) for failure in failures]
    subjects = [subject_of(CATALOGUE[name]) for name in names]
    shown = [[primary_failure(judge(case, subject)) is not None for subject in subjects] for case in cases]
    assert sorted(shown, reverse=True) == [[True, False, False], [False, True, False], [False, False, True]]
    assert not any(failure["carried"] for failure in failures)


def test_a_fault_that_only_earlier_calls_make_is_told_with_one_that_does(tmp_path: Path) -> None:
    """By itself its minimal case passes, so that nobody is sent to look at what is right."""
    fault = CATALOGUE["max_pool2d_backward_keeps_the_winners_of_other_data"]
    (failure,) = judged(subject_name(fault), fault.operator, tmp_path)["failures"]
    assert failure["carried"]
    assert failure["when"] is None
    said = f"passes in a fresh process and fails there after the calls of {failure['after']}: the subject keeps"
    folder = tmp_path / failure["folder"]
    assert said in (folder / "README.md").read_text()
    replay = run("-m", "convgate.cli", "replay", str(folder), folder=tmp_path)
    assert (replay.returncode, replay.stdout.partition("  ")[0]) == (1, "still failing")
    alone = run("-m", "convgate.cli", "replay", failure["minimal"], "--subject", subject_name(fault), folder=tmp_path)
    assert (alone.returncode, alone.stdout.partition("  ")[0]) == (0, "passes")
    script = folder / "repro.py"
    assert run("repro.py", folder=folder).returncode == 1
    script.write_text(script.read_text().replace(fault.name, "correct"))
    assert run("repro.py", folder=folder).returncode == 0
