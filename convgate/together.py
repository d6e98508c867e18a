"""Judging several subjects on the same cases, so that the oracles need to speak only once.

What a worker does for `convgate qualify`. Each subject is judged as the gate judges it, by the same checks.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from convgate.checks import CHECKS, OUTPUTS, Result, judge_trial, primary_failure
from convgate.spec import format_spec
from convgate.subjects.loader import load_subject
from convgate.trial import Trial
from convgate.worker import Shard, cases_of

__all__ = ["Asked", "CorrectFailsError", "Finding", "Part", "judge_together"]


class CorrectFailsError(Exception):
    """The subject that is taken for correct fails, so that nothing can be learnt from the others."""


@dataclass(frozen=True)
class Asked:
    """A subject to be judged, and by what.

    Parameters
    ----------
    subject : str
        ``module:attribute``.
    functions : frozenset of str
        The functions in which it differs from the correct subject: checks that call no other are made.
    checks : frozenset of str
        The checks that are still of interest.
    once : bool
        Whether the first case on which it fails is enough.
    """

    subject: str
    functions: frozenset[str]
    checks: frozenset[str] = frozenset(CHECKS)
    once: bool = False


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
        Those that fail as well where PyTorch is not asked.
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
    """

    seconds: tuple[float, ...]
    findings: dict[str, tuple[Finding, ...]]


def judge_together(correct: str, several: Sequence[Asked], shard: Shard) -> Part:
    """Judge several subjects on the cases of a shard.

    Raises
    ------
    CorrectFailsError
        If the correct subject fails.
    """
    subject = load_subject(correct)
    seconds, findings = [], [list[Finding]() for _ in several]
    for number, case in enumerate(cases_of(shard, subject)):
        started = time.perf_counter()
        trial = Trial(case, subject)
        failure = primary_failure(judge_trial(trial))
        seconds.append(time.perf_counter() - started)
        if failure is not None:
            raise CorrectFailsError(f"{correct} fails itself, on {format_spec(case)}: {failure.message}")
        for asked, found in zip(several, findings, strict=True):
            finding = None if asked.once and found else judge_another(trial, asked, number)
            if finding is not None:
                found.append(finding)
    return Part(tuple(seconds), {asked.subject: tuple(found) for asked, found in zip(several, findings, strict=True)})


def judge_another(trial: Trial, asked: Asked, number: int) -> Finding | None:
    """Judge another subject on the case of a trial."""
    subject = load_subject(asked.subject)
    checks = [check for check in asked.checks if concerned(trial, check, asked.functions)]
    results = judge_trial(trial.before(subject), checks)
    primary = primary_failure(results)
    if primary is None:
        return None
    failing = tuple(result.check for result in results if result.verdict == "failed")
    alone = judge_trial(trial.before(subject, witnessed=False), failing)
    without_torch = tuple(result.check for result in alone if result.verdict == "failed")
    return Finding(number, format_spec(trial.case), primary, failing, without_torch)


def concerned(trial: Trial, check: str, functions: frozenset[str]) -> bool:
    """Whether a check calls any of the functions."""
    call = trial.call_producing(OUTPUTS[check]) if check in OUTPUTS else None
    return call is None or call.function in functions
