"""The public Python interface."""

import subprocess
import sys
from pathlib import Path

import pytest

import convgate
import impl


def test_everything_that_is_public_is_there_and_documented() -> None:
    assert sorted(convgate.__all__) == sorted(convgate.HOME) == dir(convgate)
    for name in convgate.__all__:
        assert getattr(convgate, name) is not None


def test_a_case_is_judged() -> None:
    results = convgate.judge(convgate.parse_spec("im2col:h3w3k2"), impl)
    assert {result.verdict for result in results} == {"passed"}


def test_a_subject_is_gated_and_its_record_read(tmp_path: Path) -> None:
    plan = convgate.Plan(subject="impl", operators=("im2col",), profile="smoke", reports=tmp_path)
    *_, end = convgate.gate(plan)
    assert isinstance(end, convgate.RunFinished)
    assert (type(end.record), end.record.verdict) == (convgate.RunRecord, "conforms")


def test_what_is_not_there_is_named_with_what_is() -> None:
    with pytest.raises(AttributeError, match="convgate has no 'verifyy'; it has Axis, Case, "):
        _ = convgate.verifyy


def test_results_load_without_numpy_or_pytorch() -> None:
    script = "import sys, convgate.results.record; print(sorted({'numpy', 'torch', 'hypothesis'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_the_package_runs_as_a_command() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "convgate", "gate", "--help"], capture_output=True, text=True, check=True
    )
    assert ended.stdout.startswith("Usage: convgate gate [OPTIONS]")
