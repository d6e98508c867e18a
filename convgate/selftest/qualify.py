"""Does the gate find what it should? The catalogue of faults is judged, and what finds each is written down.

Faults are judged together on the cases that the gate would judge each of them on, so that the oracles speak once for
many: up to the first case that shows a fault, and on some hundreds more, to see which checks find it and in how many
ways it shows. What it comes to is what the gate comes to (a test compares them), but for what shows first after that.

What is judged can be kept in a file as it goes (`convgate.selftest.checkpoint`), and a run that was interrupted goes on
from it.

The regression corpus is left out. It belongs to a reports folder, not to the gate, and repeats cases that broke
something once: that known bugs are found by heart says nothing of those to come.
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

# In the judge's own process, as it shares the oracles' work with the faults.
CORRECT = f"{LOCAL}convgate.selftest.faults:correct"
USUAL_SECONDS = 30.0
COMPARING_SECONDS = 120.0
# Cases that are judged after the shard in which a fault is found, to see which other checks find it: so many that cases
# of every source are among them.
CASES_MORE = 400
# The trigger of a fault that accepts what it must not.
BREAKS = "the problem breaks the rule: "
# Cases on which two triggers must say the same: drawn at random, and around those that meet one of them.
SAMPLED, AROUND = 200, 3000
# Where they differ on more cases than this, they say different things.
MOST_DIFFERING = 500
# Enough that each array has each kind of value that is not finite, beside others that have none.
SPECIAL_SEEDS = 32


@dataclass
class Suspect:
    """A fault while it is judged: `last` is the last shard on which it is, once that is known."""

    fault: Fault
    asked: Asked
    kills: dict[str, Kill] = field(default_factory=dict)
    without_torch: set[str] = field(default_factory=set)
    failing: list[tuple[str, Result]] = field(default_factory=list)
    judged: list[JudgedCase] = field(default_factory=list)
    dead: bool = False
    last: int | None = None

    def wanted(self, shard: int) -> bool:
        """Whether it is to be judged on a shard."""
        return not self.dead and (self.last is None or shard <= self.last)

    def take(self, finding: Finding, before: int, seconds: float) -> None:
        """Write down a case on which it fails."""
        self.failing.append((finding.spec, finding.primary))
        for check in finding.checks:
            kill = Kill(case=before + finding.number + 1, spec=finding.spec, seconds=round(seconds, 3))
            self.kills.setdefault(check, kill)
        self.without_torch |= set(finding.without_torch)


def functions_of(fault: Fault) -> frozenset[str]:
    """The functions of the protocol that a fault changes: all of its operator's, if it lies in what they share."""
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
        Of the catalogue.
    profile : str
        A key of `convgate.sources.profiles.PROFILES`.
    seed : int
        Of the cases.
    jobs : int
        Worker processes.
    quick : bool
        Whether to stop at the first case that shows a fault, and to minimise and explain nothing.
    names : sequence of str
        How the faults were asked for, if not all.
    resume : Path or None
        A file that judged faults are added to, one by one. Those that it has are not judged again, if nothing has
        changed that a judgement depends on.

    Yields
    ------
    Progressed or Qualification
        How far it is, and at the end what it came to.

    Raises
    ------
    CorrectFailsError
        If the correct base fails, so that nothing can be learnt from the faults.
    CheckpointError
        If there is no going on from the file.
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
    """Judge faults, and conclude what the gate makes of each as soon as enough is known of it, while others go on."""
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
                    diff = diff_of(event.fault)  # here, as Python's parser is not made for several threads
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
    """Threads that start nothing new once the block is left by an exception."""
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
    """Judge the faults of one operator on its cases, and give each once enough is known of it."""
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
        # of the others enough is known: they were judged ahead of time
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
    """Whether a finding is what a fault is to be known by, and no invalid problem that happens to be accepted as well.

    Invalid problems come first.
    """
    return suspect.asked.quick or of_arguments(suspect.fault) or finding.primary.check != "invalid_arguments"


