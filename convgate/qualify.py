"""Does the gate find what it should? The catalogue of faults is judged, and what finds each is written down.

Faults are judged together on the cases that the gate would judge each of them on, so that the oracles speak once for
many. Until a fault has been seen to fail often enough to explain it, all checks are made; then only those that have not
found it yet, for some hundreds of cases more. What it comes to is what the gate comes to (a test compares them).
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from convgate.case import POINTS, Case
from convgate.checks import CHECKS, FAILING, Result
from convgate.conditions import meets
from convgate.distinct import distinct_failures, groups_of
from convgate.events import RunFinished
from convgate.failures import Failure
from convgate.faults import Fault, diff_of, subject_name
from convgate.features import vector_of
from convgate.merge import versions_here
from convgate.minimize import complexity
from convgate.operators import OPERATORS
from convgate.qualification import Explained, JudgedFault, Kill, Qualification
from convgate.record import SavedFailure, Tally
from convgate.runner import AHEAD, Plan, list_shards, run_gate
from convgate.sources.fuzz import draw_cases
from convgate.spec import parse_spec
from convgate.subjects.isolation import Dead, Workers, open_workers
from convgate.subjects.loader import load_subject
from convgate.together import Asked, CorrectFailsError, Finding, Part, judge_together
from convgate.usual import found_by_the_usual_test
from convgate.when import around
from convgate.worker import Shard, prepare

__all__ = ["Progressed", "qualify", "says_the_same"]

CORRECT = "convgate.faults:correct"
# Faults that share the oracles' work: more save little, and take the others with them if one dies.
TOGETHER = 32
SHARED_SECONDS, SECONDS_EACH = 20.0, 1.0
USUAL_SECONDS = 30.0
# Failing cases that are enough to explain a fault.
ENOUGH = 20
# Shards that are judged after the one in which a fault is found, to see which other checks find it.
MORE = 16
# Cases drawn at random, beside those around the smallest one, on which two triggers must say the same.
SAMPLED = 200


@dataclass(frozen=True)
class Progressed:
    """How far a phase has come."""

    phase: str
    done: int
    total: int


@dataclass
class Suspect:
    """A fault while it is judged."""

    fault: Fault
    kills: dict[str, Kill] = field(default_factory=dict)
    without_torch: dict[str, None] = field(default_factory=dict)
    failing: list[tuple[str, Result]] = field(default_factory=list)
    dead: bool = False
    quick: bool = False
    found_in: int | None = None

    @property
    def asked(self) -> Asked:
        """What is still to be found out."""
        checks = CHECKS.keys() - (self.kills.keys() if len(self.failing) >= ENOUGH else ())
        return Asked(subject_name(self.fault), functions_of(self.fault), frozenset(checks), once=self.quick)

    def wanted(self, shard: int) -> bool:
        """Whether it is to be judged on a shard."""
        last = shard if self.found_in is None else self.found_in + (0 if self.quick else MORE)
        return not self.dead and shard <= last

    def take(self, finding: Finding, shard: int, before: int, seconds: float) -> None:
        """Write down a case on which it fails."""
        if not self.wanted(shard):  # it was judged ahead of time
            return
        if self.found_in is None:
            self.found_in = shard
        if len(self.failing) < ENOUGH:
            self.failing.append((finding.spec, finding.primary))
        for check in finding.checks:
            kill = Kill(case=before + finding.number + 1, spec=finding.spec, seconds=round(seconds, 3))
            self.kills.setdefault(check, kill)
        self.without_torch |= dict.fromkeys(finding.without_torch)


def functions_of(fault: Fault) -> frozenset[str]:
    """The functions of the protocol that a fault changes: all of its operator's, if it lies in what they share."""
    both = frozenset({fault.operator, f"{fault.operator}_backward"})
    return fault.functions & both if fault.functions <= both else both


