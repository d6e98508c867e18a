"""The public Python interface."""

import os
import re
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
    case = convgate.parse_spec("im2col:h3w3k2")
    results = convgate.judge(case, impl)
    assert {result.verdict for result in results} == {"passed"}
    # by its name it is called in another process
    assert convgate.judge(case, "impl") == results


def test_the_example_of_the_page_runs_as_it_stands_there(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "mine.py").write_text("from impl import conv2d, conv2d_backward\n")
    (tmp_path / "example.py").write_text(example)
    root = str(Path(__file__).parents[2])
    ended = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = ended.stdout.splitlines()
    assert lines[0] == "forward passed "
    assert re.match(r"conforms \d+ checks passed on \d+ cases", lines[-1])


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
