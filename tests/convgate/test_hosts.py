"""Subjects in a process of their own: the messages, the examples, and calls that do not come back."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

import impl
from convgate.cases.case import Case
from convgate.cases.spec import parse_spec
from convgate.judging.checks import judge, judge_trial
from convgate.judging.subjects.host import Host, HostDiedError
from convgate.judging.subjects.loader import SubjectError, load_subject
from convgate.judging.subjects.python_host import message, pack, unpack
from convgate.judging.subjects.remote import Foreseen, RemoteSubject, command_of
from convgate.judging.subjects.wire import ClosedError, DeadlineError, ProtocolError, Reader, write_message
from convgate.judging.trial import Trial
from convgate.results.events import RunFinished
from convgate.results.record import RunRecord
from convgate.results.verdicts import primary_failure
from convgate.run.plan import Plan
from convgate.run.runner import gate
from convgate.sources.fuzz import draw_cases

EXAMPLES = Path(__file__).parents[2] / "examples"
# Our own implementation behind the protocol, as somebody else would write it, with a few faults.
HOST = """
import json, os, struct, sys, time
import numpy as np
import impl

SOURCE, TARGET = os.fdopen(int(os.environ["CONVGATE_IN"]), "rb"), os.fdopen(int(os.environ["CONVGATE_OUT"]), "wb")

def send(header, *arrays):
    kinds = [{"dtype": each.dtype.str, "shape": each.shape} for each in arrays]
    text, body = json.dumps({**header, "arrays": kinds}).encode(), b"".join(each.tobytes() for each in arrays)
    TARGET.write(struct.pack("<4sIQ", b"CVG2", len(text), len(body)) + text + body)
    TARGET.flush()

send({"protocol": 2, "functions": ["im2col", "col2im"], "dtypes": ["f64"], "supports": True})
while True:
    frame = SOURCE.read(16)
    if not frame:
        break
    _, length, count = struct.unpack("<4sIQ", frame)
    request, body = json.loads(SOURCE.read(length)), SOURCE.read(count)
    if "supports" in request:
        send({"supports": request["supports"]["batch"] < 3})
        continue
    (call,), (kind,) = request["calls"], request["arrays"]
    x = np.frombuffer(body, kind["dtype"]).reshape(kind["shape"]).copy()
    arguments = [x if "array" in each else tuple(each["value"]) for each in call["arguments"]]
    options = {name: tuple(value) for name, value in call["options"].items()}
    if options["dilation"] == (1, 3) and MODE == "crashes":
        print("cannot dilate by 3", file=sys.stderr, flush=True)
        os.abort()
    while options["dilation"] == (1, 3) and MODE == "hangs":
        time.sleep(1)
    try:
        y = getattr(impl, call["call"])(*arguments, **options)
    except (ValueError, TypeError) as error:
        send({"replies": [{"error": type(error).__name__, "message": str(error)}]})
        continue
    if MODE == "writes" and x.size:
        x[...] = 0
        send({"replies": [{"outputs": [0], "changed": {"0": 1}}]}, y, x)
    else:
        send({"replies": [{"outputs": [0]}]}, y)
