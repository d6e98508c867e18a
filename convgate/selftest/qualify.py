"""Qualifying the gate: judge the catalogue of faults, and record which checks find each fault.

Faults are judged together on the cases of the gate, so that the oracles run once for many faults. Each is judged up to
the first case that shows it and on several hundred more, to see which checks find it and what effects it has. The
results are those of the gate (a test compares them), except for effects that first show after these cases.

Judged faults can be saved in a file (`convgate.selftest.checkpoint`), from which an interrupted run continues.

The regression corpus is not used. It belongs to a reports folder and not to the gate, and repeats cases of known bugs,
which say nothing about new ones.
"""

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import accumulate, compress
from pathlib import Path

import numpy as np

from convgate.cases.case import POINTS, Case, broken_rule
from convgate.cases.fills import fills_of
from convgate.cases.spec import parse_spec
from convgate.diagnosis.minimize import complexity
from convgate.diagnosis.neighbours import around
from convgate.diagnosis.when import probe
from convgate.judging.checks import CHECKS, OUTPUTS
from convgate.judging.subjects.loader import LOCAL, load_subject
from convgate.problems.operators import OPERATORS
from convgate.results.events import Progressed
from convgate.results.failure import Failure
from convgate.results.record import JudgedCase
from convgate.results.verdicts import FAILING, Result
from convgate.run.distinct_failures import distinct_failures, groups_of
from convgate.run.judge_shards import judge_shards
from convgate.run.merge import versions_here
from convgate.run.plan import Plan, list_shards
from convgate.run.shards import Shard
from convgate.run.tally import Tally
from convgate.run.tasks import prepare
from convgate.run.workers import Dead, Workers, open_workers
from convgate.selftest.baseline import found_by_the_usual_test
from convgate.selftest.batch import Asked, Finding, Part, answered, in_groups, submit
from convgate.selftest.checkpoint import add_line, key_of, read_lines
from convgate.selftest.faults import Fault, diff_of, subject_name, subject_of
from convgate.selftest.qualification import Explained, JudgedFault, Kill, Qualification
from convgate.selftest.triggers import meets_trigger
from convgate.shapes.features import vector_of
from convgate.shapes.space import Bools
from convgate.sources.fuzz import draw_cases

__all__ = ["CASES_MORE", "qualify", "says_the_same"]

# In the judge's own process, because it shares the oracles' work with the faults.
CORRECT = f"{LOCAL}convgate.selftest.faults:correct"
USUAL_SECONDS = 30.0
COMPARING_SECONDS = 120.0
# Number of cases judged after the shard in which a fault is found, to see which other checks find it. It is large
# enough to include cases of every source.
CASES_MORE = 400
# How the trigger of a fault that accepts invalid arguments begins.
BREAKS = "the problem breaks the rule: "
# Number of cases on which two triggers are compared: random ones, and ones around those that meet one of them.
SAMPLED, AROUND = 200, 3000
# If triggers differ on more cases than this, they are different.
MOST_DIFFERING = 500
# Enough seeds that each array has each kind of non-finite value while other arrays have none.
SPECIAL_SEEDS = 32


@dataclass
class Suspect:
    """A fault while it is judged; `last` is the last shard on which to judge it, once that is known."""

    fault: Fault
    asked: Asked
    kills: dict[str, Kill] = field(default_factory=dict)
    without_torch: set[str] = field(default_factory=set)
    failing: list[tuple[str, Result]] = field(default_factory=list)
    judged: list[JudgedCase] = field(default_factory=list)
    dead: bool = False
    last: int | None = None

    def wanted(self, shard: int) -> bool:
        """Whether to judge the fault on a shard."""
        return not self.dead and (self.last is None or shard <= self.last)

    def take(self, finding: Finding, before: int, seconds: float) -> None:
        """Record a case on which the fault fails."""
        self.failing.append((finding.spec, finding.primary))
        for check in finding.checks:
            kill = Kill(case=before + finding.number + 1, spec=finding.spec, seconds=round(seconds, 3))
            self.kills.setdefault(check, kill)
        self.without_torch |= set(finding.without_torch)


def functions_of(fault: Fault) -> frozenset[str]:
    """The protocol functions that a fault changes; those of its operator if the fault is in shared code."""
    both = frozenset({fault.operator, f"{fault.operator}_backward"})
    return fault.functions & both if fault.functions <= both else both


