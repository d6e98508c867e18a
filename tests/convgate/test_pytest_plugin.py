"""The pytest plugin in real pytest runs, alone and with workers of pytest-xdist."""

import os
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from convgate import pytest_plugin
from convgate.results.record import MAX_UNSUPPORTED, RunRecord
from convgate.run.merge import load_record

ROOT = Path(__file__).parents[2]
SPECS = ["im2col", "im2col:k2:f32", "im2col:n2h5w7k3s2p1", "im2col:n0", "col2im:c3k2x1p1x0:f32", "col2im:h4w3k2s2x1"]

MINE = """
import impl

im2col = impl.im2col

def col2im(columns, input_shape, kernel_size, **options):
    return impl.col2im(columns, input_shape, kernel_size, **options) + (options["stride"][0] > 1)
"""
CORRECT = f"""
import pytest

@pytest.mark.parametrize("spec", {SPECS[:5]})
def test_it(spec, convgate_judge):
    convgate_judge(spec, "mine")
"""
WRONG = f"""
import pytest

@pytest.mark.parametrize("spec", {SPECS})
def test_it(spec, convgate_judge):
    convgate_judge(spec, "mine")
"""
CRASHING = (
    WRONG
    + """

def test_that_ends_its_process(convgate_judge):
    import os, time
    time.sleep(2)
    os._exit(1)
"""
)


@dataclass(frozen=True)
class Ended:
    """A pytest run that has ended."""

    code: int
    out: str
    folder: Path

    @property
    def record(self) -> RunRecord:
        """What it left."""
        return load_record(self.folder / "run.json")


def run(folder: Path, tests: str, *arguments: str) -> Ended:
    """Run pytest with no plugin but the one and pytest-xdist, whatever else is installed."""
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(MINE)
    (folder / "test_mine.py").write_text(tests)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-p", "convgate.pytest_plugin", "--rootdir", ".", *arguments]
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    return Ended(ended.returncode, ended.stdout + ended.stderr, folder)


RECORD = ("--convgate-record", "run.json")
TWO = ("-p", "xdist.plugin", "-n", "2")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run in one process in which one case fails."""
    return run(tmp_path_factory.mktemp("plain"), WRONG, *RECORD)


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The same over two workers."""
    return run(tmp_path_factory.mktemp("spread"), WRONG, *RECORD, *TWO)


def contents(record: RunRecord) -> dict[str, Any]:
    """A record without times."""
    found = vars(record) | {"judged": Counter((each.spec, each.verdict) for each in record.judged)}
    found["failures"] = [vars(each) | {"found_at": ""} for each in record.failures]
    return {name: value for name, value in found.items() if name not in {"started_at", "seconds"}}


def test_a_failing_case_fails_its_test_with_the_smallest_case_and_no_traceback(plain: Ended) -> None:
    assert plain.code == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 4 passed, 1 skipped" in plain.out
    assert "col2im forward, wrong value: " in plain.out
    assert "expected y" in plain.out
    assert "actual y" in plain.out
    assert "found as col2im:h4w3k2s2x1" in plain.out
    assert "Traceback" not in plain.out
    assert "def judge" not in plain.out


def test_the_record_has_every_case_that_was_judged(plain: Ended) -> None:
    record = plain.record
    assert sorted(each.spec for each in record.judged) == sorted(SPECS)
    assert (record.subject, record.profile, record.operators) == ("mine", "pytest", ["im2col", "col2im"])
    assert (record.verdict, record.reason) == ("fails", "1 of 6 cases fail")
    assert f"convgate: mine fails: 1 of 6 cases fail; see convgate coverage {plain.folder / 'run.json'}" in plain.out
    (failure,) = record.failures
    assert (failure.found, failure.cases, failure.folder) == ("col2im:h4w3k2s2x1", 1, "")
    assert failure.replay == f"convgate replay {failure.minimal} --subject mine"


def test_workers_leave_the_same_record(plain: Ended, spread: Ended) -> None:
    assert spread.code == plain.code
    assert "2 workers" in spread.out
    assert contents(spread.record) == contents(plain.record)


def test_a_worker_that_crashes_does_not_lose_what_others_judged(tmp_path: Path) -> None:
    ended = run(tmp_path, CRASHING, *RECORD, *TWO)
    assert ended.code == pytest.ExitCode.TESTS_FAILED
    assert "crashed" in ended.out
    assert ended.record.cases > 0
    assert {each.spec for each in ended.record.judged} <= set(SPECS)


def test_correct_cases_pass_and_what_shows_nothing_is_skipped(tmp_path: Path) -> None:
    ended = run(tmp_path, CORRECT, *RECORD, "-rs")
    assert ended.code == pytest.ExitCode.OK, ended.out
    assert "4 passed, 1 skipped" in ended.out
    assert "im2col:n0 is vacuous" in ended.out
    assert ended.record.verdict == "conforms"


