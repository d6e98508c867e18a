"""Subjects in a process of their own: the messages, the examples, and calls that do not come back."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

import impl
from convgate.cases.case import Case
from convgate.cases.spec import parse_spec
from convgate.judging.checks import judge
from convgate.judging.subjects.host import Host, HostDiedError, RemoteSubject, command_of
from convgate.judging.subjects.loader import SubjectError, load_subject
from convgate.judging.subjects.wire import (
    ClosedError,
    DeadlineError,
    ProtocolError,
    read_message,
    write_message,
)
from convgate.results.events import RunFinished
from convgate.results.record import RunRecord
from convgate.results.verdicts import primary_failure
from convgate.run.plan import Plan
from convgate.run.runner import gate
from convgate.sources.fuzz import draw_cases

EXAMPLES = Path(__file__).parents[2] / "examples"
# Our own implementation behind the protocol, with a few faults.
HOST = """
import os, sys, time
import numpy as np
import impl
from convgate.judging.subjects.wire import ClosedError, read_message, write_message

source, target = int(os.environ["CONVGATE_IN"]), int(os.environ["CONVGATE_OUT"])
write_message(target, {"protocol": 1, "functions": ["im2col", "col2im"], "dtypes": ["f64"], "supports": True})
while True:
    try:
        request, arrays = read_message(source)
    except ClosedError:
        break
    if "supports" in request:
        write_message(target, {"supports": request["supports"]["batch"] < 3})
        continue
    given = iter(arrays)
    arguments = [next(given) if "array" in each else each["value"] for each in request["arguments"]]
    arguments = [tuple(each) if isinstance(each, list) else each for each in arguments]
    options = {name: tuple(value) for name, value in request["options"].items()}
    if options["dilation"] == (1, 3) and MODE == "crashes":
        print("cannot dilate by 3", file=sys.stderr, flush=True)
        os.abort()
    while options["dilation"] == (1, 3) and MODE == "hangs":
        time.sleep(1)
    try:
        y = getattr(impl, request["call"])(*arguments, **options)
    except (ValueError, TypeError) as error:
        write_message(target, {"error": type(error).__name__, "message": str(error)})
        continue
    if MODE == "writes" and arrays[0].size:
        arrays[0][...] = 0
        write_message(target, {"outputs": [0], "changed": {"0": 1}}, [y, arrays[0]])
    else:
        write_message(target, {"outputs": [0]}, [y])