def qualify(
    faults: Sequence[Fault],
    *,
    profile: str,
    seed: int,
    jobs: int,
    quick: bool = False,
    names: Sequence[str] = (),
    resume: Path | None = None,
) -> Generator[Progressed | Qualification, None, None]:
    """Judge faults.

    Parameters
    ----------
    faults : sequence of Fault
        Faults of the catalogue.
    profile : str
        A key of `convgate.sources.profiles.PROFILES`.
    seed : int
        Seed of the cases.
    jobs : int
        Number of worker processes.
    quick : bool
        Whether to stop at the first failing case of each fault, without minimising and explaining.
    names : sequence of str
        Patterns of the requested faults; empty for all.
    resume : Path or None
        A file to which judged faults are appended. Faults that it has are not judged again, unless something has
        changed that the judgement depends on.

    Yields
    ------
    Progressed or Qualification
        Progress, and finally the results.

    Raises
    ------
    CorrectFailsError
        If the correct base fails.
    CheckpointError
        If the file is invalid.
    """
    started, started_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    keys = {fault.name: key_of(fault, profile=profile, seed=seed, quick=quick) for fault in faults}
    judged = {} if resume is None else read_lines(resume, keys)
    left = [fault for fault in faults if fault.name not in judged]
    yield Progressed("faults", len(judged), len(faults))
    for event in judge_faults(left, profile=profile, seed=seed, jobs=jobs, quick=quick):
        if isinstance(event, Progressed):
            yield event
            continue
        judged[event.name] = event
        if resume is not None:
            add_line(resume, keys[event.name], event)
        yield Progressed("faults", len(judged), len(faults))
    yield Qualification(
        profile=profile,
        seed=seed,
        names=tuple(names),
        faults=tuple(judged[fault.name] for fault in faults),
        started_at=started_at,
        seconds=round(time.monotonic() - started, 1),
        jobs=jobs,
        explained=not quick,
        versions=versions_here(),
        resumed=len(faults) - len(left),
    )


def judge_faults(
    faults: Sequence[Fault], *, profile: str, seed: int, jobs: int, quick: bool
) -> Iterator[Progressed | JudgedFault]:
    """Judge faults, and conclude each one as soon as it is judged, while others are still running."""
    suspects = [Suspect(fault, Asked(LOCAL + subject_name(fault), functions_of(fault), quick)) for fault in faults]
    shards: dict[str, list[Shard]] = {}
    with open_workers(jobs, prepare, CORRECT) as workers, threads_that_end(jobs + 1) as threads:
        concluding: set[Future[JudgedFault]] = set()
        for operator in OPERATORS:
            own = [suspect for suspect in suspects if suspect.fault.operator == operator]
            if not own:
                continue
            plan = Plan(subject=CORRECT, operators=(operator,), profile=profile, seed=seed, jobs=jobs)
            shards[operator] = list_shards(workers, plan, (operator,))
            for event in judge_operator(workers, own, shards[operator]):
                if isinstance(event, Suspect):
                    diff = diff_of(event.fault)  # here, because Python's parser is not thread-safe
                    concluding.add(threads.submit(conclusion, workers, event, shards[operator], diff))
                else:
                    yield event
                done = {future for future in concluding if future.done()}
                concluding -= done
                yield from (future.result() for future in done)
        for future in as_completed(concluding):
            yield future.result()


@contextmanager
def threads_that_end(count: int) -> Iterator[ThreadPoolExecutor]:
    """A thread pool that cancels pending work if an exception leaves the block."""
    threads = ThreadPoolExecutor(count)
    try:
        yield threads
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)
        raise
    threads.shutdown()


def judge_operator(
    workers: Workers, suspects: Sequence[Suspect], shards: Sequence[Shard]
) -> Iterator[Progressed | Suspect]:
    """Judge the faults of one operator on its cases, and yield each one after its last shard."""
    pending = deque(enumerate(shards))
    running = deque[tuple[int, list[Suspect], Future[Part]]]()
    given: set[str] = set()
    before, seconds, now = 0, 0.0, 0
    part: Part | None = None
    while pending or running:
        while pending and len(running) < workers.limits.ahead * workers.jobs:
            number, shard = pending.popleft()
            for group in in_groups([suspect for suspect in suspects if suspect.wanted(number)]):
                running.append((number, group, submit(workers, CORRECT, [each.asked for each in group], shard)))
        if not running:
            break
        number, group, future = running.popleft()
        if number > now and part is not None:
            now, before, seconds = number, before + len(part.seconds), seconds + sum(part.seconds)
        # the others are done already; this shard was submitted ahead of time
        living = [suspect for suspect in group if suspect.asked.subject not in given]
        part = answered(workers, future, CORRECT, [each.asked for each in living], shards[number])
        for suspect in living:
            suspect.dead = suspect.asked.subject in part.dead
            findings = part.findings.get(suspect.asked.subject, ())
            if suspect.last is None and any(tells(suspect, finding) for finding in findings):
                suspect.last = number if suspect.asked.quick else last_after(shards, number)
            for finding in findings:
                suspect.take(finding, before, seconds + sum(part.seconds[: finding.number + 1]))
            if number + 1 == len(shards) or not suspect.wanted(number + 1):
                given.add(suspect.asked.subject)
                yield suspect
        yield Progressed(f"judging {suspects[0].fault.operator}", number + 1, len(shards))
    yield Progressed(f"judging {suspects[0].fault.operator}", len(shards), len(shards))


