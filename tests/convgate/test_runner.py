"""A run as a stream of events, in this process's own hands."""

import multiprocessing
import os
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convgate.cases.case import Case, broken_rule
from convgate.cases.spec import SpecError, format_spec, parse_spec
from convgate.diagnosis.store import load_failure
from convgate.judging.subjects.loader import SubjectError
from convgate.problems.operators import OPERATORS
from convgate.results.events import Event, FailureSaved, Minimizing, RunFinished, RunStarted, ShardJudged
from convgate.results.record import RunRecord
from convgate.run.limits import Limits
from convgate.run.plan import Plan
from convgate.run.runner import gate
from convgate.run.shards import MOST_SHARD_WORK, as_they_are, cases_of, shards_of
from convgate.sources.covering import covering_cases
from convgate.sources.networks import network_cases
from convgate.sources.profiles import PROFILES, SHARD, Extent
from convgate.sources.table import SOURCES, cases_of_every_run

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


def planned_sources(operator: str) -> list[list[Case]]:
    """The cases of the quick profile that are not random, by source."""
    listed = ([case for case, _ in source.cases(operator, PROFILES["smoke"])] for source in SOURCES.values())
    return [*listed, covering_cases(operator, 2, 0)]


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """A run of a subject that is right."""
    return list(gate(plan(tmp_path_factory.mktemp("passing"))))