def of_arguments(fault: Fault) -> bool:
    """Whether a fault is to accept what it must not."""
    return any(text.startswith(BREAKS) for text in fault.when)


def last_after(shards: Sequence[Shard], found: int) -> int:
    """The last shard to be judged after one that shows a fault: `CASES_MORE` cases follow, or all that there are."""
    follow = accumulate(shard.count + len(shard.specs) for shard in shards[found + 1 :])
    return min(found + sum(count < CASES_MORE for count in follow) + 1, len(shards) - 1)


def conclusion(workers: Workers, suspect: Suspect, shards: Sequence[Shard], diff: str) -> JudgedFault:
    """What the gate makes of a fault; if asked for, minimised and explained."""
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
    """The failures that the gate makes of the failing cases of a fault."""
    if not suspect.asked.quick:
        groups = groups_of(Tally(failing=suspect.failing))
        for failure, _ in distinct_failures(workers, suspect.asked.subject, groups, suspect.judged):
            yield as_explained(failure)


def as_explained(failure: Failure) -> Explained:
    """What the gate tells of a failure."""
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
    """Judge a fault that kills or blocks its process as the gate does.

    Of each failing case the gate knows the check that it is remembered for, and no others.
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
    # PyTorch may keep a check from failing, but makes none fail
    suspect.without_torch = set(suspect.kills)


def says_the_same(fault: Fault, told: Sequence[Explained]) -> bool:
    """Whether the failures that a fault is told as say exactly when it shows.

    One of their conditions, whichever, must hold wherever the true trigger of the fault does, and none anywhere else.
    A trigger is one of valid problems, so what a fault accepts of invalid ones besides is not compared; but where it is
    the rule that is broken, there is nothing else.

    They are compared on cases drawn at random, on cases around the smallest ones and on thousands around those of them
    that meet one, not by their words: what is said in another way may well be the same. Where they differ, the fault
    itself is asked, as a trigger that a person wrote down may leave out that nothing can show of it there.
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
    """Those that have a class for every feature; of no images, where there is nothing to see, only if that is meant."""
    return [case for case in cases if vector_of(case) is not None and (case.problem.batch > 0 or of_empty)]


def shows(fault: Fault, told: Sequence[Explained], case: Case) -> bool | None:
    """Whether a fault shows on a case by one of the failures that it is told as; None if nothing can be seen there."""
    subject = subject_of(fault)
    found = []
    for each in told:
        output = OUTPUTS.get(each.check, OUTPUTS[fault.stage])
        seen = probe(case, subject, Result(each.check, "failed", each.symptom, output=output))
        found.append(None if seen is None else seen.fails)
    return None if all(each is None for each in found) else any(found)


def who_meets(words: Sequence[Sequence[str]], firsts: Sequence[Case], cases: Sequence[Case]) -> Bools:
    """Which cases meet which conjunction, each with a case that it can be said of."""
    return np.array([meets_trigger(each, [first, *cases]) for each, first in zip(words, firsts, strict=True)])[:, 1:]


def meeting(conditions: Sequence[str], specs: Sequence[str]) -> Case | None:
    """A case that conditions can be said of, with the problem of one of some specs; None if there is none.

    What is invalid has no features, and then the words are all there is.
    """
    cases = (case for spec in specs for case in with_named_data(parse_spec(spec)) if vector_of(case) is not None)
    return next((case for case in cases if meets_trigger(conditions, [case]) is not None), None)


def with_named_data(case: Case) -> Iterator[Case]:
    """The case, and the same problem with all data that have a name; what is special, with several seeds.

    Which arrays have which values that are not finite is a matter of the seed.
    """
    if case.fill != POINTS:
        yield case
    yield from (replace(case, fill=fill, points=()) for fill in fills_of(case.problem.operator))
    yield from (replace(case, fill="special", points=(), seed=seed) for seed in range(SPECIAL_SEEDS))
