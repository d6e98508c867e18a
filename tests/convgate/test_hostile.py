"""Subjects are foreign code: whatever they do is a finding, and none of it ends the gate or blames the innocent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest
from click.testing import CliRunner

import impl
from convgate.cases.spec import parse_spec
from convgate.cli import main
from convgate.diagnosis.explain import picture
from convgate.diagnosis.reduce import minimize_group
from convgate.diagnosis.repro import repro_source
from convgate.diagnosis.store import make_failure, save_failure
from convgate.judging.checks import judge
from convgate.results.verdicts import primary_failure

CASE = parse_spec("col2im:w3k1x2")


def gate(folder: Path, subject: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "convgate.cli", "gate", "--profile", "smoke", "--jobs", "1", "--subject", subject]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


class Unspeakable(Exception):  # noqa: N818 - it is no error of ours
    """Has no message."""

    def __str__(self) -> NoReturn:
        raise RuntimeError("not even its message")


def exits(*_: Any, **__: Any) -> NoReturn:
    sys.exit(0)


def interrupts(*_: Any, **__: Any) -> NoReturn:
    raise KeyboardInterrupt


def is_unspeakable(*_: Any, **__: Any) -> NoReturn:
    raise Unspeakable


def has_no_text(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError('"""\udc80\0\n\\')


def returns_words(*_: Any, **__: Any) -> Any:
    return np.full((1, 1, 1, 3), "a")


def returns_nothings(*_: Any, **__: Any) -> Any:
    return np.full((1, 1, 1, 3), None)


def returns_ragged_lists(*_: Any, **__: Any) -> Any:
    return [[1], [1, 2]]


def returns_huge_integers(*_: Any, **__: Any) -> Any:
    return np.full((1, 1, 1, 3), 10**400, object)


class NoNumber:
    """Neither a number nor text."""

    def __float__(self) -> float:
        raise RuntimeError

    def __repr__(self) -> str:
        raise RuntimeError


def returns_the_unspeakable(*_: Any, **__: Any) -> Any:
    return np.full((1, 1, 1, 3), NoNumber(), object)


HOSTILE = [
    returns_huge_integers,
    returns_the_unspeakable,
    exits,
    interrupts,
    is_unspeakable,
    has_no_text,
    returns_words,
    returns_nothings,
    returns_ragged_lists,
]


@pytest.mark.parametrize("function", HOSTILE)
def test_whatever_a_subject_does_is_a_failure_that_can_be_saved_and_repeated(function: Any, tmp_path: Path) -> None:
    subject = SimpleNamespace(col2im=function)
    primary = primary_failure(judge(CASE, subject))
    assert primary is not None
    failure = make_failure(
        "mine", "col2im:w3k1x2", CASE, primary, cases=1, when=None, picture=picture(CASE, subject, primary)
    )
    script = repro_source("mine", CASE, primary, failure.message, failure.minimal, 5)
    folder = save_failure(tmp_path, failure, script)
    (tmp_path / "mine.py").write_text("from impl import *\n")
    ended = subprocess.run([sys.executable, folder / "repro.py"], cwd=tmp_path, check=False, env=with_path())
    assert ended.returncode == 0


def with_path() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(impl.__file__).parents[1])}


