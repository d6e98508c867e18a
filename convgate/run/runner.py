"""The gate: a stream of cases in, a stream of events out.

The cases and verdicts depend on the subject, the profile and the seed alone: shards are cut the same way however many
workers there are, and their tallies are added in the order of the shards.
"""

import time
from collections import defaultdict, deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from convgate.cases.spec import parse_spec
from convgate.diagnosis.reduce import Found
from convgate.diagnosis.repro import repro_source
from convgate.diagnosis.store import FAILURES, save_failure
from convgate.judging.checks import CHECKS
from convgate.judging.subjects.loader import SubjectError, operators_of
from convgate.problems.operators import OPERATORS
from convgate.results.events import Event, FailureSaved, Minimizing, RunFinished, RunStarted, ShardJudged
from convgate.results.failure import Failure
from convgate.results.files import sweep, writable
from convgate.results.record import SavedFailure
from convgate.results.verdicts import Result
from convgate.run.distinct_failures import distinct_failures, groups_of
from convgate.run.limits import Limits
from convgate.run.merge import record_of, versions_here
from convgate.run.plan import Plan, list_shards
from convgate.run.shards import Shard, planned_cases, shards_of, specs_of
from convgate.run.tally import Tally, verdict_of
from convgate.run.tasks import exercise, judge_shard, prepare
from convgate.run.workers import Dead, Workers, open_workers
from convgate.sources.corpus import read_corpus

__all__ = ["gate", "judge_shards"]

DEATHS = {"crashed", "timed_out"}


def gate(plan: Plan) -> Iterator[Event]:
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
    present = operators_of_isolated(plan.subject, plan.limits)
    with (
        open_workers(plan.jobs, prepare, plan.subject, limits=plan.limits) as workers,
        open_workers(plan.jobs, tasks_each=1, limits=plan.limits) as fresh,
    ):
        operators = tuple(name for name in OPERATORS if name in present and name in (plan.operators or OPERATORS))
        missing = tuple(name for name in plan.operators if name not in present)
        shards = list_shards(workers, plan, operators, corpus)
        yield RunStarted(plan.subject, operators, sum(planned_cases(shard) for shard in shards))
        tally, stopped = Tally(), ""
        most = plan.limits.max_seconds
        with closing(judge_shards(workers, plan.subject, shards)) as parts:
            for number, (shard, part) in enumerate(parts, 1):
                tally.merge(part)
                yield ShardJudged(part.cases.total(), planned_cases(shard), len(part.failing))
                if most is not None and time.monotonic() - started > most and number < len(shards):
                    planned = sum(planned_cases(each) for each in shards)
                    stopped = f"stopped after {most:g} s, with {tally.cases.total()} of {planned} cases judged"
                    break
        groups = groups_of(tally)
        if groups:
            yield Minimizing(len(groups))
        failures = []
        for failure, found in distinct_failures(workers, fresh, plan.subject, groups, tally.judged):
            folder = save(plan, failure, found)
            failures.append(SavedFailure(**vars(failure), folder=folder.as_posix()))
            yield FailureSaved(failure, folder)
    verdict, reason = verdict_of(tally, operators, missing, max_unsupported=plan.max_unsupported, stopped=stopped)
    yield RunFinished(
        record_of(
            tally,
            subject=plan.subject,
            operators=operators,
            profile=plan.profile,
            seed=plan.seed,
            verdict=verdict,
            reason=reason + given_up(tally, shards, plan.limits.most_dead),
            started_at=started_at,
            seconds=time.monotonic() - started,
            failures=failures,
            versions=versions_here(),
            max_unsupported=plan.max_unsupported,
        )
    )


def operators_of_isolated(subject: str, limits: Limits) -> tuple[str, ...]:
    """The operators that a subject has, found in a process that it may kill or block."""
    with open_workers(1, limits=limits) as workers:
        present = workers.call(operators_of, subject, seconds=limits.loading_seconds)
    if isinstance(present, Dead):
        raise SubjectError(f"subject {subject!r} could not be loaded: {present.message}")
    return present


def require_writable(folder: Path) -> None:
    """Raise at once, not after minutes of judging, if failures could not be saved."""
    if not writable(folder):
        raise PermissionError(f"{folder} cannot be written to; choose another folder with --reports")


def given_up(tally: Tally, shards: Sequence[Shard], most_dead: int) -> str:
    """Which operators were given up and how much of them was not judged, as the end of a sentence."""
    found = ""
    for operator in dict.fromkeys(shard.operator for shard in shards):
        deaths = sum(
            number for (name, _, verdict), number in tally.results.items() if name == operator and verdict in DEATHS
        )
        if deaths >= most_dead:
            planned = sum(planned_cases(shard) for shard in shards if shard.operator == operator)
            left = planned - tally.cases[operator]
            found += f"; {operator} was given up after {deaths} crashes or hangs, with {left} of {planned} cases to go"
    return found


def judge_shards(workers: Workers, subject: str, shards: Sequence[Shard]) -> Generator[tuple[Shard, Tally], None, None]:
    """Judge shards in parallel; tallies come in the order of the shards. What is under way at the end is given up."""
    running = deque[tuple[Shard, Future[Tally]]]()
    try:
        yield from judge_pending(workers, subject, deque(shards), running)
    finally:
        for _, future in running:
            future.cancel()


def judge_pending(
    workers: Workers, subject: str, pending: deque[Shard], running: deque[tuple[Shard, Future[Tally]]]
) -> Iterator[tuple[Shard, Tally]]:
    """The same with the shards that wait and those under way."""
    dead: dict[str, int] = defaultdict(int)
    limits = workers.limits
    while pending or running:
        while pending and len(running) < limits.ahead * workers.jobs:
            shard = pending.popleft()
            if dead[shard.operator] < limits.most_dead:
                seconds = limits.shard_seconds + shard.work * limits.seconds_a_term
                running.append((shard, workers.submit(judge_shard, subject, shard, seconds=seconds)))
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
            answer = judge_one_by_one(workers, subject, shard, limits.most_dead - dead[shard.operator])
            dead[shard.operator] += sum(result.verdict != "failed" for _, result in answer.failing)
        yield shard, answer


def judge_one_by_one(workers: Workers, subject: str, shard: Shard, most_dead: int) -> Tally:
    """Judge the cases of a shard that some case of it brought down, each in a task of its own."""
    tally, limits = Tally(), workers.limits
    specs = workers.call(specs_of, subject, shard, seconds=limits.shard_seconds)
    if isinstance(specs, Dead):
        raise SubjectError(f"subject {subject!r}: its supports() did not come back ({specs.message})")
    deaths, layer_of = 0, shard.layer_of
    for spec in specs:
        started = time.monotonic()
        layer = layer_of.get(spec, "")
        (one,) = shards_of(shard.operator, [(parse_spec(spec), layer)])
        more = one.work * limits.seconds_a_term
        answer = workers.call(judge_shard, subject, one, seconds=limits.case_seconds + more)
        # with the wait for a new process, if the case before took the last one with it
        seconds = time.monotonic() - started
        primary = first_dead_check(workers, subject, spec) if isinstance(answer, Dead) else None
        if isinstance(answer, Dead) and answer.verdict == "timed_out" and primary is None:
            answer = workers.call(judge_shard, subject, one, seconds=limits.second_try_seconds + more)
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
        answer = workers.call(exercise, subject, spec, check, seconds=workers.limits.exercise_seconds)
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
        plan.subject,
        case,
        found.result,
        failure.message,
        failure.minimal,
        2 * plan.limits.case_seconds,
        earlier=earlier,
    )
    return save_failure(plan.reports, failure, script)
