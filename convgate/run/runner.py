"""The gate: a stream of cases in, a stream of events out.

The cases and verdicts depend on the subject, the profile and the seed alone: shards are cut the same way however many
workers there are, and their tallies are added in the order of the shards.
"""

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from convgate.cases.case import Case, broken_rule
from convgate.cases.spec import format_spec, parse_spec
from convgate.diagnosis.repro import repro_source
from convgate.diagnosis.store import FAILURES, save_failure
from convgate.judging.checks import CHECKS
from convgate.judging.subjects.loader import SubjectError, operators_of
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.results.events import Event, FailureSaved, Minimizing, RunFinished, RunStarted, ShardJudged
from convgate.results.failure import Failure
from convgate.results.files import sweep, writable
from convgate.results.record import MAX_UNSUPPORTED, SavedFailure
from convgate.results.verdicts import Result
from convgate.run.distinct import EXERCISE_SECONDS, distinct_failures, groups_of
from convgate.run.merge import record_of, versions_here
from convgate.run.tally import Tally, verdict_of
from convgate.run.tasks import (
    Found,
    Shard,
    covering_specs,
    exercise,
    judge_shard,
    prepare,
    specs_of,
)
from convgate.run.workers import Dead, Workers, open_workers
from convgate.sources.blocks import block_cases
from convgate.sources.corpus import read_corpus
from convgate.sources.invalid import invalid_cases
from convgate.sources.large_options import large_option_cases
from convgate.sources.large_work import large_work_cases
from convgate.sources.networks import network_cases
from convgate.sources.profiles import PROFILES, SHARD
from convgate.sources.whole_blocks import whole_block_cases

__all__ = ["AHEAD", "Plan", "cases_of_every_run", "judge_shards", "list_shards", "run_gate"]

