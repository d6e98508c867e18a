"""The catalogue of faults: each is a real one, is found, and is found as the gate finds it."""

import os
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from convgate.cases.spec import parse_spec
from convgate.judging.checks import judge
from convgate.problems.operators import OPERATORS
from convgate.results.events import Progressed, RunFinished
from convgate.results.verdicts import primary_failure
from convgate.run.plan import Plan
from convgate.run.runner import gate
from convgate.run.shards import Shard
from convgate.run.tasks import prepare
from convgate.run.workers import open_workers
from convgate.selftest import faults as planted
from convgate.selftest.batch import Asked
from convgate.selftest.faults import CATALOGUE, STAGES, Edit, Fault, FaultError, diff_of, subject_name, subject_of
from convgate.selftest.qualification import Explained, Qualification
from convgate.selftest.qualify import Suspect, judge_dying, qualify, says_the_same

CLASSES = range(1, 39)
# The others would kill or block the process that judges them here.
JUDGED = [name for name, fault in CATALOGUE.items() if not fault.dies]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run convgate."""
    command = [sys.executable, "-m", "convgate.cli", *arguments]
    environment = {**os.environ, "COLUMNS": "150", "CI": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_there_are_150_faults_of_all_classes_at_least_4_of_each() -> None:
    assert len(CATALOGUE) >= 150
    counts = Counter(fault.bug_class for fault in CATALOGUE.values())
    assert set(counts) == set(CLASSES)
    assert min(counts.values()) >= 4, counts


def test_conjunctions_are_3_4_and_5_deep() -> None:
    depths = Counter(fault.depth for fault in CATALOGUE.values() if fault.bug_class == 28)
    assert set(depths) == {3, 4, 5}
    assert min(depths.values()) >= 3, depths


def test_every_operator_and_every_stage_has_faults() -> None:
    assert {fault.operator for fault in CATALOGUE.values()} == set(OPERATORS)
    assert {fault.stage for fault in CATALOGUE.values()} == set(STAGES)


@pytest.mark.parametrize("name", JUDGED)
def test_the_spec_shows_the_fault_and_nothing_but_the_fault(name: str) -> None:
    """A fault that changes nothing is none."""
    fault = CATALOGUE[name]
    assert name.startswith(fault.operator)
    case, subject = parse_spec(fault.spec), subject_of(fault)
    if fault.after:
        assert primary_failure(judge(case, subject_of(fault))) is None
        judge(parse_spec(fault.after), subject)
    assert primary_failure(judge(case, subject)) is not None
    assert primary_failure(judge(case, planted.correct)) is None
    assert diff_of(fault).count("\n") >= 1


def test_no_two_faults_are_the_same() -> None:
    assert len({(fault.operator, fault.edits) for fault in CATALOGUE.values()}) == len(CATALOGUE)


def test_a_fault_that_does_not_fit_the_base_says_so() -> None:
    fault = Fault(
        name="conv2d_x",
        bug_class=1,
        stage="forward",
        depth=1,
        edits=(Edit("conv2d", "no such line", ""),),
        spec="conv2d",
        when=(),
    )
    with pytest.raises(FaultError, match="'no such line' must occur once in conv2d, not 0 times"):
        subject_of(fault)
    with pytest.raises(AttributeError, match="no_such_fault"):
        _ = planted.no_such_fault


# Of several operators, told as one failure or as several, none in what operators share.
COMPARED = (
    "avg_pool2d_ignores_the_override_without_count_include_pad",
    "max_pool2d_swaps_the_dilation",
    "col2im_assigns_overlapping_windows",
)


def test_qualify_finds_what_the_gate_finds(tmp_path: Path) -> None:
    """The same first case, the same checks, and the same failures in the same words."""
    faults = [CATALOGUE[name] for name in COMPARED]
    *_, found = qualify(faults, profile="smoke", seed=0, jobs=2)
    assert isinstance(found, Qualification)
    together = Plan(
        subject=f"convgate.selftest.faults:{'__'.join(COMPARED)}",
        operators=tuple(fault.operator for fault in faults),
        profile="smoke",
        jobs=2,
        reports=tmp_path,
    )
    record = next(event.record for event in gate(together) if isinstance(event, RunFinished))
    assert [judged.name for judged in found.faults] == list(COMPARED)
    for judged in found.faults:
        cases = [each for each in record.judged if each.spec.partition(":")[0] == judged.operator]
        number, first = next((n, each) for n, each in enumerate(cases, 1) if each.verdict == "failed")
        assert (judged.kills[judged.found_by].case, judged.kills[judged.found_by].spec) == (number, first.spec)
        failing = {row.check for row in record.checks if row.operator == judged.operator and row.counts["failed"]}
        assert set(judged.kills) == set(judged.without_torch) == failing
        told = [
            (failure.check, failure.symptom, failure.minimal, failure.when.conditions if failure.when else None)
            for failure in record.failures
            if failure.minimal.partition(":")[0] == judged.operator
        ]
        assert [(each.check, each.symptom, each.minimal, each.conditions) for each in judged.failures] == told


RESUMED = ("im2col_steps_by_three_columns_at_most", "im2col_widens_in_its_buffer", "col2im_assigns_overlapping_windows")


def qualified(resume: Path | None, *, interrupted: bool = False) -> Qualification:
    """The judgement of some faults, of a run that was interrupted after the first of them or of one that was not."""
    faults = [CATALOGUE[name] for name in RESUMED]
    events = qualify(faults, profile="smoke", seed=0, jobs=1, quick=True, resume=resume)
    if interrupted:
        with closing(events):
            next(event for event in events if event == Progressed("faults", 1, len(faults)))
        events = qualify(faults, profile="smoke", seed=0, jobs=1, quick=True, resume=resume)
        assert next(events) == Progressed("faults", 1, len(faults))
    *_, found = events
    assert isinstance(found, Qualification)
    return found


def without_times(found: Qualification) -> Qualification:
    """The same without what depends on how fast it went."""
    faults = (
        replace(each, kills={check: replace(kill, seconds=0.0) for check, kill in each.kills.items()})
        for each in found.faults
    )
    return replace(found, faults=tuple(faults), started_at="", seconds=0.0, resumed=0)


def test_an_interrupted_run_goes_on_where_it_stopped_and_comes_to_the_same(tmp_path: Path) -> None:
    """And once more it judges nothing at all."""
    whole = qualified(None)
    path = tmp_path / "run.jsonl"
    resumed = qualified(path, interrupted=True)
    assert without_times(resumed) == without_times(whole)
    assert (resumed.resumed, whole.resumed) == (1, 0)
    assert path.read_text().count("\n") == len(RESUMED)
    assert qualified(path).faults == resumed.faults


def test_a_fault_that_kills_its_process_is_found_by_the_case_and_the_check_in_which_it_dies() -> None:
    """With the time that it takes, as the gate judges it."""
    fault = CATALOGUE["im2col_aborts_where_its_buffer_has_no_room_for_dilation"]
    suspect = Suspect(fault, Asked(subject_name(fault), fault.functions, quick=True))
    shards = [Shard("im2col", specs=("im2col:w2", fault.spec)), Shard("im2col", specs=("im2col:w3",))]
    with open_workers(1, prepare, subject_name(fault)) as workers:
        judge_dying(workers, suspect, shards)
    kill = suspect.kills["forward"]
    assert (list(suspect.kills), kill.case, kill.spec) == (["forward"], 2, fault.spec)
    assert kill.seconds > 0
    assert [(each.spec, each.verdict) for each in suspect.judged] == [("im2col:w2", "passed"), (fault.spec, "crashed")]


def told(spec: str, *conditions: str, check: str = "grad_input") -> Explained:
    """A failure of the gate that says so."""
    return Explained(check=check, symptom="wrong value", minimal=spec, conditions=conditions)


def test_what_is_said_in_other_words_is_compared_by_what_it_holds_for() -> None:
    fault = CATALOGUE["conv2d_assigns_overlapping_gradients"]
    spec = "conv2d:w3k1x2"
    assert says_the_same(fault, [told(spec, *fault.when)])
    for other in ("stride_w < kernel_w", "kernel_w > 1", "windows_w overlap"):
        assert not says_the_same(fault, [told(spec, other)])
    always = replace(fault, when=("dtype f64", "windows overlap on either axis"))
    assert says_the_same(always, [told(spec, "windows overlap on either axis", "dtype f64")])
    # a kernel that is 2 wide is even and less than 3: said twice, but no other cases
    twice = replace(fault, when=("kernel_w = 2",))
    assert says_the_same(twice, [told(spec, "kernel_w = 2", "kernel_w > 1")])
    assert not says_the_same(fault, [replace(told(spec), conditions=None)])
    assert not says_the_same(fault, [])


def test_what_differs_in_rare_cases_alone_is_not_the_same() -> None:
    """Windows that begin in padding of the same width on both axes."""
    fault = CATALOGUE["max_pool2d_clips_windows_only_if_something_is_padded"]
    for rare in ("padding_h = padding_w", "padding = 0 on either axis"):
        assert not says_the_same(fault, [told(fault.spec, "overhang clipped on either axis", rare, check="forward")])


def test_failures_say_together_when_a_fault_shows_and_each_only_what_is_true() -> None:
    fault = CATALOGUE["conv2d_assigns_overlapping_gradients"]
    exact = told("conv2d:w3k1x2", *fault.when)
    rows, columns = told("conv2d:h3k2x1", "windows_h overlap"), told("conv2d:w3k1x2", "windows_w overlap")
    assert fault.when == ("windows overlap on either axis",)
    assert says_the_same(fault, [rows, columns])
    assert says_the_same(fault, [exact, columns])
    assert not says_the_same(fault, [rows])
    assert not says_the_same(fault, [exact, told("conv2d:w3k1x2", "kernel_w > 1")])
    assert not says_the_same(fault, [exact, replace(columns, conditions=None)])


def test_what_a_fault_accepts_of_invalid_problems_besides_says_nothing_of_valid_ones() -> None:
    fault = CATALOGUE["max_pool2d_swaps_the_dilation"]
    rule = "the problem breaks the rule: kernel_size with dilation does not fit size with padding"
    accepts = told("max_pool2d:w2k1x2d1x2", rule)
    assert says_the_same(fault, [told(fault.spec, *fault.when), accepts])
    assert not says_the_same(fault, [accepts])


def test_a_name_that_no_fault_has_is_told() -> None:
    ran = run("qualify", "conv3d_*")
    assert ran.returncode == 2
    assert "no fault is called conv3d_*" in ran.stderr


def test_the_gate_finds_nearly_every_fault_at_profile_smoke_already(tmp_path: Path) -> None:
    """Of an eighth of them, as all take minutes. Pr finds all of them: docs/kill-matrix.md."""
    names = JUDGED[::8]
    ran = run("qualify", *names, "--quick", "--profile", "smoke", "--json", str(tmp_path / "kills.json"))
    found = msgspec.json.decode((tmp_path / "kills.json").read_bytes(), type=Qualification)
    assert len(found.faults) == len(names), ran.stderr
    assert len(found.survivors) <= 0.05 * len(names), [fault.name for fault in found.survivors]
    assert ran.returncode == bool(found.survivors)