def test_a_run_tells_of_its_start_its_shards_and_its_end(passing: list[Event]) -> None:
    events = passing
    sources = planned_sources("col2im")
    planned = PROFILES["smoke"].shards(OPERATORS["col2im"].weight) * SHARD + sum(map(len, sources))
    assert events[0] == RunStarted("impl", ("col2im",), planned)
    judged = [event for event in events[1:-1] if isinstance(event, ShardJudged)]
    shards = PROFILES["smoke"].shards(OPERATORS["col2im"].weight) + sum(-(-len(cases) // SHARD) for cases in sources)
    assert len(judged) == len(events) - 2 == shards
    assert sum(event.planned for event in judged) == planned
    assert sum(event.cases for event in judged) == record_of(events).cases
    assert not any(event.failing for event in judged)


def test_the_layer_of_each_case_of_a_network_stands_in_the_record(passing: list[Event]) -> None:
    judged = record_of(passing).judged
    of_layers = [each for each in judged if each.layer]
    expected = [(format_spec(each.case), each.layer) for each in network_cases("col2im", Extent.EACH)]
    assert [(each.spec, each.layer) for each in of_layers] == expected
    # they come before what is random
    assert judged.index(of_layers[-1]) < len(judged) - PROFILES["smoke"].shards(OPERATORS["col2im"].weight) * SHARD


def test_the_plainest_case_comes_first_and_then_what_must_be_rejected(passing: list[Event]) -> None:
    judged = record_of(passing).judged
    first = [format_spec(case) for case in cases_of_every_run("col2im")]
    assert [each.spec for each in judged[: len(first)]] == first
    assert first[0] == "col2im"


@settings(deadline=None, database=None, max_examples=30)
@given(st.lists(st.sampled_from(["conv2d", "conv2d:c64h14w14o64k3p1", "conv2d:s0", "conv2d:c64h14w14o64"])))
def test_shards_are_cut_by_number_and_by_work_and_leave_no_case_out(specs: list[str]) -> None:
    cases = [(parse_spec(f"{spec}:{number}"), f"layer {number}") for number, spec in enumerate(specs, 1)]
    shards = list(shards_of("conv2d", cases))
    assert [spec for shard in shards for spec in shard.specs] == [format_spec(case) for case, _ in cases]
    assert [layer for shard in shards for layer in shard.layers] == [layer for _, layer in cases]
    for shard in shards:
        each = [parse_spec(spec) for spec in shard.specs]
        work = [case.operator.work(case.problem) if broken_rule(case) is None else 0 for case in each]
        assert shard.work == sum(work)
        assert len(each) <= SHARD
        assert len(each) == 1 or shard.work <= MOST_SHARD_WORK


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_a_subject_of_one_dtype_is_judged_on_all_layers_in_it(dtype: str) -> None:
    networks = [(each.case, each.layer) for each in network_cases("conv2d", Extent.EACH)]
    shards = list(shards_of("conv2d", networks))
    cases = [(shard, case) for shard in shards for case in cases_of(shard, SimpleNamespace(dtypes=(dtype,)))]
    assert {case.dtype for _, case in cases} == {dtype}
    assert [shard.layer_of[format_spec(case)] for shard, case in cases] == [layer for _, layer in networks]
    # what somebody gave is not replaced by something else
    (given,) = as_they_are(shards_of("conv2d", [(parse_spec("conv2d:f32"), ""), (parse_spec("conv2d:1"), "")]))
    assert len(cases_of(given, SimpleNamespace(dtypes=(dtype,)))) == 1


def test_cases_without_a_layer_make_shards_without_layers() -> None:
    (shard,) = shards_of("conv2d", [(parse_spec("conv2d"), ""), (parse_spec("conv2d:w3"), "")])
    assert shard.layers == ()
    assert shard.layer_of == {}


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """A run of that subject, for the tests that look at no files but its own."""
    folder = tmp_path_factory.mktemp("failing")
    with pytest.MonkeyPatch.context() as monkeypatch:
        return list(gate(plan(folder, written(folder, monkeypatch))))


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
    planned = PROFILES["smoke"].shards(OPERATORS["col2im"].weight) * SHARD + sum(map(len, planned_sources("col2im")))
    assert 0 < record.cases < planned


def test_only_operators_that_the_subject_has_are_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = list(gate(plan(tmp_path, written(tmp_path, monkeypatch), ("im2col", "max_pool2d"))))
    assert isinstance(events[0], RunStarted)
    assert events[0].operators == ("im2col",)
    record = record_of(events)
    assert record.operators == ["im2col"]
    assert (record.verdict, record.reason) == ("insufficient", "the subject has no max_pool2d")


def test_a_subject_that_cannot_be_loaded_ends_the_run_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(SubjectError, match="no_such_subject"):
        next(gate(plan(tmp_path, "no_such_subject")))


def test_a_corpus_that_cannot_be_read_ends_the_run_before_it_starts(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "corpus.txt").write_text("nonsense\n")
    with pytest.raises(SpecError, match=r"corpus\.txt, line 1"):
        next(gate(plan(tmp_path)))


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / "reports" / "failures" / ".incomplete" / "col2im.123"
    left.mkdir(parents=True)
    (left / "failure.json").write_text("{")
    os.utime(left, (0, 0))
    next(gate(plan(tmp_path)))
    assert not left.exists()


STALLING = """
import time
from pathlib import Path

import impl

STALLS = Path(__file__).with_name("stalls")


def im2col(x, kernel_size, **options):
    if options["dilation"] == (7, 7) and not STALLS.read_text():
        STALLS.write_text("!")
        time.sleep(60)
    return impl.im2col(x, kernel_size, **options)
"""


def test_nobody_is_blamed_for_a_machine_that_stands_still_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "stalling_subject.py").write_text(STALLING)
    (tmp_path / "stalls").touch()
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "corpus.txt").write_text("im2col:d7\n")
    hasty = replace(plan(tmp_path, "stalling_subject", ("im2col",)), limits=Limits(case_seconds=1.0))
    record = record_of(list(gate(hasty)))
    assert (tmp_path / "stalls").read_text() == "!"
    assert (record.verdict, record.failures) == ("conforms", [])
    assert [each.verdict for each in record.judged if each.spec == "im2col:d7"] == ["passed"]


def test_a_run_that_takes_longer_than_it_may_is_stopped_and_does_not_conform(tmp_path: Path) -> None:
    record = record_of(list(gate(replace(plan(tmp_path), limits=Limits(max_seconds=1e-3)))))
    assert record.verdict == "insufficient"
    assert record.reason.startswith(f"stopped after 0.001 s, with {record.cases} of ")
    assert record.cases > 0


def test_a_failure_found_before_a_run_is_stopped_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(plan(tmp_path, written(tmp_path, monkeypatch)), limits=Limits(max_seconds=1e-3))
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "corpus.txt").write_text("col2im:n2w2s2x1\n")
    record = record_of(list(gate(wrong)))
    assert record.verdict == "fails"
    assert record.reason.startswith("1 of 1 cases fail; stopped after ")


def test_a_run_may_be_given_up_at_any_event(tmp_path: Path) -> None:
    events = gate(plan(tmp_path))
    assert isinstance(next(events), RunStarted)
    assert isinstance(events, Generator)
    events.close()
    assert not multiprocessing.active_children()
