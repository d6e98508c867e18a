"""The catalogue of faults: each is a real one, is found, and is found as the gate finds it."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from convgate import faults
from convgate.checks import judge, primary_failure
from convgate.faults import CATALOGUE, STAGES, Edit, Fault, FaultError, diff_of, subject_of
from convgate.operators import OPERATORS
from convgate.qualification import Explained, Qualification
from convgate.qualify import says_the_same
from convgate.record import load_record
from convgate.spec import parse_spec

CLASSES = range(1, 29)
# The others would kill or block the process that judges them here.
JUDGED = [name for name, fault in CATALOGUE.items() if not fault.dies]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run convgate."""
    command = [sys.executable, "-m", "convgate.cli", *arguments]
    environment = {**os.environ, "COLUMNS": "150", "CI": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_there_are_150_faults_of_all_classes_at_least_4_of_each() -> None:
    assert len(CATALOGUE) >= 150
    counts = Counter(fault.bug_class for fault in CATALOGUE.values())
    assert set(counts) == set(CLASSES)
    assert min(counts.values()) >= 4, counts


def test_conjunctions_are_3_4_and_5_deep() -> None:
    depths = Counter(fault.depth for fault in CATALOGUE.values() if fault.bug_class == 28)
    assert set(depths) == {3, 4, 5}
    assert min(depths.values()) >= 3, depths


def test_every_operator_and_every_stage_has_faults() -> None:
    assert {fault.operator for fault in CATALOGUE.values()} == set(OPERATORS)
    assert {fault.stage for fault in CATALOGUE.values()} == set(STAGES)


@pytest.mark.parametrize("name", JUDGED)
def test_the_spec_shows_the_fault_and_nothing_but_the_fault(name: str) -> None:
    """A fault that changes nothing is none."""
    fault = CATALOGUE[name]
    assert name.startswith(fault.operator)
    case, subject = parse_spec(fault.spec), subject_of(fault)
    if fault.after:
        assert primary_failure(judge(case, subject_of(fault))) is None
        judge(parse_spec(fault.after), subject)
    assert primary_failure(judge(case, subject)) is not None
    assert primary_failure(judge(case, faults.correct)) is None
    assert diff_of(fault).count("\n") >= 1


def test_no_two_faults_are_the_same() -> None:
    assert len({(fault.operator, fault.edits) for fault in CATALOGUE.values()}) == len(CATALOGUE)


def test_a_fault_that_does_not_fit_the_base_says_so() -> None:
    fault = Fault(
        name="conv2d_x",
        bug_class=1,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "no such line", ""),),
        spec="conv2d",
        when=(),
    )
    with pytest.raises(FaultError, match="'no such line' stands 0 times in conv2d"):
        subject_of(fault)
    with pytest.raises(AttributeError, match="no_such_fault"):
        _ = faults.no_such_fault


def test_qualify_finds_what_the_gate_finds(tmp_path: Path) -> None:
    """The same first case, and the same failure in the same words."""
    name = "conv2d_swaps_stride"
    ran = run("qualify", name, "--profile", "smoke", "--jobs", "2", "--json", str(tmp_path / "kills.json"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (judged,) = msgspec.json.decode((tmp_path / "kills.json").read_bytes(), type=Qualification).faults

    asked = ["gate", "--subject", f"convgate.faults:{name}", "--operators", "conv2d", "--profile", "smoke"]
    gate = run(*asked, "--reports", str(tmp_path), "--json", str(tmp_path / "run.json"))
    assert gate.returncode == 1, gate.stdout + gate.stderr
    record = load_record(tmp_path / "run.json")
    number, first = next((n, each) for n, each in enumerate(record.judged, 1) if each.verdict == "failed")
    assert (judged.kills[judged.found_by].case, judged.kills[judged.found_by].spec) == (number, first.spec)
    (failure,) = record.failures
    (explained,) = judged.failures
    assert failure.when is not None
    assert (explained.check, explained.symptom) == (failure.check, failure.symptom)
    assert explained.minimal == failure.minimal
    assert explained.conditions == failure.when.conditions
    failing = {row.check for row in record.checks if row.counts.get("failed")}
    assert set(judged.kills) == failing


def test_what_is_said_in_other_words_is_compared_by_what_it_holds_for() -> None:
    fault = CATALOGUE["conv2d_assigns_overlapping_gradients"]
    spec = "conv2d:w3k1x2"
    assert says_the_same(fault, Explained(check="", symptom="", minimal=spec, conditions=fault.when))
    for other in ("stride_w < kernel_w", "kernel_w > 1", "windows_w overlap"):
        assert not says_the_same(fault, Explained(check="", symptom="", minimal=spec, conditions=(other,)))
    always = replace(fault, when=("dtype f64", "windows overlap on either axis"))
    same = ("windows overlap on either axis", "dtype f64")
    assert says_the_same(always, Explained(check="", symptom="", minimal=spec, conditions=same))
    # a kernel that is 2 wide is even and less than 3: said twice, but no other cases
    twice = replace(fault, when=("kernel_w = 2",))
    assert says_the_same(
        twice, Explained(check="", symptom="", minimal=spec, conditions=("kernel_w = 2", "kernel_w > 1"))
    )
    assert not says_the_same(fault, Explained(check="", symptom="", minimal=spec, conditions=None))


def test_a_name_that_no_fault_has_is_told() -> None:
    ran = run("qualify", "conv3d_*")
    assert ran.returncode == 2
    assert "no fault is called conv3d_*" in ran.stderr


def test_the_gate_finds_nearly_every_fault_at_profile_smoke_already(tmp_path: Path) -> None:
    """And pr all of them: docs/kill-matrix.md."""
    ran = run("qualify", *JUDGED, "--quick", "--profile", "smoke", "--json", str(tmp_path / "kills.json"))
    found = msgspec.json.decode((tmp_path / "kills.json").read_bytes(), type=Qualification)
    assert len(found.faults) == len(JUDGED), ran.stderr
    assert len(found.survivors) <= 0.05 * len(JUDGED), [fault.name for fault in found.survivors]
    assert ran.returncode == bool(found.survivors)