"""


def command(folder: Path, mode: str = "") -> list[str]:
    path = folder / "host.py"
    path.write_text(f"MODE = {mode!r}\n{HOST}")
    return [sys.executable, str(path)]


def subject(folder: Path, mode: str = "", seconds: float = 5.0) -> RemoteSubject:
    return RemoteSubject(Host(command(folder, mode), seconds))


plain_arrays = arrays_of.arrays(
    st.sampled_from(["<f4", ">f8", "<i8", "?", "<c16"]), arrays_of.array_shapes(min_dims=0, min_side=0, max_side=4)
)


@st.composite
def laid_out(draw: st.DrawFn) -> np.ndarray:
    """An array in some layout: axes in any order, forwards or backwards, with gaps, from the middle of a buffer."""
    array = draw(plain_arrays)
    array = array.transpose(draw(st.permutations(range(array.ndim))))
    return array[tuple(slice(draw(st.integers(0, 1)), None, draw(st.sampled_from([1, 2, -1]))) for _ in array.shape)]


def sent(array: np.ndarray, *, layout: bool) -> np.ndarray:
    """The array after it has travelled."""
    entry, block = pack(array, layout=layout)
    header, body = through_a_pipe({"arrays": [entry]}, [block])
    ((found, start, end),) = unpack(header["arrays"], body)
    assert (start, end) == (0, len(block))
    return found


def through_a_pipe(header: dict[str, Any], blocks: list[bytes]) -> tuple[dict[str, Any], bytearray]:
    source, target = os.pipe()
    os.set_blocking(target, False)
    try:
        write_message(target, header, blocks, time.monotonic() + 5)
        return Reader(source).read(time.monotonic() + 5)
    finally:
        os.close(source)
        os.close(target)


@settings(database=None, deadline=None)
@given(laid_out())
def test_an_array_arrives_with_its_values_and_its_layout(array: np.ndarray) -> None:
    for layout in (True, False):
        found = sent(array, layout=layout)
        assert (found.shape, found.dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(found, array)
        if layout and array.size:
            assert found.strides == array.strides
        else:
            assert found.flags.c_contiguous


@settings(database=None, deadline=None)
@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()), st.lists(st.binary(), max_size=3))
def test_a_message_is_read_as_it_was_written(words: dict[str, object], blocks: list[bytes]) -> None:
    header, body = through_a_pipe({**words, "arrays": []}, blocks)
    assert header == {**words, "arrays": []}
    assert body == b"".join(blocks)


def test_two_messages_that_arrive_at_once_are_two() -> None:
    source, target = os.pipe()
    os.write(target, message({"n": 1, "arrays": []}, [b"ab"]) + message({"n": 2, "arrays": []}))
    os.close(target)
    reader = Reader(source)
    assert [reader.read(time.monotonic() + 5)[0]["n"] for _ in range(2)] == [1, 2]
    os.close(source)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", ClosedError),
        (b"CVG2", ClosedError),
        (b"hello, I am no host at all", ProtocolError),
        (b"CVG2\x02\0\0\0\0\0\0\0\0\0\0\0{}", ProtocolError),
        (b"CVG2\x02\0\0\0\0\0\0\0\0\0\0\0{]", ProtocolError),
        (b"CVG2\x02\0\0\0\0\0\0\0\0\0\0\0[]", ProtocolError),
    ],
)
def test_what_is_no_message_is_refused(data: bytes, error: type[Exception]) -> None:
    source, target = os.pipe()
    os.write(target, data)
    os.close(target)
    with pytest.raises(error):
        Reader(source).read(time.monotonic() + 5)
    os.close(source)


@pytest.mark.parametrize(
    ("entries", "body"),
    [
        ([{"dtype": "<f8", "shape": [2]}], b"x" * 8),
        ([{"dtype": "<f8", "shape": [1]}], b"x" * 9),
        ([{"dtype": "|O", "shape": [1]}], b"x" * 8),
        ([{"dtype": "<f8", "shape": [-1]}], b""),
        ([{"dtype": "<f8", "shape": [2], "strides": [8], "offset": 8, "bytes": 16}], b"x" * 16),
        ([{"dtype": "<f8", "shape": [2], "strides": [-8], "offset": 0, "bytes": 16}], b"x" * 16),
        ([{"dtype": "<f8", "shape": [2], "strides": [8], "offset": 0, "bytes": 24}], b"x" * 16),
        ([{"dtype": "<f8"}], b"x" * 8),
    ],
)
def test_arrays_that_the_body_does_not_hold_are_refused(entries: list[dict[str, Any]], body: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        list(unpack(entries, bytearray(body)))


def test_a_message_that_does_not_come_is_not_waited_for() -> None:
    source, target = os.pipe()
    with pytest.raises(DeadlineError):
        Reader(source).read(time.monotonic() + 0.05)
    os.close(source)
    os.close(target)


def test_a_message_that_nobody_takes_is_not_waited_for() -> None:
    source, target = os.pipe()
    os.set_blocking(target, False)
    with pytest.raises(DeadlineError):
        write_message(target, {"arrays": []}, [bytes(2**20)], time.monotonic() + 0.05)
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
    assert caught.value.verdict == symptom.replace(" ", "_")
    failure = primary_failure(judge(parse_spec("im2col:h9w9k2d1x3"), there))
    assert failure is not None
    assert (failure.check, failure.symptom) == ("forward", symptom)
    assert failure.verdict == caught.value.verdict
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
        ("lib:no-such-library.so", "OSError: .*no-such-library.so"),
        ("exec:'", "No closing quotation"),
    ],
)
def test_what_cannot_be_started_is_said_with_what_to_give(name: str, message: str) -> None:
    with pytest.raises(SubjectError, match=f"could not be started .*{message}.*; give exec:COMMAND of a program"):
        load_subject(name)


def test_a_library_is_called_by_a_host_of_ours() -> None:
    assert command_of("lib:a b.so") == [sys.executable, "-m", "convgate.judging.subjects.library_host", "a b.so"]
    assert command_of("exec:node 'my subject.js' --fast") == ["node", "my subject.js", "--fast"]


COUNTS = """
import os
import impl