"""


def command(folder: Path, mode: str = "") -> list[str]:
    path = folder / "host.py"
    path.write_text(f"MODE = {mode!r}\n{HOST}")
    return [sys.executable, str(path)]


def subject(folder: Path, mode: str = "", seconds: float = 5.0) -> RemoteSubject:
    return RemoteSubject(Host(command(folder, mode), seconds))


plain_arrays = arrays_of.arrays(
    st.sampled_from(["<f4", ">f8", "<i8", "?"]), arrays_of.array_shapes(min_dims=0, min_side=0, max_side=4)
)


@settings(database=None, deadline=None)
@given(st.lists(plain_arrays, max_size=3), st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_a_message_is_read_as_it_was_written(sent: list[np.ndarray], words: dict[str, object]) -> None:
    words.pop("arrays", None)
    source, target = os.pipe()
    try:
        write_message(target, words, sent)
        header, found = read_message(source, time.monotonic() + 5)
    finally:
        os.close(source)
        os.close(target)
    assert {name: value for name, value in header.items() if name != "arrays"} == words
    assert len(found) == len(sent)
    for mine, theirs in zip(sent, found, strict=True):
        assert (mine.shape, mine.dtype.newbyteorder("=")) == (theirs.shape, theirs.dtype)
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", ClosedError),
        (b"CVG1", ClosedError),
        (b"hello, I am no host at all", ProtocolError),
        (b"CVG1\x02\0\0\0\0\0\0\0\0\0\0\0{}", ProtocolError),
        (b"CVG1\x0d\0\0\0\x01\0\0\0\0\0\0\0" + b'{"arrays":[]}' + b"x", ProtocolError),
        (b"CVG1\x0e\0\0\0\0\0\0\0\0\0\0\0" + b'{"arrays":[1]}', ProtocolError),
    ],
)
def test_what_is_no_message_is_refused(data: bytes, error: type[Exception]) -> None:
    source, target = os.pipe()
    os.write(target, data)
    os.close(target)
    with pytest.raises(error):
        read_message(source, time.monotonic() + 5)
    os.close(source)


def test_a_message_that_does_not_come_is_not_waited_for() -> None:
    source, target = os.pipe()
    with pytest.raises(DeadlineError):
        read_message(source, time.monotonic() + 0.05)
    os.close(source)
    os.close(target)


@pytest.mark.parametrize("operator", ["im2col", "col2im"])
def test_it_gets_the_same_judgement_as_in_this_process(tmp_path: Path, operator: str) -> None:
    there = subject(tmp_path)
    assert there.dtypes == ("f64",)
    assert there.supports(Case(problem=parse_spec(operator).problem).problem)
    assert not there.supports(parse_spec(f"{operator}:n3").problem)
    for case in draw_cases(operator, 0, 0, 20, impl):
        here = [(each.check, each.verdict) for each in judge(case, impl, ["forward", "invalid_arguments"])]
        assert [(each.check, each.verdict) for each in judge(case, there, ["forward", "invalid_arguments"])] == here


@pytest.mark.parametrize(
    ("mode", "symptom", "message"),
    [
        ("crashes", "crashed", r"the process ended with signal 6 \(SIGABRT\); it wrote: .*cannot dilate by 3"),
        ("hangs", "timed out", "no answer after 0.5 s"),
    ],
)
def test_a_call_that_does_not_come_back_is_the_outcome_of_that_call(
    tmp_path: Path, mode: str, symptom: str, message: str
) -> None:
    there = subject(tmp_path, mode, 0.5)
    with pytest.raises(HostDiedError, match=message) as caught:
        there.im2col(np.ones((1, 1, 9, 9)), (2, 2), stride=(1, 1), padding=(0, 0), dilation=(1, 3))  # type: ignore[attr-defined]
    assert caught.value.symptom == symptom
    failure = primary_failure(judge(parse_spec("im2col:h9w9k2d1x3"), there))
    assert failure is not None
    assert (failure.check, failure.symptom) == ("forward", symptom)
    # and the next one is answered
    assert primary_failure(judge(parse_spec("im2col:h9w9k2"), there)) is None


def test_an_input_that_it_changes_is_changed_here_too(tmp_path: Path) -> None:
    failure = primary_failure(judge(parse_spec("im2col:h3w3k2"), subject(tmp_path, "writes"), ["purity"]))
    assert failure is not None
    assert failure.symptom == "mutated input"


def record_of(name: str, folder: Path, *operators: str) -> RunRecord:
    plan = Plan(subject=name, operators=operators, profile="smoke", jobs=2, reports=folder / "reports")
    *_, end = gate(plan)
    assert isinstance(end, RunFinished)
    return end.record


def test_a_crash_is_made_small_described_and_repeated_like_any_other_failure(tmp_path: Path) -> None:
    name = f"exec:{' '.join(command(tmp_path, 'crashes'))}"
    record = record_of(name, tmp_path, "im2col")
    # what is invalid must not crash it either
    assert {failure.check for failure in record.failures} <= {"forward", "invalid_arguments"}
    failure = record.failures[0]
    assert (failure.check, failure.symptom, failure.minimal) == ("forward", "crashed", "im2col:d1x3")
    assert failure.when is not None
    assert set(failure.when.conditions) == {"dilation_h = 1", "dilation_w = 3"}
    assert "signal 6 (SIGABRT)" in failure.message
    script = tmp_path / "reports" / "failures" / failure.folder_name / "repro.py"
    assert subprocess.run([sys.executable, str(script)], check=False, capture_output=True).returncode == 1
    command(tmp_path)
    assert subprocess.run([sys.executable, str(script)], check=False, capture_output=True).returncode == 0


def built(folder: Path) -> str:
    """The library of the example in C."""
    library = folder / "columns.so"
    options = ["-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC"]
    subprocess.run(["cc", *options, "-o", str(library), str(EXAMPLES / "c" / "columns.c")], check=True)  # noqa: S607
    return f"lib:{library}"


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_the_example_in_c_conforms(tmp_path: Path) -> None:
    record = record_of(built(tmp_path), tmp_path)
    assert (record.operators, record.verdict) == (["im2col", "col2im"], "conforms")


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js")
def test_the_example_in_javascript_conforms(tmp_path: Path) -> None:
    record = record_of(f"exec:node {EXAMPLES / 'exec' / 'columns.js'}", tmp_path)
    assert (record.operators, record.verdict) == (["im2col"], "conforms")


def test_the_example_in_plain_python_conforms_and_is_short(tmp_path: Path) -> None:
    path = EXAMPLES / "exec" / "reference.py"
    record = record_of(f"exec:{sys.executable} -S {path}", tmp_path)
    assert (record.operators, record.verdict) == (["max_pool2d"], "conforms")
    assert len([line for line in path.read_text().splitlines() if line.strip()]) <= 70


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("exec:no-such-program", "No such file or directory"),
        (f"exec:{sys.executable} -c 'print(1)'", "the process ended with exit code 0"),
        ("lib:no-such-library.so", "exit code 1; it wrote: .*no-such-library.so"),
        ("exec:'", "No closing quotation"),
    ],
)
def test_what_cannot_be_started_is_said_with_what_to_give(name: str, message: str) -> None:
    with pytest.raises(SubjectError, match=f"could not be started .*{message}.*; give exec:COMMAND of a program"):
        load_subject(name)


def test_a_library_is_called_by_a_host_of_ours() -> None:
    assert command_of("lib:a b.so") == [sys.executable, "-m", "convgate.judging.subjects.library_host", "a b.so"]
    assert command_of("exec:node 'my subject.js' --fast") == ["node", "my subject.js", "--fast"]
