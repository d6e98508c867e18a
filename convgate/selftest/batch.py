"""Judging several subjects on the same cases, so that the oracles need to speak only once.

Each subject is judged as the gate judges it, by the same checks. One that kills or blocks its process takes the others
with it; then each is judged alone.
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

# Subjects that share the oracles' work: more save little, and take the others with them if one dies.
TOGETHER = 32
SHARED_SECONDS, SECONDS_EACH = 20.0, 1.0
# Beside that, for the terms of large cases.
SECONDS_A_TERM = 1e-6


class CorrectFailsError(Exception):
    """The subject that is taken for correct fails, so that nothing can be learnt from the others."""


@dataclass(frozen=True)
class Asked:
    """A subject to be judged.

    Parameters
    ----------
    subject : str
        ``module:attribute``.
    functions : frozenset of str
        The functions in which it differs from the correct subject: checks that call no other are made.
    quick : bool
        Whether the first case on which it fails is enough.
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
        Of the case in its shard, from 0.
    spec : str
        The case.
    primary : Result
        The failure that it is remembered for.
    checks : tuple of str
        All checks that fail.
    without_torch : tuple of str
        Those that fail as well where PyTorch is not asked, but for those of which a finding before says so.
    """

    number: int
    spec: str
    primary: Result
    checks: tuple[str, ...]
    without_torch: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """What came of one shard.

    Parameters
    ----------
    seconds : tuple of float
        How long the gate takes for each of the cases, measured on the correct subject.
    findings : dict
        Subject to its failing cases.
    dead : frozenset of str
        The subjects that cannot be loaded, or kill or block their process.
    """

    seconds: tuple[float, ...]
    findings: dict[str, tuple[Finding, ...]]
    dead: frozenset[str]


def in_groups(several: Sequence[Member]) -> list[list[Member]]:
    """As many at a time as are judged together."""
    return [list(several[i : i + TOGETHER]) for i in range(0, len(several), TOGETHER)]


def submit(workers: Workers, correct: str, several: Sequence[Asked], shard: Shard) -> Future[Part]:
    """Start to judge subjects on the cases of a shard, beside a correct one."""
    seconds = SHARED_SECONDS + (SECONDS_EACH + shard.work * SECONDS_A_TERM) * (1 + len(several))
    return workers.submit(judge_together, correct, several, shard, seconds=seconds)


def answered(workers: Workers, future: Future[Part], correct: str, several: Sequence[Asked], shard: Shard) -> Part:
    """Wait for what was submitted; if it does not come back, judge these subjects one by one.

    The machine may have stood still as well. So nobody is taken for dead before the correct subject has come back, and
    before it has died alone, and then once more.

    Raises
    ------
    CorrectFailsError
        If the correct subject fails, or does not come back.
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
    """Judge several subjects on the cases of a shard: a worker's task.

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
    """Judge another subject on the case of a trial: a finding if it fails."""
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