CALLS = []

def max_pool2d(x, kernel_size, **options):
    CALLS.append("forward")
    if MODE == "writes":
        x += 1
    return impl.max_pool2d(x, kernel_size, **options)

def max_pool2d_backward(grad_output, x, kernel_size, **options):
    CALLS.append("backward")
    if MODE == "crashes":
        os.abort()
    while MODE == "hangs":
        pass
    return impl.max_pool2d_backward(grad_output, x, kernel_size, **options)
"""


def counted(folder: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> tuple[RemoteSubject, list[int]]:
    """A subject of Python in its host, and how many calls each message to it has had."""
    monkeypatch.syspath_prepend(folder)
    (folder / f"counts_{mode}.py").write_text(f"MODE = {mode!r}\n{COUNTS}")
    found, sizes = load_subject(f"counts_{mode}"), []
    asked = found.host.ask

    def ask(request: dict[str, Any], *others: Any) -> Any:
        sizes.append(len(request["calls"]))
        return asked(request, *others)

    monkeypatch.setattr(found.host, "ask", ask)
    return found, sizes


def test_forward_and_backward_of_a_case_are_called_in_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, sizes = counted(tmp_path, "well", monkeypatch)
    results = judge_trial(Trial(parse_spec("max_pool2d:h5w5k2"), there, sampled=True), ["forward", "grad_input"])
    assert [each.verdict for each in results] == ["passed", "passed"]
    assert sizes == [2]


def test_a_crash_in_such_a_message_is_the_outcome_of_the_call_that_crashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, sizes = counted(tmp_path, "crashes", monkeypatch)
    results = judge_trial(Trial(parse_spec("max_pool2d:h5w5k2"), there, sampled=True), ["forward", "grad_input"])
    assert [(each.check, each.verdict) for each in results] == [("forward", "passed"), ("grad_input", "crashed")]
    assert sizes == [2, 1, 1]


def test_a_call_that_changes_its_input_says_nothing_of_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, _ = counted(tmp_path, "writes", monkeypatch)
    results = judge_trial(Trial(parse_spec("max_pool2d:h5w5k2"), there, sampled=True), ["grad_input", "purity"])
    assert [(each.check, each.verdict) for each in results] == [("grad_input", "passed"), ("purity", "failed")]


def test_after_a_call_that_changes_its_input_the_same_array_is_another_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was called ahead of time on the same array was called on what it held then."""
    there, sizes = counted(tmp_path, "writes", monkeypatch)
    x = np.zeros((1, 1, 2, 2))
    options = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}
    there.make_ahead([Foreseen("max_pool2d", (x, (2, 2)), options)] * 2)
    found = [there.max_pool2d(x, (2, 2), **options).item() for _ in range(2)]  # type: ignore[attr-defined]
    assert (found, x.max(), sizes) == ([1, 2], 2, [2, 1])


def test_a_subject_may_be_run_by_another_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which has its own path: what is found by that of the judge is not found there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.py").write_text("import impl_elsewhere\nim2col = impl_elsewhere.im2col\n")
    (tmp_path / "impl_elsewhere.py").write_text("def im2col(*arguments, **options):\n    raise NotImplementedError\n")
    found = load_subject(f"python:{sys.executable} here")
    failures = judge(parse_spec("im2col:h4w4k2"), found, ["forward"])
    assert [(each.verdict, each.refused) for each in failures] == [("unsupported", True)]
    with pytest.raises(SubjectError, match="it must be python:PATH MODULE"):
        load_subject(f"python:{sys.executable}")
    with pytest.raises(SubjectError, match="No module named 'numpyless'"):
        load_subject(f"python:{sys.executable} numpyless")


def test_what_hangs_is_not_asked_for_several_calls_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, sizes = counted(tmp_path, "hangs", monkeypatch)
    there.host.seconds = 0.3
    trial = Trial(parse_spec("max_pool2d:h5w5k2"), there, sampled=True)
    assert [each.verdict for each in judge_trial(trial, ["forward", "grad_input"])] == ["passed", "timed_out"]
    assert sizes == [2, 1, 1]
    judge_trial(Trial(parse_spec("max_pool2d:h5w5k2"), there, sampled=True), ["forward"])
    assert sizes == [2, 1, 1, 1]