def test_a_script_fails_while_its_subject_ends_the_program(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import sys\ndef col2im(*args, **options): sys.exit(0)\n")
    primary = primary_failure(judge(CASE, SimpleNamespace(col2im=exits)))
    assert primary is not None
    (tmp_path / "repro.py").write_text(repro_source("mine", CASE, primary, "", "", 5))
    ended = subprocess.run([sys.executable, "repro.py"], cwd=tmp_path, check=False, capture_output=True)
    assert ended.returncode == 1


def test_a_subject_that_ends_the_program_fails_the_gate(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import sys\ndef col2im(*args, **options): sys.exit(0)\n")
    ended = gate(tmp_path, "mine")
    assert ended.returncode == 1
    assert "raised SystemExit" in ended.stdout


@pytest.mark.parametrize("line", ["import sys; sys.exit(0)", "import os; os._exit(3)", "raise KeyboardInterrupt"])
def test_a_subject_that_ends_the_program_when_imported_cannot_be_loaded(tmp_path: Path, line: str) -> None:
    (tmp_path / "mine.py").write_text(line + "\n")
    ended = gate(tmp_path, "mine")
    assert ended.returncode == 2
    assert "could not be loaded" in ended.stderr


def test_a_backward_pass_may_return_a_list() -> None:
    def conv2d_backward(*args: Any, **options: Any) -> list[Any]:
        return list(impl.conv2d_backward(*args, **options))

    subject = SimpleNamespace(conv2d=impl.conv2d, conv2d_backward=conv2d_backward)
    assert primary_failure(judge(parse_spec("conv2d:n2h3w3k2+bias"), subject)) is None


def test_a_function_that_is_none_is_unsupported_in_every_check() -> None:
    subject = SimpleNamespace(conv2d=impl.conv2d, conv2d_backward=None)
    verdicts = {result.check: result.verdict for result in judge(parse_spec("conv2d:n2h3w3k2"), subject)}
    assert "failed" not in verdicts.values()
    assert verdicts["grad_input"] == verdicts["finite_difference"] == verdicts["adjoint"] == "unsupported"


def test_an_empty_batch_verifies_nothing() -> None:
    verdicts = {result.verdict for result in judge(parse_spec("conv2d:n0h3w3k2"), impl)}
    assert verdicts == {"vacuous"}


def test_checks_may_be_named_by_a_generator_in_any_order() -> None:
    results = judge(CASE, impl, (check for check in ["purity", "forward"]))
    assert [result.check for result in results] == ["forward", "purity"]


def test_failures_are_minimised_though_the_subject_is_hostile_on_the_way(tmp_path: Path) -> None:
    """A subject that is wrong on wide images and ends the program on narrow ones."""
    (tmp_path / "wide_or_out.py").write_text(
        "import sys, impl\n"
        "def im2col(x, kernel_size, **options):\n"
        "    if x.shape[3] < 4: sys.exit(0)\n"
        "    return impl.im2col(x, kernel_size, **options) + 1\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        spec = "im2col:h5w7k2"
        primary = primary_failure(judge(parse_spec(spec), __import__("wide_or_out")))
        assert primary is not None
        (found,) = minimize_group("wide_or_out", [(spec, primary)]).found
    finally:
        sys.path.remove(str(tmp_path))
    assert found.minimal.startswith("im2col:w4")


def needs_one_image(x: Any, weight: Any, bias: Any = None, **options: Any) -> Any:
    if len(x) != 1:
        raise ValueError("one image at a time")
    return impl.conv2d(x, weight, bias, **options)


def test_a_subject_is_never_called_on_what_it_does_not_support() -> None:
    """Jacobians and batches would put more images into one call."""
    one = SimpleNamespace(
        conv2d=needs_one_image,
        conv2d_backward=lambda g, x, *rest, **options: (
            needs_one_image(x, *rest, **options) is not None and impl.conv2d_backward(g, x, *rest, **options)
        ),
        supports=lambda problem: problem.batch == 1,
    )
    for spec in ("conv2d:h3w3k2+bias", "conv2d:c2h2w2o2k1g2", "conv2d:w3p1k2"):
        assert primary_failure(judge(parse_spec(spec), one)) is None, spec


def test_the_minimal_case_is_one_that_the_subject_supports(tmp_path: Path) -> None:
    (tmp_path / "three.py").write_text(
        "import impl\n"
        "def im2col(x, kernel_size, *, stride, padding, dilation):\n"
        "    y = impl.im2col(x, kernel_size, stride=stride, padding=padding, dilation=dilation)\n"
        "    return y + 1 if stride[1] == 2 or tuple(kernel_size) != (3, 3) else y\n"
        "def supports(problem):\n"
        "    return problem.kernel_size == (3, 3)\n"
    )
    ended = gate(tmp_path, "three")
    assert ended.returncode == 1
    assert "im2col forward, wrong value" in ended.stdout
    folders = list((tmp_path / "reports" / "failures").iterdir())
    assert folders
    for folder in folders:
        assert '"minimal": "im2col:h3w3k3s1x2' in (folder / "failure.json").read_text()


def test_supports_that_raises_is_said_and_is_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from impl import *\ndef supports(problem): return problem.kernal == (1, 1)\n")
    ended = gate(tmp_path, "mine")
    assert ended.returncode == 2
    assert "'Problem' object has no attribute 'kernal'" in ended.stderr


def test_supports_may_raise_on_invalid_problems(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from impl import im2col\ndef supports(problem): return problem.size[0] % problem.stride[0] == 0\n"
    )
    assert gate(tmp_path, "mine").returncode == 0


@pytest.mark.parametrize("function", [lambda y: y.astype(np.float32).astype(y.dtype), lambda y: y + 0.1])
def test_what_is_only_copied_must_be_exact(function: Any) -> None:
    subject = SimpleNamespace(im2col=lambda *arrays, **options: function(impl.im2col(*arrays, **options)))
    assert primary_failure(judge(parse_spec("im2col:h3w3k2:real"), subject)) is not None


def test_on_the_lattice_too_a_copy_that_merely_rounds_to_the_right_integer_is_wrong() -> None:
    subject = SimpleNamespace(im2col=lambda *arrays, **options: impl.im2col(*arrays, **options) + 0.1)
    assert primary_failure(judge(parse_spec("im2col:h3w3k2"), subject)) is not None


def test_a_pool_that_takes_any_padding_fails() -> None:
    def max_pool2d(x: Any, kernel_size: Any, **options: Any) -> Any:
        return impl.max_pool2d(x, kernel_size, **{**options, "padding": (0, 0)})

    for spec in ("max_pool2d:h4w4k2p2", "avg_pool2d:h4w4k2+divisor0"):
        subject = SimpleNamespace(max_pool2d=max_pool2d, avg_pool2d=lambda x, *_, **__: x)
        primary = primary_failure(judge(parse_spec(spec), subject))
        assert primary is not None
        assert primary.symptom == "accepted invalid"


def test_an_interrupted_gate_gives_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import impl, time\n"
        "def col2im(*args, **options):\n"
        "    time.sleep(1)\n"
        "    return impl.col2im(*args, **options)\n"
    )
    command = [sys.executable, "-m", "convgate.cli", "gate", "--jobs", "1", "--subject", "slow"]
    run = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # shells start what runs in the background so that it ignores interrupts, tests too
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - it takes no lock
    )
    time.sleep(6)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "interrupted" in err


def test_whatever_is_returned_the_gate_comes_to_a_verdict(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\ndef col2im(columns, input_shape, *args, **options):\n"
        "    return np.full(input_shape, 10**400, object)\n"
    )
    ended = gate(tmp_path, "mine")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "col2im forward" in ended.stdout


def test_a_bug_of_convgate_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("convgate.cli.judge_subject", broken)
    ended = CliRunner().invoke(main, ["gate"])
    assert ended.exit_code == 2
    assert "internal error in convgate, no verdict: ZeroDivisionError" in ended.output


def test_a_second_bug_beside_the_first_is_a_failure_of_its_own(tmp_path: Path) -> None:
    """One raises on empty batches, the other is wrong where columns are skipped: each with its own conditions."""
    (tmp_path / "two.py").write_text(
        "import impl\n"
        "def im2col(x, kernel_size, **options):\n"
        "    if len(x) == 0:\n"
        "        raise IndexError('no images')\n"
        "    y = impl.im2col(x, kernel_size, **options)\n"
        "    return y + 1 if options['stride'][1] > 1 else y\n"
    )
    ended = gate(tmp_path, "two")
    assert ended.returncode == 1
    assert "fails when batch = 0 (" in ended.stdout
    assert "fails when stride_w > 1 (" in ended.stdout
    assert ended.stdout.count("convgate replay") == 2


def test_a_bug_with_several_symptoms_is_one_failure(tmp_path: Path) -> None:
    """Another shape here, other values there, and no room for the windows elsewhere."""
    (tmp_path / "swaps.py").write_text(
        "import impl\n"
        "def im2col(x, kernel_size, *, stride, **options):\n"
        "    return impl.im2col(x, kernel_size, stride=stride[::-1], **options)\n"
    )
    ended = gate(tmp_path, "swaps")
    assert ended.stdout.count("convgate replay") == 1
    assert "fails when stride_h != stride_w" in ended.stdout


def test_what_raises_and_what_is_wrong_under_the_same_conditions_is_one_failure(tmp_path: Path) -> None:
    """It is the data that decide which of the two it is."""
    (tmp_path / "either.py").write_text(
        "import impl\n"
        "def im2col(x, kernel_size, *, stride, **options):\n"
        "    y = impl.im2col(x, kernel_size, stride=stride, **options)\n"
        "    if stride[1] > 1 and x.sum() > 0:\n"
        "        raise IndexError\n"
        "    return y + 1 if stride[1] > 1 else y\n"
    )
    ended = gate(tmp_path, "either")
    assert ended.stdout.count("convgate replay") == 1
    assert "fails when stride_w > 1" in ended.stdout
