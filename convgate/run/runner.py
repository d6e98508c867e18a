"""The gate: a stream of cases in, a stream of events out.

The cases and verdicts depend on the subject, the profile and the seed alone: shards are cut the same way however many
workers there are, and their tallies are added in the order of the shards.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from convgate.cases.spec import parse_spec
from convgate.diagnosis.reduce import Found
from convgate.diagnosis.repro import repro_source
from convgate.diagnosis.store import FAILURES, save_failure
from convgate.judging.subjects.loader import operators_of
from convgate.problems.operators import OPERATORS
from convgate.results.events import Event, FailureSaved, Minimizing, RunFinished, RunStarted, ShardJudged
from convgate.results.failure import Failure
from convgate.results.files import sweep, writable
from convgate.results.record import SavedFailure
from convgate.run.beyond_deaths import judge_rest
from convgate.run.distinct_failures import distinct_failures, groups_of
from convgate.run.judge_shards import judge_shards
from convgate.run.merge import record_of, versions_here
from convgate.run.plan import Plan, list_shards
from convgate.run.shards import Shard, planned_cases
from convgate.run.tally import Tally, verdict_of
from convgate.run.tasks import prepare
from convgate.run.workers import open_workers
from convgate.sources.corpus import read_corpus

__all__ = ["gate"]


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
    present = operators_of(plan.subject)
    with open_workers(plan.jobs, prepare, plan.subject, plan.limits, limits=plan.limits) as workers:
        operators = tuple(name for name in OPERATORS if name in present and name in (plan.operators or OPERATORS))
        missing = tuple(name for name in plan.operators if name not in present)
        shards = list_shards(workers, plan, operators, corpus)
        yield RunStarted(plan.subject, operators, sum(planned_cases(shard) for shard in shards))
        tally, stopped, left = Tally(), "", list[Shard]()
        most = plan.limits.max_seconds
        with closing(judge_shards(workers, plan.subject, shards)) as parts:
            for number, (shard, part) in enumerate(parts, 1):
                tally.merge(part.tally)
                left += [part.left] if part.left is not None else []
                done = planned_cases(shard) - (planned_cases(part.left) if part.left is not None else 0)
                yield ShardJudged(part.tally.cases.total(), done, len(part.tally.failing))
                if most is not None and time.monotonic() - started > most and number < len(shards):
                    planned = sum(planned_cases(each) for each in shards)
                    stopped = f"stopped after {most:g} s, with {tally.cases.total()} of {planned} cases judged"
                    break
        rest = yield from judge_rest(workers, plan.subject, tally, [] if stopped else left)
        groups = groups_of(Tally(failing=[pair for pair in tally.failing if pair not in rest.explained]))
        if groups:
            yield Minimizing(len(groups))
        failures = []
        told = distinct_failures(workers, plan.subject, groups, tally.judged)
        for failure, found in chain(rest.told, (pair for pair in told if not rest.knows(*pair))):
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
            reason=reason + rest.sentence(tally),
            started_at=started_at,
            seconds=time.monotonic() - started,
            failures=failures,
            versions=versions_here(),
            max_unsupported=plan.max_unsupported,
        )
    )


def require_writable(folder: Path) -> None:
    """Raise at once, not after minutes of judging, if failures could not be saved."""
    if not writable(folder):
        raise PermissionError(f"{folder} cannot be written to; choose another folder with --reports")


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