# A case takes some milliseconds, in a slow subject a second; a subject that needs longer hangs.
CASE_SECONDS = 5.0
# For a case that did not come back in time although each of its calls does: the machine may have stood still.
SECOND_TRY_SECONDS = 20.0
SHARD_SECONDS = 20.0
# A large case has its own time beside that: some tens of calls of a subject that takes a microsecond for each term, as
# loops of an interpreter do.
SECONDS_A_TERM = 2e-5
# Terms of the forward passes of a task: of larger cases fewer go into one, so that tasks take about as long.
MOST_SHARD_WORK = 5_000_000
LOADING_SECONDS = 60.0
COVERING_SECONDS = 120.0
DEATHS = {"crashed", "timed_out"}
# Shards handed to the workers ahead of time, for each of them.
AHEAD = 3
# A subject that dies or hangs so often on one operator is not asked about it again.
MOST_DEAD = 3


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run of the gate is asked to do.

    Parameters
    ----------
    subject : str
        ``module`` or ``module:attribute``.
    operators : tuple of str
        To judge; empty for all that the subject has.
    profile : str
        A key of `convgate.sources.profiles.PROFILES`.
    seed : int
        Of the cases.
    jobs : int
        Worker processes.
    reports : Path
        Folder for failures; its corpus is judged too.
    max_unsupported : float
        How many percent of an operator's cases the subject may refuse by NotImplementedError.
    """

    subject: str
    operators: tuple[str, ...] = ()
    profile: str = "pr"
    seed: int = 0
    jobs: int = 1
    reports: Path = field(default_factory=lambda: Path("reports"))
    max_unsupported: float = MAX_UNSUPPORTED


def run_gate(plan: Plan) -> Iterator[Event]:
    """Judge a subject.

    Parameters
    ----------
    plan : Plan
        What to do.

    Yields
    ------
    Event
        From `RunStarted` to `RunFinished`.

    Raises
    ------
    SubjectError
        If the subject cannot be loaded.
    SpecError
        If the regression corpus cannot be read.
    OSError
        If the reports folder cannot be written to.
    """
    started, started_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    corpus = read_corpus(plan.reports)
    require_writable(plan.reports)
    sweep(plan.reports / FAILURES)
    present = operators_of_isolated(plan.subject)
    with open_workers(plan.jobs, prepare, plan.subject) as workers, open_workers(plan.jobs, tasks_each=1) as fresh:
        operators = tuple(name for name in OPERATORS if name in present and name in (plan.operators or OPERATORS))
        missing = tuple(name for name in plan.operators if name not in present)
        shards = list_shards(workers, plan, operators, corpus)
        yield RunStarted(plan.subject, operators, sum(planned_cases(shard) for shard in shards))
        tally = Tally()
        for shard, part in judge_shards(workers, plan.subject, shards):
            tally.merge(part)
            yield ShardJudged(part.cases.total(), planned_cases(shard), len(part.failing))
        groups = groups_of(tally)
        if groups:
            yield Minimizing(len(groups))
        failures = []
        for failure, found in distinct_failures(workers, fresh, plan.subject, groups, tally.judged):
            folder = save(plan, failure, found)
            failures.append(SavedFailure(**vars(failure), folder=folder.as_posix()))
            yield FailureSaved(failure, folder)
    verdict, reason = verdict_of(tally, operators, missing, max_unsupported=plan.max_unsupported)
    yield RunFinished(
        record_of(
            tally,
            subject=plan.subject,
            operators=operators,
            profile=plan.profile,
            seed=plan.seed,
            verdict=verdict,
            reason=reason + given_up(tally, shards),
            started_at=started_at,
            seconds=time.monotonic() - started,
            failures=failures,
            versions=versions_here(),
            max_unsupported=plan.max_unsupported,
        )
    )


def operators_of_isolated(subject: str) -> tuple[str, ...]:
    """The operators that a subject has, found in a process that it may kill or block."""
    with open_workers(1) as workers:
        present = workers.call(operators_of, subject, seconds=LOADING_SECONDS)
    if isinstance(present, Dead):
        raise SubjectError(f"subject {subject!r} could not be loaded: {present.message}")
    return present


def require_writable(folder: Path) -> None:
    """Raise at once, not after minutes of judging, if failures could not be saved."""
    if not writable(folder):
        raise PermissionError(f"{folder} cannot be written to; choose another folder with --reports")


def given_up(tally: Tally, shards: Sequence[Shard]) -> str:
    """Which operators were given up and how much of them was not judged, as the end of a sentence."""
    found = ""
    for operator in dict.fromkeys(shard.operator for shard in shards):
        deaths = sum(
            number for (name, _, verdict), number in tally.results.items() if name == operator and verdict in DEATHS
        )
        if deaths >= MOST_DEAD:
            planned = sum(planned_cases(shard) for shard in shards if shard.operator == operator)
            left = planned - tally.cases[operator]
            found += f"; {operator} was given up after {deaths} crashes or hangs, with {left} of {planned} cases to go"
    return found


def planned_cases(shard: Shard) -> int:
    """How many cases a shard is expected to have."""
    return len(shard.specs) or shard.count


def shards_of_cases(cases: Sequence[Case], operators: Sequence[str]) -> Iterator[Shard]:
    """Cases by operator, without those that come twice."""
    for operator in operators:
        yield from shards_of(operator, dict.fromkeys((case, "") for case in cases if case.problem.operator == operator))


def as_they_are(shards: Iterable[Shard]) -> Iterator[Shard]:
    """Cases that somebody gave: where the subject does not take the dtype, nothing else is judged in their place."""
    return (replace(shard, any_dtype=False) for shard in shards)


def shards_of_networks(plan: Plan, operators: Sequence[str]) -> Iterator[Shard]:
    """The layers of real networks, as many cases of each as the profile says."""
    for operator in operators:
        cases = network_cases(operator, PROFILES[plan.profile].networks)
        yield from shards_of(operator, dict.fromkeys((each.case, each.layer) for each in cases))


def shards_of(operator: str, cases: Iterable[tuple[Case, str]]) -> Iterator[Shard]:
    """Cases of one operator with the layers that they are of: so many a shard, or fewer where they are large."""
    some: list[tuple[str, str]] = []
    work = 0
    for case, layer in cases:
        each = case.operator.work(case.problem) if broken_rule(case) is None else 0
        if some and (len(some) == SHARD or work + each > MOST_SHARD_WORK):
            yield shard_of(operator, some, work)
            some, work = [], 0
        some.append((format_spec(case), layer))
        work += each
    if some:
        yield shard_of(operator, some, work)


def shard_of(operator: str, cases: Sequence[tuple[str, str]], work: int) -> Shard:
    """A shard of specs and the layers that they are of, with the work that they come to."""
    specs, layers = zip(*cases, strict=True)
    return Shard(operator, specs=specs, layers=layers if any(layers) else (), work=work, any_dtype=True)


def seconds_of(shard: Shard) -> float:
    """How long the cases of a shard may take beyond what small ones may."""
    return shard.work * SECONDS_A_TERM


def list_shards(workers: Workers, plan: Plan, operators: Sequence[str], given: Sequence[Case] = ()) -> list[Shard]:
    """All cases of a run, the plain and most telling ones first, and random ones last.

    First those given; then those of every run, what covers all combinations of shape classes, the layers of networks,
    whole blocks and large options, and much work. The covering cases are small and differ most: what they show is told
    by a smaller case, and sooner.
    """
    profile = PROFILES[plan.profile]
    # the search for them takes longest, so it is the first thing that workers get
    covered = covering(workers, plan, operators)
    always = [case for name in operators for case in cases_of_every_run(name)]
    jointly = [case for name in operators for case in joint_cases(name, profile.rounds)]
    large = [case for name in operators for case in large_work_cases(name, profile.large_work)]
    return [
        *as_they_are(shards_of_cases(given, operators)),
        *shards_of_cases(always, operators),
        *covering_shards(workers, plan, covered),
        *shards_of_networks(plan, operators),
        *shards_of_cases(jointly, operators),
        *shards_of_cases(large, operators),
        *shards_of_profile(plan, operators),
    ]


def cases_of_every_run(operator: str) -> list[Case]:
    """What is judged whatever the seed and the profile: the plainest case, what must be rejected, the edges of blocks.

    One pixel and one tap are where an implementation may find that there is nothing to do.
    """
    return [Case(problem=Problem(operator=operator)), *invalid_cases(operator), *block_cases(operator)]


def joint_cases(operator: str, rounds: int) -> list[Case]:
    """Whole blocks and tails, and large options, each together with all others."""
    return [*whole_block_cases(operator, rounds), *large_option_cases(operator, rounds)]


def covering(workers: Workers, plan: Plan, operators: Sequence[str]) -> dict[str, Future[tuple[str, ...]]]:
    """Have workers find cases that cover all feasible pairs or triples of shape classes, as the profile says."""
    strength = PROFILES[plan.profile].strength
    return {
        operator: workers.submit(covering_specs, plan.subject, operator, strength, plan.seed, seconds=COVERING_SECONDS)
        for operator in operators
    }


def covering_shards(workers: Workers, plan: Plan, found: Mapping[str, Future[tuple[str, ...]]]) -> list[Shard]:
    """The cases that they have found, by operator."""
    shards: list[Shard] = []
    for operator, future in found.items():
        specs = workers.answer(future)
        if isinstance(specs, Dead):
            raise SubjectError(f"subject {plan.subject!r}: its supports() did not come back ({specs.message})")
        shards += shards_of_cases([parse_spec(spec) for spec in specs], [operator])
    return shards


def shards_of_profile(plan: Plan, operators: Sequence[str]) -> Iterator[Shard]:
    """Random cases, as many as the profile says."""
    for operator in operators:
        for part in range(PROFILES[plan.profile].shards.get(operator, 0)):
            yield Shard(operator, plan.seed, part, SHARD)


def judge_shards(workers: Workers, subject: str, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Tally]]:
    """Judge shards in parallel; tallies come in the order of the shards."""
    pending = deque(shards)
    running = deque[tuple[Shard, Future[Tally]]]()
    dead: dict[str, int] = defaultdict(int)
    while pending or running:
        while pending and len(running) < AHEAD * workers.jobs:
            shard = pending.popleft()
            if dead[shard.operator] < MOST_DEAD:
                running.append(
                    (shard, workers.submit(judge_shard, subject, shard, seconds=SHARD_SECONDS + seconds_of(shard)))
                )
        if not running:
            return
        shard, future = running.popleft()
        answer = workers.answer(future)
        if isinstance(answer, Dead):
            # the shards under way may hang as well and stand in the way: put them back
            for _, other in running:
                other.cancel()
            pending.extendleft(each for each, _ in reversed(running))
            running.clear()
            answer = judge_one_by_one(workers, subject, shard, MOST_DEAD - dead[shard.operator])
            dead[shard.operator] += sum(result.verdict != "failed" for _, result in answer.failing)
        yield shard, answer


def judge_one_by_one(workers: Workers, subject: str, shard: Shard, most_dead: int) -> Tally:
    """Judge the cases of a shard that some case of it brought down, each in a task of its own."""
    tally = Tally()
    specs = workers.call(specs_of, subject, shard, seconds=SHARD_SECONDS)
    if isinstance(specs, Dead):
        raise SubjectError(f"subject {subject!r}: its supports() did not come back ({specs.message})")
    deaths, layer_of = 0, shard.layer_of
    for spec in specs:
        started = time.monotonic()
        layer = layer_of.get(spec, "")
        (one,) = shards_of(shard.operator, [(parse_spec(spec), layer)])
        answer = workers.call(judge_shard, subject, one, seconds=CASE_SECONDS + seconds_of(one))
        # with the wait for a new process, if the case before took the last one with it
        seconds = time.monotonic() - started
        primary = first_dead_check(workers, subject, spec) if isinstance(answer, Dead) else None
        if isinstance(answer, Dead) and answer.verdict == "timed_out" and primary is None:
            answer = workers.call(judge_shard, subject, one, seconds=SECOND_TRY_SECONDS + seconds_of(one))
        if isinstance(answer, Dead):
            primary = primary or dead_result("forward", answer)
            tally.add(shard.operator, spec, [primary], primary, seconds, layer=layer)
            deaths += 1
            if deaths >= most_dead:
                break
        else:
            tally.merge(answer)
    return tally


def first_dead_check(workers: Workers, subject: str, spec: str) -> Result | None:
    """The first check whose calls do not come back from a case."""
    for check in CHECKS:
        answer = workers.call(exercise, subject, spec, check, seconds=EXERCISE_SECONDS)
        if isinstance(answer, Dead):
            return dead_result(check, answer)
    return None


def dead_result(check: str, dead: Dead) -> Result:
    """The result of a check whose worker did not come back."""
    symptom = dead.verdict.replace("_", " ")
    return Result(check, dead.verdict, symptom, dead.message, expected="a result", actual=symptom)


def save(plan: Plan, failure: Failure, found: Found) -> Path:
    """Save a failure with its script."""
    case = parse_spec(failure.minimal)
    earlier = parse_spec(failure.after) if failure.after else None
    script = repro_source(
        plan.subject, case, found.result, failure.message, failure.minimal, 2 * CASE_SECONDS, earlier=earlier
    )
    return save_failure(plan.reports, failure, script)