def qualify(
    faults: Sequence[Fault], *, profile: str, seed: int, jobs: int, quick: bool = False
) -> Iterator[Progressed | Qualification]:
    """Judge faults.

    Parameters
    ----------
    faults : sequence of Fault
        Of the catalogue.
    profile : str
        A key of `convgate.profiles.PROFILES`.
    seed : int
        Of the cases.
    jobs : int
        Worker processes.
    quick : bool
        Whether to stop at the first case that shows a fault, and to minimise and explain nothing.

    Yields
    ------
    Progressed or Qualification
        How far it is, and at the end what it came to.

    Raises
    ------
    CorrectFailsError
        If the correct base fails, so that nothing can be learnt from the faults.
    """
    started, started_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    suspects = [Suspect(fault, quick=quick) for fault in faults]
    with open_workers(jobs, prepare, CORRECT) as workers, open_workers(jobs, tasks_each=1) as fresh:
        for operator in OPERATORS:
            own = [suspect for suspect in suspects if suspect.fault.operator == operator]
            if own:
                plan = Plan(subject=CORRECT, operators=(operator,), profile=profile, seed=seed, jobs=jobs)
                shards = list_shards(workers, plan, (operator,))
                yield from judge_operator(workers, own, shards)
        judged = []
        with ThreadPoolExecutor(jobs + 1) as threads:
            futures = [threads.submit(conclusion, workers, fresh, suspect, profile, seed) for suspect in suspects]
            for done, _ in enumerate(as_completed(futures), 1):
                yield Progressed("explaining", done, len(futures))
            judged = [future.result() for future in futures]
    yield Qualification(
        profile=profile,
        seed=seed,
        faults=tuple(judged),
        started_at=started_at,
        seconds=round(time.monotonic() - started, 1),
        jobs=jobs,
        explained=not quick,
        versions=versions_here(),
    )


def judge_operator(workers: Workers, suspects: Sequence[Suspect], shards: Sequence[Shard]) -> Iterator[Progressed]:
    """Judge the faults of one operator on its cases, each until enough is known of it."""
    pending = deque(enumerate(shards))
    running = deque[tuple[int, list[Suspect], Future[Part]]]()
    before, seconds, now = 0, 0.0, 0
    part: Part | None = None
    while pending or running:
        while pending and len(running) < AHEAD * workers.jobs:
            number, shard = pending.popleft()
            for group in grouped([suspect for suspect in suspects if suspect.wanted(number)]):
                running.append((number, group, submit(workers, group, shard)))
        if not running:
            return
        number, group, future = running.popleft()
        if number > now and part is not None:
            now, before, seconds = number, before + len(part.seconds), seconds + sum(part.seconds)
        answer = workers.answer(future)
        part = judge_apart(workers, group, shards[number]) if isinstance(answer, Dead) else answer
        for suspect in group:
            for finding in part.findings.get(subject_name(suspect.fault), ()):
                upto = seconds + sum(part.seconds[: finding.number + 1])
                suspect.take(finding, number, before, upto)
        yield Progressed(f"judging {suspects[0].fault.operator}", number, len(shards))


def grouped(suspects: Sequence[Suspect]) -> list[list[Suspect]]:
    """The faults, some at a time."""
    return [list(suspects[i : i + TOGETHER]) for i in range(0, len(suspects), TOGETHER)]


def submit(workers: Workers, suspects: Sequence[Suspect], shard: Shard) -> Future[Part]:
    """Judge some faults on a shard."""
    seconds = SHARED_SECONDS + SECONDS_EACH * len(suspects)
    return workers.submit(judge_together, CORRECT, [each.asked for each in suspects], shard, seconds=seconds)


def judge_apart(workers: Workers, suspects: Sequence[Suspect], shard: Shard) -> Part:
    """Judge faults one by one, as one of them killed or blocked the process of all; that one is left to the gate."""
    together = workers.answer(submit(workers, [], shard))
    if isinstance(together, Dead):
        raise CorrectFailsError(f"{CORRECT} did not come back from a shard of {shard.operator}: {together.message}")
    for suspect in suspects:
        if suspect.dead:
            continue
        answer = workers.answer(submit(workers, [suspect], shard))
        if isinstance(answer, Dead):
            suspect.dead = True
        else:
            together.findings.update(answer.findings)
    return together