REFUSING = """
import impl
import pytest
from types import SimpleNamespace

def im2col(x, *arguments, **options):
    if x.shape[-1] == 4:
        raise NotImplementedError
    return impl.im2col(x, *arguments, **options)

@pytest.mark.parametrize("width", [3, 4, 5, 6])
def test_it(width, convgate_judge):
    convgate_judge(f"im2col:h3w{width}k2", SimpleNamespace(im2col=im2col))
"""


@pytest.mark.parametrize(("percent", "verdict"), [("24", "insufficient"), ("25", "conforms")])
def test_a_session_in_which_too_much_is_refused_does_not_conform(percent: str, verdict: str, tmp_path: Path) -> None:
    ended = run(tmp_path, REFUSING, *RECORD, "--convgate-max-unsupported", percent)
    assert ended.code == pytest.ExitCode.OK, ended.out
    assert (ended.record.verdict, ended.record.max_unsupported) == (verdict, float(percent))
    assert "NotImplementedError on 1 of 4 cases (25.0 %)" in ended.out


def test_a_limit_that_is_no_percentage_is_refused(tmp_path: Path) -> None:
    ended = run(tmp_path, CORRECT, "--convgate-max-unsupported", "101")
    assert ended.code == pytest.ExitCode.USAGE_ERROR
    assert "--convgate-max-unsupported" in ended.out


def test_without_a_limit_the_plugin_s_is_the_gate_s() -> None:
    parser = pytest.Parser(_ispytest=True)
    pytest_plugin.pytest_addoption(parser)
    assert parser.parse([]).convgate_max_unsupported == MAX_UNSUPPORTED


def test_a_problem_that_the_subject_does_not_support_is_skipped(tmp_path: Path) -> None:
    tests = """
import impl
from types import SimpleNamespace

def test_it(convgate_judge):
    convgate_judge("im2col:s2", SimpleNamespace(im2col=impl.im2col, supports=lambda problem: False))
"""
    ended = run(tmp_path, tests, "-rs")
    assert ended.code == pytest.ExitCode.OK, ended.out
    assert "im2col:s2 is unsupported" in ended.out


def test_what_is_no_spec_fails_the_test_in_one_line(tmp_path: Path) -> None:
    ended = run(tmp_path, "def test_it(convgate_judge):\n    convgate_judge('im2col:q', 'mine')\n")
    assert ended.code == pytest.ExitCode.TESTS_FAILED
    assert "'q' in 'im2col:q' is neither a geometry" in ended.out
    assert "Traceback" not in ended.out
    assert "parse_spec" not in ended.out


def test_a_session_that_is_interrupted_leaves_no_record(tmp_path: Path) -> None:
    ended = run(tmp_path, CORRECT + "\ndef test_stop():\n    raise KeyboardInterrupt\n", *RECORD)
    assert ended.code == pytest.ExitCode.INTERRUPTED
    assert "was not written because the tests did not finish" in ended.out
    assert not list(tmp_path.glob("*.json"))


def test_without_the_option_nothing_is_written(tmp_path: Path) -> None:
    ended = run(tmp_path, CORRECT, "-p", "no:cacheprovider")
    assert ended.code == pytest.ExitCode.OK, ended.out
    assert "convgate:" not in ended.out
    assert {path.name for path in tmp_path.iterdir()} == {"mine.py", "test_mine.py"}


def test_a_session_that_judged_nothing_leaves_no_record_and_does_not_pass(tmp_path: Path) -> None:
    ended = run(tmp_path, "def test_nothing(): pass\n", *RECORD)
    assert ended.code == pytest.ExitCode.USAGE_ERROR
    assert "was not written: a record is of one subject, and these tests judged none" in ended.out
    assert not (tmp_path / "run.json").exists()


def test_two_subjects_do_not_go_into_one_record(tmp_path: Path) -> None:
    two = 'def test_two(convgate_judge):\n    convgate_judge("im2col", "mine")\n    convgate_judge("im2col", "impl")\n'
    ended = run(tmp_path, two, *RECORD)
    assert ended.code == pytest.ExitCode.USAGE_ERROR
    assert "these tests judged impl, mine" in ended.out


def test_a_subject_may_be_any_object_and_a_case_any_case(tmp_path: Path) -> None:
    tests = """
import mine
from types import SimpleNamespace
from convgate.cases.spec import parse_spec

class Mine:
    def im2col(self, *arguments, **options):
        return mine.im2col(*arguments, **options)

def test_module(convgate_judge):
    convgate_judge(parse_spec("im2col:k2"), mine)

def test_instance(convgate_judge):
    convgate_judge("im2col:k2", Mine())

def test_what_it_lacks(convgate_judge):
    convgate_judge("conv2d", Mine())
"""
    ended = run(tmp_path, tests)
    assert ended.code == pytest.ExitCode.OK, ended.out


def test_the_plugin_loads_nothing_heavy_until_a_case_is_judged() -> None:
    heavy = {"hypothesis", "msgspec", "numpy", "rich", "torch"}
    code = f"import sys, convgate.pytest_plugin; print(*{heavy} & {{*sys.modules}})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""


def test_the_plugin_is_found_by_pytest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module = import_module(project["entry-points"]["pytest11"]["convgate"])
    assert callable(module.pytest_configure)
