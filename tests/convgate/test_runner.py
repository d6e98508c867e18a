"""A run as a stream of events, in this process's own hands."""

import multiprocessing
import os
from collections.abc import Generator
from pathlib import Path

import pytest

from convgate.events import Event, FailureSaved, Minimizing, RunFinished, RunStarted, ShardJudged
from convgate.failures import load_failure
from convgate.profiles import PROFILES, SHARD
from convgate.record import RunRecord
from convgate.runner import Plan, cases_of_every_run, run_gate
from convgate.sources.covering import covering_cases
from convgate.spec import SpecError, parse_spec
from convgate.subjects.loader import SubjectError

SUBJECT = """
import impl

im2col = impl.im2col

def col2im(columns, input_shape, kernel_size, **options):
    grad = impl.col2im(columns, input_shape, kernel_size, **options)
    return grad + (options["stride"][0] > 1)

def supports(problem):
    return problem.batch == 2 and problem.dilation == (1, 1)
"""


NAME = "skips_rows"


def written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a subject that is wrong where rows are skipped, written to a folder on the path."""
    (folder / f"{NAME}.py").write_text(SUBJECT)
    monkeypatch.syspath_prepend(folder)
    return NAME


def plan(tmp_path: Path, subject: str = "impl", operators: tuple[str, ...] = ("col2im",)) -> Plan:
    return Plan(subject=subject, operators=operators, profile="smoke", reports=tmp_path / "reports")


def record_of(events: list[Event]) -> RunRecord:
    last = events[-1]
    assert isinstance(last, RunFinished)
    return last.record


def test_a_run_tells_of_its_start_its_shards_and_its_end(tmp_path: Path) -> None:
    events = list(run_gate(plan(tmp_path)))
    always = [cases_of_every_run("col2im"), covering_cases("col2im", 2, 0)]
    planned = PROFILES["smoke"].shards["col2im"] * SHARD + sum(map(len, always))
    assert events[0] == RunStarted("impl", ("col2im",), planned)
    judged = [event for event in events[1:-1] if isinstance(event, ShardJudged)]
    shards = PROFILES["smoke"].shards["col2im"] + sum(-(-len(cases) // SHARD) for cases in always)
    assert len(judged) == len(events) - 2 == shards
    assert sum(event.planned for event in judged) == planned
    assert sum(event.cases for event in judged) == record_of(events).cases
    assert not any(event.failing for event in judged)


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """A run of that subject, for the tests that look at no files but its own."""
    folder = tmp_path_factory.mktemp("failing")
    with pytest.MonkeyPatch.context() as monkeypatch:
        return list(run_gate(plan(folder, written(folder, monkeypatch))))


def test_a_failing_run_tells_of_each_saved_failure_before_its_end(failing: list[Event]) -> None:
    events = failing
    kinds = [type(event) for event in events]
    assert kinds[kinds.index(Minimizing) :] == [Minimizing, FailureSaved, RunFinished]
    (saved,) = [event for event in events if isinstance(event, FailureSaved)]
    (summary,) = record_of(events).failures
    assert load_failure(saved.folder) == saved.failure
    assert Path(summary.folder) == saved.folder
    assert saved.failure.subject == NAME
    assert parse_spec(saved.failure.minimal).problem.stride[0] == 2
    assert record_of(events).verdict == "fails"


def test_a_failing_case_lies_within_what_the_subject_supports(failing: list[Event]) -> None:
    """The case as it was found: the random cases keep to it, whatever the minimiser does next."""
    record = record_of(failing)
    problem = parse_spec(record.failures[0].found).problem
    assert (problem.batch, problem.dilation) == (2, (1, 1))
    always = len(cases_of_every_run("col2im") + covering_cases("col2im", 2, 0))
    assert 0 < record.cases < PROFILES["smoke"].shards["col2im"] * SHARD + always


def test_only_operators_that_the_subject_has_are_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = list(run_gate(plan(tmp_path, written(tmp_path, monkeypatch), ("im2col", "max_pool2d"))))
    assert isinstance(events[0], RunStarted)
    assert events[0].operators == ("im2col",)
    record = record_of(events)
    assert record.operators == ["im2col"]
    assert (record.verdict, record.reason) == ("insufficient", "the subject has no max_pool2d")


def test_a_subject_that_cannot_be_loaded_ends_the_run_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match="no_such_subject"):
        next(run_gate(plan(tmp_path, "no_such_subject")))


def test_a_corpus_that_cannot_be_read_ends_the_run_before_it_starts(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "corpus.txt").write_text("nonsense\n")
    with pytest.raises(SpecError, match=r"corpus\.txt, line 1"):
        next(run_gate(plan(tmp_path)))


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / "reports" / "failures" / ".incomplete" / "col2im.123"
    left.mkdir(parents=True)
    (left / "failure.json").write_text("{")
    os.utime(left, (0, 0))
    next(run_gate(plan(tmp_path)))
    assert not left.exists()


STALLING = """
import time
from pathlib import Path

import impl

STALLS = Path(__file__).with_name("stalls")


def im2col(x, kernel_size, **options):
    if options["dilation"] == (7, 7) and len(STALLS.read_text()) < 2:
        STALLS.write_text(STALLS.read_text() + "!")
        time.sleep(60)
    return impl.im2col(x, kernel_size, **options)
"""


def test_nobody_is_blamed_for_a_machine_that_stands_still_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once while a shard is judged, and once more while the case alone is."""
    monkeypatch.setattr("convgate.runner.SHARD_SECONDS", 3.0)
    monkeypatch.setattr("convgate.runner.CASE_SECONDS", 3.0)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "stalling_subject.py").write_text(STALLING)
    (tmp_path / "stalls").touch()
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "corpus.txt").write_text("im2col:d7\n")
    record = record_of(list(run_gate(plan(tmp_path, "stalling_subject", ("im2col",)))))
    assert (tmp_path / "stalls").read_text() == "!!"
    assert (record.verdict, record.failures) == ("conforms", [])
    assert [each.verdict for each in record.judged if each.spec == "im2col:d7"] == ["passed"]


def test_a_run_may_be_given_up_at_any_event(tmp_path: Path) -> None:
    events = run_gate(plan(tmp_path))
    assert isinstance(next(events), RunStarted)
    assert isinstance(events, Generator)
    events.close()
    assert not multiprocessing.active_children()