def tells(suspect: Suspect, finding: Finding) -> bool:
    """Whether a finding shows the fault, rather than an invalid problem that the fault happens to accept too.

    Invalid problems come first.
    """
    return suspect.asked.quick or of_arguments(suspect.fault) or finding.primary.check != "invalid_arguments"


def of_arguments(fault: Fault) -> bool:
    """Whether the bug of a fault is that it accepts invalid arguments."""
    return any(text.startswith(BREAKS) for text in fault.when)


def last_after(shards: Sequence[Shard], found: int) -> int:
    """The last shard to judge after one that shows a fault: `CASES_MORE` cases follow, or all remaining ones."""
    follow = accumulate(shard.count + len(shard.specs) for shard in shards[found + 1 :])
    return min(found + sum(count < CASES_MORE for count in follow) + 1, len(shards) - 1)


def conclusion(workers: Workers, suspect: Suspect, shards: Sequence[Shard], diff: str) -> JudgedFault:
    """The result for a fault, with minimised and explained failures unless the run is quick."""
    fault = suspect.fault
    usual = workers.call(usual_test, fault, seconds=USUAL_SECONDS)
    if suspect.dead:
        # it must not take the judge with it
        suspect.asked = replace(suspect.asked, subject=suspect.asked.subject.removeprefix(LOCAL))
        judge_dying(workers, suspect, shards)
    told = tuple(told_by_the_gate(workers, suspect))
    exact = None if suspect.asked.quick else workers.call(says_the_same, fault, told, seconds=COMPARING_SECONDS)
    smallest = complexity(parse_spec(fault.spec))[0]
    small = any(complexity(parse_spec(each.minimal))[0] <= smallest for each in told)
    return JudgedFault(
        name=fault.name,
        bug_class=fault.bug_class,
        operator=fault.operator,
        stage=fault.stage,
        depth=fault.depth,
        diff=diff,
        smallest=fault.spec,
        after=fault.after,
        trigger=fault.when,
        kills=suspect.kills,
        without_torch=tuple(check for check in CHECKS if check in suspect.without_torch),
        usual=isinstance(usual, Dead) or usual,
        failures=told,
        exact=False if isinstance(exact, Dead) else exact,
        small=None if suspect.asked.quick else small,
    )


def told_by_the_gate(workers: Workers, suspect: Suspect) -> Iterator[Explained]:
    """The failures that the gate reports for the failing cases of a fault."""
    if not suspect.asked.quick:
        groups = groups_of(Tally(failing=suspect.failing))
        for failure, _ in distinct_failures(workers, suspect.asked.subject, groups, suspect.judged):
            yield as_explained(failure)


def as_explained(failure: Failure) -> Explained:
    """The facts of a failure that qualification keeps."""
    return Explained(
        check=failure.check,
        symptom=failure.symptom,
        minimal=failure.minimal,
        conditions=failure.when.conditions if failure.when else None,
        having=failure.when.having if failure.when else 0,
        failing=failure.when.failing if failure.when else 0,
    )


def usual_test(fault: Fault) -> bool:
    """Whether the usual test finds a fault."""
    return found_by_the_usual_test(fault.operator, load_subject(LOCAL + subject_name(fault)))


def judge_dying(workers: Workers, suspect: Suspect, shards: Sequence[Shard]) -> None:
    """Judge a fault that crashes or blocks its process in the same way as the gate.

    For each failing case only the check that represents it is known.
    """
    tally = Tally()
    for _, part in judge_shards(workers, suspect.asked.subject, shards):
        tally.merge(part.tally)
        deaths = len(tally.failing)
        if deaths and (suspect.asked.quick or part.left is not None or len(tally.judged) >= CASES_MORE):
            break
    suspect.failing, suspect.judged, suspect.kills = tally.failing, tally.judged, {}
    failing, seconds = iter(tally.failing), 0.0
    for number, case in enumerate(tally.judged, 1):
        seconds += case.seconds
        if case.verdict in FAILING:
            spec, result = next(failing)
            suspect.kills.setdefault(result.check, Kill(case=number, spec=spec, seconds=round(seconds, 3)))
    # PyTorch can prevent a check from failing, but cannot make one fail
    suspect.without_torch = set(suspect.kills)


