"""The gate finds every planted fault, and shows it as small as a person would."""

import json
import os
import subprocess
import sys
from pathlib import Path

import faulty
import pytest

from convgate.minimize import complexity
from convgate.spec import parse_spec

HERE = Path(__file__).parent


def run(*arguments: str, folder: Path = HERE, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the faulty subjects importable."""
    paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    variables = {**os.environ, "PYTHONPATH": paths, **environment}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", faulty.FAULTS)
def test_the_gate_finds_the_fault_once_and_small(name: str, tmp_path: Path) -> None:
    """One failure, in the right check, no larger than what a person wrote, with its true trigger.

    Its script tells when it is gone.
    """
    fault = faulty.FAULTS[name]
    subject = f"faulty:subject_{name}"
    asked = [
        "--subject",
        subject,
        "--operators",
        fault.operator,
        "--profile",
        "smoke",
        "--jobs",
        "1",
    ]
    gate = run("-m", "convgate.cli", "gate", *asked, "--reports", str(tmp_path), "--json", str(tmp_path / "run.json"))
    assert gate.returncode == 1, gate.stdout + gate.stderr

    record = json.loads((tmp_path / "run.json").read_text())
    assert record["verdict"] == "fails"
    (failure,) = record["failures"]
    assert (failure["check"], failure["symptom"]) == (fault.check, fault.symptom)
    minimal, person = parse_spec(failure["minimal"]), parse_spec(fault.spec)
    assert complexity(minimal)[0] <= complexity(person)[0], failure["minimal"]

    conditions = failure["when"]["conditions"]
    assert set(fault.when) <= set(conditions)
    # where data hide a fault, such data are named beside the trigger
    more = set(conditions) - set(fault.when)
    assert fault.roughly or all("fill" in condition for condition in more), conditions
    assert failure["when"]["failing"] >= 0.8 * failure["when"]["having"] > 0
    assert failure["when"]["passing"] >= 0.8 * failure["when"]["others"]

    folder = Path(failure["folder"])
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "failure.json", "repro.py"]
    assert run("repro.py", folder=folder).returncode == 1
    gone = run("repro.py", folder=folder, FAULTS_TAKEN_OUT="1")
    assert gone.returncode == 0, gone.stdout + gone.stderr


def test_the_faults_spread_over_the_classes() -> None:
    classes = {fault.bug_class for fault in faulty.FAULTS.values()}
    assert len(classes) >= 24
    assert {fault.operator for fault in faulty.FAULTS.values()} >= {"conv2d", "avg_pool2d", "max_pool2d", "col2im"}


def test_with_the_faults_taken_out_the_gate_passes(tmp_path: Path) -> None:
    """What the gate finds lies in the faults, not in the way that they are planted."""
    asked = ["--subject", "faulty:subject_assigns_columns", "--operators", "col2im", "--profile", "smoke"]
    gate = run("-m", "convgate.cli", "gate", *asked, "--reports", str(tmp_path), FAULTS_TAKEN_OUT="1")
    assert gate.returncode == 0, gate.stdout + gate.stderr
