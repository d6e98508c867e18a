"""Judging inside of somebody else's test suite: one case at a time, and at the end the record of all of them."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import msgspec

from convgate.cases.case import Case
from convgate.cases.spec import format_spec, parse_spec
from convgate.diagnosis.explain import picture
from convgate.diagnosis.reduce import plainest, smallest
from convgate.diagnosis.store import make_failure
from convgate.judging.checks import judge
from convgate.judging.subjects.loader import load_subject, wants
from convgate.problems.operators import OPERATORS
from convgate.results.picture import text_of
from convgate.results.record import MAX_UNSUPPORTED, RunRecord, SavedFailure, operator_of
from convgate.results.verdicts import Result, primary_failure
from convgate.run.merge import record_of, united, versions_here
from convgate.run.tally import Tally, verdict_of, verdict_of_case

__all__ = ["Judged", "Judgement", "decode", "encode", "judge_in_test", "record_of_session"]

PROFILE = "pytest"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A case that a test has judged, as test processes pass it on.

    Parameters
    ----------
    subject, spec : str
        What was judged, and on which case.
    seconds : float
        How long the checks took.
    results : tuple of Result
        Of each check.
    failure : SavedFailure or None
        The case minimised, if it failed; it is not saved.
    """

    subject: str
    spec: str
    seconds: float
    results: tuple[Result, ...]
    failure: SavedFailure | None


@dataclass(frozen=True)
class Judgement:
    """What a test is told.

    Parameters
    ----------
    verdict : str
        Of the case.
    report : str
        Of a failure: its headline, its picture and the specs, of the smallest case and as it was found; else empty.
    judged : Judged
        For the record.
    """

    verdict: str
    report: str
    judged: Judged


def judge_in_test(case: Case | str, subject: Any) -> Judgement:
    """Judge a case, and minimise it if it fails.

    Parameters
    ----------
    case : Case or str
        The case or its spec.
    subject : object or str
        The code under test, or ``module:attribute``.

    Raises
    ------
    SpecError
        If the spec is none.
    SubjectError
        If the subject cannot be loaded.
    """
    case = parse_spec(case) if isinstance(case, str) else case
    spec, name = format_spec(case), name_of(subject)
    subject = load_subject(subject) if isinstance(subject, str) else subject
    started = time.perf_counter()
    asked = wants(subject, case.problem, case.dtype)
    no = Result("forward", "unsupported", message="supports() or dtypes say no")
    results = judge(case, subject) if asked else (no,)
    seconds = time.perf_counter() - started
    primary = primary_failure(results)
    failure, report = None, ""
    if primary is not None:
        least, result = smallest(*plainest(case, subject, primary), subject)
        shown = picture(least, subject, result)
        made = make_failure(name, spec, least, result, cases=1, when=None, picture=shown)
        failure = SavedFailure(**vars(made), folder="")
        what = f"{made.operator} {made.check}, {made.symptom}: {made.message}"
        report = f"{what}\n\n{text_of(shown)}\n\n{made.minimal}, found as {spec}"
    judged = Judged(subject=name, spec=spec, seconds=seconds, results=results, failure=failure)
    return Judgement(verdict_of_case(results, primary), report, judged)


def name_of(subject: Any) -> str:
    """What a record calls a subject: its name as it could be asked for, or, of an instance, the call that makes one."""
    if isinstance(subject, str):
        return subject
    if isinstance(subject, ModuleType):
        return subject.__name__
    if isinstance(subject, type):
        return f"{subject.__module__}:{subject.__qualname__}"
    return f"{type(subject).__module__}:{type(subject).__qualname__}()"


def encode(judged: Iterable[Judged]) -> str:
    """Judged cases as JSON, to pass from one test process to another."""
    return msgspec.json.encode(list(judged)).decode()


def decode(text: str) -> list[Judged]:
    """The same read back."""
    return msgspec.json.decode(text, type=list[Judged])


def record_of_session(
    judged: Iterable[Judged],
    *,
    started_at: str,
    seconds: float,
    lost: int = 0,
    max_unsupported: float = MAX_UNSUPPORTED,
) -> RunRecord:
    """The record of what the tests of a session have judged; not enough if test processes died with what they had.

    Parameters
    ----------
    judged : iterable of Judged
        Of all test processes.
    started_at, seconds, max_unsupported
        As in `RunRecord`.
    lost : int
        How many test processes died.

    Raises
    ------
    ValueError
        If there is nothing, or there are several subjects: a record is of one.
    """
    judged = sorted(judged, key=lambda each: (list(OPERATORS).index(operator_of(each.spec)), each.spec))
    subjects = sorted({each.subject for each in judged})
    if len(subjects) != 1:
        raise ValueError(f"a record is of one subject, and these tests judged {', '.join(subjects) or 'none'}")
    tally = Tally()
    for each in judged:
        tally.add(operator_of(each.spec), each.spec, each.results, primary_failure(each.results), each.seconds)
    operators = [operator for operator in OPERATORS if tally.cases[operator]]
    verdict, reason = verdict_of(tally, operators, [], max_unsupported=max_unsupported)
    if lost:
        verdict = "insufficient" if verdict == "conforms" else verdict
        reason += f"; what {lost} test process{'es' if lost > 1 else ''} judged is lost, as they ended too early"
    return record_of(
        tally,
        subject=subjects[0],
        operators=operators,
        profile=PROFILE,
        seed=0,
        verdict=verdict,
        reason=reason,
        started_at=started_at,
        seconds=seconds,
        failures=united(each.failure for each in judged if each.failure is not None),
        versions=versions_here(),
        max_unsupported=max_unsupported,
    )