def says_the_same(fault: Fault, told: Sequence[Explained]) -> bool:
    """Whether the conditions of the failures reported for a fault match its trigger exactly.

    The conditions of at least one failure must hold whenever the true trigger holds, and none otherwise. Triggers
    describe valid problems, so failures on invalid ones are ignored, unless the trigger is a broken rule.

    Conditions are compared by the cases that meet them and not by their words, because different words can be
    equivalent. The cases are random ones, ones around the smallest cases, and thousands around those that meet a
    condition. If conditions and trigger differ on a case, the fault itself is run, because a trigger in the catalogue
    may omit that the fault cannot show there.
    """
    if not of_arguments(fault):
        told = [each for each in told if broken_rule(parse_spec(each.minimal)) is None]
    words = [fault.when, *(each.conditions for each in told if each.conditions is not None)]
    if not told or len(words) <= len(told):
        return False
    if all(set(conditions) == set(fault.when) for conditions in words):
        return True
    specs = [fault.spec, *(each.minimal for each in told)]
    asked = (meeting(conditions, [spec, *specs]) for conditions, spec in zip(words, specs, strict=True))
    firsts = [first for first in asked if first is not None]
    if len(firsts) < len(words):
        return False
    stream = np.random.PCG64(0)
    drawn = draw_cases(firsts[0].problem.operator, 0, 0, SAMPLED, load_subject(CORRECT))
    of_empty = parse_spec(fault.spec).problem.batch == 0
    cases = with_features([*firsts, *around(firsts, stream), *drawn], of_empty=of_empty)
    met = who_meets(words, firsts, cases)
    inside = compress(cases, met.max(axis=0))
    further = with_features(around([*firsts, *inside], stream, AROUND), of_empty=of_empty)
    met = np.hstack([met, who_meets(words, firsts, further)])
    said: Bools = np.logical_or.reduce(met[1:])
    differing = np.flatnonzero(np.not_equal(met[0], said)).tolist()
    if fault.dies or fault.after or len(differing) > MOST_DIFFERING:
        return not differing
    everything = [*cases, *further]
    return all(shows(fault, told, everything[number]) in {None, bool(said[number])} for number in differing)


def with_features(cases: Iterable[Case], *, of_empty: bool) -> list[Case]:
    """The cases with a class for every feature; those with an empty batch only if `of_empty`."""
    return [case for case in cases if vector_of(case) is not None and (case.problem.batch > 0 or of_empty)]


def shows(fault: Fault, told: Sequence[Explained], case: Case) -> bool | None:
    """Whether a fault shows on a case by one of its reported failures; None if nothing can show there."""
    subject = subject_of(fault)
    found = []
    for each in told:
        output = OUTPUTS.get(each.check, OUTPUTS[fault.stage])
        seen = probe(case, subject, Result(each.check, "failed", each.symptom, output=output))
        found.append(None if seen is None else seen.fails)
    return None if all(each is None for each in found) else any(found)


def who_meets(words: Sequence[Sequence[str]], firsts: Sequence[Case], cases: Sequence[Case]) -> Bools:
    """Which cases meet which conjunction; `firsts` has for each one a case that meets it."""
    return np.array([meets_trigger(each, [first, *cases]) for each, first in zip(words, firsts, strict=True)])[:, 1:]


def meeting(conditions: Sequence[str], specs: Sequence[str]) -> Case | None:
    """A case that meets the conditions, with the problem of one of the specs; None if there is none.

    Invalid problems have no features, so there is none for them.
    """
    cases = (case for spec in specs for case in with_named_data(parse_spec(spec)) if vector_of(case) is not None)
    return next((case for case in cases if meets_trigger(conditions, [case]) is not None), None)


def with_named_data(case: Case) -> Iterator[Case]:
    """The case, and the same problem with all named fills; special values with several seeds.

    The seed determines which arrays have which non-finite values.
    """
    if case.fill != POINTS:
        yield case
    yield from (replace(case, fill=fill, points=()) for fill in fills_of(case.problem.operator))
    yield from (replace(case, fill="special", points=(), seed=seed) for seed in range(SPECIAL_SEEDS))
