"""Nothing that a subject does in its own process changes the verdict; what it does to that process is its outcome."""

import ast
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convgate.cases.spec import parse_spec
from convgate.judging.checks import judge
from convgate.judging.subjects import python_host
from convgate.judging.subjects.host import HostDiedError
from convgate.judging.subjects.loader import load_subject, supports
from convgate.results.events import RunFinished
from convgate.results.record import RunRecord
from convgate.results.verdicts import primary_failure
from convgate.run.plan import Plan
from convgate.run.runner import gate

# It is wrong everywhere, and changes whatever a judge in the same process would use.
TAMPERS = """
import sys
import numpy as np
import torch
import impl

def yes(*arguments, **options):
    return True

np.array_equal = np.allclose = np.array_equiv = yes
np.testing.assert_array_equal = np.testing.assert_allclose = yes
torch.allclose = torch.equal = yes

def wrong(x, weight, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    kernel = torch.from_numpy(conv2d(x.numpy(), weight.numpy(), None, stride=stride, padding=padding,
                                     dilation=dilation, groups=groups))
    return kernel if bias is None else kernel + bias.reshape(1, -1, 1, 1)

torch.nn.functional.conv2d = torch.conv2d = wrong
LIBRARY = torch.library.Library("aten", "IMPL")
LIBRARY.impl("conv2d", wrong, "CompositeImplicitAutograd")

import convgate.cases.case, convgate.judging.checks, convgate.judging.compare, convgate.judging.checks.outputs
import convgate.sources.fuzz, oracles.definition, oracles.vectorized

convgate.judging.compare.compare = convgate.judging.checks.outputs.compare = lambda *a, **o: None
convgate.judging.checks.CHECKS.rows.clear()
convgate.sources.fuzz.draw_cases = lambda *a, **o: []
convgate.cases.case.values_of = lambda case: {}
for definition in (oracles.definition, oracles.vectorized):
    definition.conv2d = lambda *a, **o: conv2d(*a, **o)

def conv2d(*arguments, **options):
    return 0.98 * impl.conv2d(*arguments, **options)
"""
ENDS = """
import ctypes, os, signal, time
import impl

WAYS = {
    "exits": lambda: os._exit(0),
    "kills itself": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "kills its parent": lambda: (os.kill(os.getppid(), signal.SIGKILL), time.sleep(60)),
    "closes everything": lambda: os.closerange(3, 256),
    "reads from nowhere": lambda: ctypes.string_at(0),
    "leaves a child behind": lambda: os._exit(3) if os.fork() else time.sleep(20),
}

def im2col(x, kernel_size, **options):
    if options["dilation"] == (1, 3):
        WAYS[WAY]()
    return impl.im2col(x, kernel_size, **options)
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Write a module that is found by its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, source: str) -> str:
        (tmp_path / f"{name}.py").write_text(source)
        return name

    return write


def record_of(subject: str, folder: Path, *operators: str) -> RunRecord:
    *_, end = gate(Plan(subject=subject, operators=operators, profile="smoke", jobs=2, reports=folder / "reports"))
    assert isinstance(end, RunFinished)
    return end.record


def test_a_wrong_subject_that_changes_numpy_pytorch_and_the_judge_in_its_process_is_wrong_all_the_same(
    tmp_path: Path, written: Callable[[str, str], str]
) -> None:
    record = record_of(written("tampers", TAMPERS), tmp_path, "conv2d")
    assert record.verdict == "fails"
    assert record.counts["oracles_disagree"] == 0
    assert len(record.judged) > 900
    assert [(each.check, each.symptom) for each in record.failures] == [("forward", "wrong value")]


@pytest.mark.parametrize(
    ("way", "how"),
    [
        ("exits", "the process ended with exit code 0"),
        ("kills itself", "the process ended with signal 9 (SIGKILL)"),
        ("kills its parent", "the process ended with signal 9 (SIGKILL)"),
        ("closes everything", "the process ended with exit code 1"),
        ("reads from nowhere", "the process ended with signal 11 (SIGSEGV)"),
        ("leaves a child behind", "the process ended with exit code 3"),
    ],
)
def test_however_a_call_ends_its_process_it_is_the_outcome_of_that_call(
    written: Callable[[str, str], str], way: str, how: str
) -> None:
    name = written(f"ends_{way.replace(' ', '_')}", f"WAY = {way!r}\n{ENDS}")
    subject = load_subject(name)
    x = np.arange(25.0).reshape(1, 1, 5, 5)
    usual = {"stride": (1, 1), "padding": (0, 0)}
    for _ in range(2):
        started = time.monotonic()
        with pytest.raises(HostDiedError) as caught:
            subject.im2col(x, (2, 2), **usual, dilation=(1, 3))
        assert caught.value.verdict == "crashed"
        assert str(caught.value).startswith(how)
        assert time.monotonic() - started < 4
        assert subject.im2col(x, (2, 2), **usual, dilation=(1, 1)).shape == (4, 16)
    subject.host.stop()


def test_a_noisy_subject_is_a_subject_like_any_other(
    written: Callable[[str, str], str], capfd: pytest.CaptureFixture[str]
) -> None:
    """It prints, warns, and writes to its standard error with every call."""
    source = """
