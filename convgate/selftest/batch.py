"""Judging several subjects on the same cases, so that the oracles run only once.

Each subject is judged by the same checks as in the gate. If one crashes or blocks the process, the subjects are judged
one by one.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from convgate.cases.spec import format_spec
from convgate.judging.checks import CHECKS, OUTPUTS, judge_trial
from convgate.judging.subjects.loader import SubjectError, load_subject
from convgate.judging.trial import Trial
from convgate.results.verdicts import Result, primary_failure
from convgate.run.shards import Shard, cases_of
from convgate.run.workers import Dead, Workers

__all__ = ["Asked", "CorrectFailsError", "Finding", "Part", "answered", "in_groups", "submit"]

Member = TypeVar("Member")

# Number of subjects that share the oracles' work: more would save little, and one that dies stops all of them.
TOGETHER = 32
SHARED_SECONDS, SECONDS_EACH = 20.0, 1.0
# Additional time for the terms of large cases.
SECONDS_A_TERM = 1e-6


class CorrectFailsError(Exception):
    """The correct subject fails, so results for the other subjects would be meaningless."""


@dataclass(frozen=True)
class Asked:
    """A subject to be judged.

    Parameters
    ----------
    subject : str
        ``module:attribute``.
    functions : frozenset of str
        The functions in which it differs from the correct subject; checks that call none of them are skipped.
    quick : bool
        Whether to stop at its first failing case.
    """

    subject: str
    functions: frozenset[str]
    quick: bool


@dataclass(frozen=True)
class Finding:
    """A case on which a subject fails.

    Parameters
    ----------
    number : int
        Index of the case in its shard.
    spec : str
        Spec of the case.
    primary : Result
        The failure that represents the case.
    checks : tuple of str
        All failing checks.
    without_torch : tuple of str
        Checks that also fail without PyTorch, except those already listed in an earlier finding.
    """

    number: int
    spec: str
    primary: Result
    checks: tuple[str, ...]
    without_torch: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """The result of one shard.

    Parameters
    ----------
    seconds : tuple of float
        Time of the gate for each case, measured on the correct subject.
    findings : dict
        Subject to its failing cases.
    dead : frozenset of str
        The subjects that cannot be loaded, or crash or block their process.
    """

    seconds: tuple[float, ...]
    findings: dict[str, tuple[Finding, ...]]
    dead: frozenset[str]


def in_groups(several: Sequence[Member]) -> list[list[Member]]:
    """Split into groups that are judged together."""
    return [list(several[i : i + TOGETHER]) for i in range(0, len(several), TOGETHER)]


def submit(workers: Workers, correct: str, several: Sequence[Asked], shard: Shard) -> Future[Part]:
    """Start to judge subjects on the cases of a shard, together with a correct one."""
    seconds = SHARED_SECONDS + (SECONDS_EACH + shard.work * SECONDS_A_TERM) * (1 + len(several))
    return workers.submit(judge_together, correct, several, shard, seconds=seconds)


def answered(workers: Workers, future: Future[Part], correct: str, several: Sequence[Asked], shard: Shard) -> Part:
    """Wait for the submitted part; if the worker dies, judge these subjects one by one.

    The cause may be a temporary stall of the machine. So a subject counts as dead only if the correct subject finishes
    and the subject itself then dies twice on its own.

    Raises
    ------
    CorrectFailsError
        If the correct subject fails or does not finish.
    """
    answer = workers.answer(future)
    if not isinstance(answer, Dead):
        return answer
    nobody = workers.answer(submit(workers, correct, (), shard))
    if isinstance(nobody, Dead):
        raise CorrectFailsError(f"{correct} did not come back from a shard of {shard.operator}: {nobody.message}")
    findings, dead = dict(nobody.findings), set(nobody.dead)
    futures = [submit(workers, correct, (asked,), shard) for asked in several]
    for asked, alone in zip(several, futures, strict=True):
        part = workers.answer(alone)
        if isinstance(part, Dead):
            part = workers.answer(submit(workers, correct, (asked,), shard))
        if isinstance(part, Dead):
            dead.add(asked.subject)
        else:
            findings |= part.findings
            dead |= part.dead
    return replace(nobody, findings=findings, dead=frozenset(dead))


def judge_together(correct: str, several: Sequence[Asked], shard: Shard) -> Part:
    """Judge several subjects on the cases of a shard, as a task of a worker.

    Raises
    ------
    CorrectFailsError
        If the correct subject fails.
    """
    subject = load_subject(correct)
    loaded: dict[Asked, Any] = {}
    for asked in several:
        with suppress(SubjectError):
            loaded[asked] = load_subject(asked.subject)
    seconds, findings = [], {asked: list[Finding]() for asked in loaded}
    for number, case in enumerate(cases_of(shard, subject)):
        started = time.perf_counter()
        trial = Trial(case, subject, sampled=True)
        failure = primary_failure(judge_trial(trial))
        seconds.append(time.perf_counter() - started)
        if failure is not None:
            raise CorrectFailsError(f"{correct} fails itself, on {format_spec(case)}: {failure.message}")
        for asked, found in findings.items():
            if not (asked.quick and found):
                confirmed = {check for finding in found for check in finding.without_torch}
                found.extend(judge_another(trial, loaded[asked], asked.functions, number, confirmed))
    return Part(
        tuple(seconds),
        {asked.subject: tuple(found) for asked, found in findings.items()},
        frozenset(asked.subject for asked in several if asked not in loaded),
    )


def judge_another(
    trial: Trial, subject: Any, functions: frozenset[str], number: int, confirmed: set[str]
) -> Iterator[Finding]:
    """Judge another subject on the case of a trial; yield a finding if it fails."""
    results = judge_trial(trial.before(subject), [check for check in CHECKS if concerned(trial, check, functions)])
    primary = primary_failure(results)
    if primary is not None:
        failing = tuple(result.check for result in results if result.verdict == "failed")
        alone = judge_trial(trial.before(subject, witnessed=False), set(failing) - confirmed)
        without_torch = tuple(result.check for result in alone if result.verdict == "failed")
        yield Finding(number, format_spec(trial.case), primary, failing, without_torch)


def concerned(trial: Trial, check: str, functions: frozenset[str]) -> bool:
    """Whether a check calls any of the functions."""
    call = trial.call_producing(OUTPUTS[check]) if check in OUTPUTS else None
    return call is None or call.function in functions