def conclusion(workers: Workers, fresh: Workers, suspect: Suspect, profile: str, seed: int) -> JudgedFault:
    """What the gate makes of a fault; if asked for, minimised and explained."""
    fault = suspect.fault
    usual = workers.call(usual_test, fault, seconds=USUAL_SECONDS)
    failures: Sequence[Failure] = ()
    if suspect.dead:
        failures = judged_by_the_gate(suspect, profile, seed)
    elif not suspect.quick:
        groups = groups_of(Tally(failing=suspect.failing))
        found = distinct_failures(workers, fresh, subject_name(fault), groups, ())
        failures = [failure for failure, _ in found]
    shown = () if suspect.quick else tuple(map(explained, failures))
    smallest = complexity(parse_spec(fault.spec))[0]
    return JudgedFault(
        name=fault.name,
        bug_class=fault.bug_class,
        operator=fault.operator,
        stage=fault.stage,
        depth=fault.depth,
        diff=diff_of(fault),
        smallest=fault.spec,
        trigger=fault.when,
        kills=suspect.kills,
        without_torch=tuple(check for check in CHECKS if check in suspect.without_torch),
        usual=isinstance(usual, Dead) or usual,
        failures=shown,
        exact=bool(shown) and says_the_same(fault, shown[0]),
        small=bool(shown) and complexity(parse_spec(shown[0].minimal))[0] <= smallest,
    )


def explained(failure: Failure) -> Explained:
    """What the gate tells of a failure."""
    return Explained(
        check=failure.check,
        symptom=failure.symptom,
        minimal=failure.minimal,
        conditions=failure.when.conditions if failure.when else None,
    )


def usual_test(fault: Fault) -> bool:
    """Whether the usual test finds a fault."""
    return found_by_the_usual_test(fault.operator, load_subject(subject_name(fault)))


def judged_by_the_gate(suspect: Suspect, profile: str, seed: int) -> list[SavedFailure]:
    """Judge a fault that kills or blocks its process by the gate itself, which is made for that."""
    name, operator = subject_name(suspect.fault), suspect.fault.operator
    with TemporaryDirectory() as folder:
        plan = Plan(subject=name, operators=(operator,), profile=profile, seed=seed, reports=Path(folder))
        record = next(event.record for event in run_gate(plan) if isinstance(event, RunFinished))
    failing = next((number for number, each in enumerate(record.judged) if each.verdict in FAILING), None)
    if failing is not None and record.failures:
        seconds = sum(each.seconds for each in record.judged[: failing + 1])
        kill = Kill(case=failing + 1, spec=record.judged[failing].spec, seconds=round(seconds, 3))
        check = record.failures[0].check
        suspect.kills, suspect.without_torch = {check: kill}, {check: None}
    return record.failures


def says_the_same(fault: Fault, failure: Explained) -> bool:
    """Whether the conditions of a failure hold for the same cases as the true trigger of the fault.

    They are compared on some hundreds of cases drawn at random and on cases around the smallest one, not by their
    words: what is said in another way may well be the same.
    """
    if failure.conditions is None:
        return False
    if set(failure.conditions) == set(fault.when):
        return True
    minimal = parse_spec(failure.minimal)
    for first in [*with_named_data(minimal), *with_named_data(parse_spec(fault.spec))]:
        if vector_of(first) is None:  # it is invalid, and then the words are all there is
            continue
        cases = [first, *sample_around(first)]
        truth, said = meets(fault.when, cases), meets(failure.conditions, cases)
        if truth is not None and said is not None:
            return bool(np.array_equal(truth, said))
    return False


def with_named_data(case: Case) -> Iterator[Case]:
    """The case, and the same problem with all data that have a name."""
    if case.fill != POINTS:
        yield case
    yield from (replace(case, fill=fill, points=()) for fill in case.operator.fills)


def sample_around(first: Case) -> list[Case]:
    """Cases that have a class for every feature: around a case, so that about half are like it, and far from it."""
    stream = np.random.PCG64(0)
    drawn = draw_cases(first.problem.operator, 0, 0, SAMPLED, load_subject(CORRECT))
    return [case for case in [*around([first], stream), *drawn] if vector_of(case) is not None]