import os, sys, warnings
import impl
print("loading")

def im2col(*arguments, **options):
    print("x" * 100_000)
    os.write(2, b"warning\\n" * 10_000)
    warnings.warn("again")
    return impl.im2col(*arguments, **options)
"""
    subject = load_subject(written("noisy", source))
    failure = primary_failure(judge(parse_spec("im2col:h4w4k2"), subject))
    assert failure is None
    assert capfd.readouterr().err == ""


def test_a_subject_finds_nothing_of_the_judge_in_its_process(written: Callable[[str, str], str]) -> None:
    source = """
import sys
import impl

ALIEN = [name for name in sys.modules if name.partition(".")[0] in {"convgate", "oracles", "torch", "hypothesis"}]
assert not ALIEN, ALIEN
im2col = impl.im2col

def supports(problem):
    return not [name for name in sys.modules if name.partition(".")[0] in {"convgate", "oracles", "torch"}]
"""
    assert load_subject(written("lonely", source)).supports(parse_spec("im2col").problem)


def test_the_host_of_python_subjects_speaks_older_versions_of_python() -> None:
    """It is run by whatever Python has the subject."""
    tree = ast.parse(Path(python_host.__file__).read_text(), feature_version=(3, 8))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert imported - sys.stdlib_module_names == {"numpy"}


CRASHES_AND_ERRS = """
import os
import impl

def im2col(x, kernel_size, **options):
    if options["dilation"][1] == 3:
        os.abort()
    columns = impl.im2col(x, kernel_size, **options)
    return columns + 1 if options["stride"][0] > 2 else columns

col2im = impl.col2im
"""


def test_what_crashes_under_some_conditions_is_judged_everywhere_else(
    tmp_path: Path, written: Callable[[str, str], str]
) -> None:
    """The crash is reported once, and the other bug too; only cases that would crash are left out."""
    record = record_of(written("crashes_and_errs", CRASHES_AND_ERRS), tmp_path, "im2col")
    told = [
        (each.check, each.symptom, tuple(each.when.conditions)) for each in record.failures if each.when is not None
    ]
    assert told == [("forward", "crashed", ("dilation_w = 3",)), ("forward", "wrong value", ("stride_h > 2",))]
    match = re.search(r"im2col: (\d+) of (\d+) cases were skipped, as it crashes or hangs on such cases", record.reason)
    assert match is not None
    skipped, planned = map(int, match.groups())
    assert skipped + record.cases == planned
    assert 0 < skipped < planned / 10
    assert 3 <= record.counts["crashed"] < 12
    assert not any(parse_spec(each.spec).problem.dilation[1] == 3 for each in record.judged if each.verdict == "passed")


def test_what_a_subject_supports_is_asked_once_a_problem(written: Callable[[str, str], str]) -> None:
    source = """
import impl

ASKED = []
im2col = impl.im2col

def supports(problem):
    ASKED.append(problem)
    return len(set(ASKED)) == len(ASKED)
"""
    subject = load_subject(written("asked_once", source))
    problems = [parse_spec(spec).problem for spec in ("im2col", "im2col:w2", "im2col", "im2col:w2")]
    assert [supports(subject, problem) for problem in problems] == [True] * 4
