"""Failures: failing cases, minimised and explained."""

import re
import shlex
from dataclasses import dataclass

from convgate.results.picture import Picture

__all__ = ["FORMAT_VERSION", "Failure", "When", "replay_line", "sentence", "told_when"]

# What a subject is asked for by: module or module:attribute, python:PATH NAME, exec:COMMAND or lib:PATH.
NAME = re.compile(r"(local:)?\w+(\.\w+)*(:\w+(\.\w+)*)?|(python|exec|lib):.+")
FORMAT_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class When:
    """A conjunction of conditions, and how well it tells failing from passing cases.

    Parameters
    ----------
    conditions : tuple of str
        In words; all of them hold for the minimal case, or, where that does not fail with any data that have a name,
        for the case as it was found.
    having, failing : int
        How many of the cases that were tried meet all the conditions, and how many of these fail.
    others, passing : int
        How many do not, and how many of these pass.
    fails, passes : str
        What it is to fail here, and to pass: of a subject that crashes, to come back.
    """

    conditions: tuple[str, ...]
    having: int
    failing: int
    others: int
    passing: int
    fails: str = "fails"
    passes: str = "passes"


def sentence(when: When) -> str:
    """What a report says after "It"."""
    if not when.conditions:
        return f"{when.fails} on {when.failing:,} of the {when.having:,} cases tried around it"
    return (
        f"{when.fails} when {' and '.join(when.conditions)} ({when.failing:,} of {when.having:,}), "
        f"{when.passes} otherwise ({when.passing:,} of {when.others:,})"
    )


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failed case, minimised: what stands in failure.json.

    Parameters
    ----------
    format_version : int
        Of the file.
    fingerprint : str
        Same subject, check, symptom and minimal problem, same fingerprint.
    subject, operator, check, symptom, relation : str
        What failed, and how.
    found, minimal : str
        Specs of the case as found and of the smallest one.
    message, expected, actual : str
        What must be, and what is.
    found_at : str
        Time in UTC, ISO 8601.
    cases : int
        How many failing cases of the run were looked at as one with it: those of its operator and first failing check.
    when : When or None
        What the failing problems around it have in common, unless that could not be found out.
    picture : Picture
        The call, its data, and what is expected and what came.
    carried : bool
        Whether the minimal case passes in a fresh process: then it is earlier calls that make it fail.
    after : str
        Then the spec of a case after whose calls it fails in a fresh process too; empty if none was found.
    """

    format_version: int = FORMAT_VERSION
    fingerprint: str
    subject: str
    operator: str
    check: str
    symptom: str
    relation: str
    found: str
    minimal: str
    message: str
    expected: str
    actual: str
    found_at: str
    cases: int
    when: When | None
    picture: Picture
    carried: bool = False
    after: str = ""

    @property
    def folder_name(self) -> str:
        """Name of the folder that the failure is saved in."""
        return f"{self.operator}-{self.symptom.lower().replace(' ', '-').replace('_', '-')}-{self.fingerprint}"


def told_when(failure: Failure) -> str:
    """What a report says after "It": when it fails, or after what; nothing if that is not known."""
    if failure.after:
        return (
            f"passes in a fresh process and fails there after the calls of {failure.after}: "
            "the subject keeps something from earlier calls"
        )
    if failure.carried:
        return "passes in a fresh process: the subject keeps something from earlier calls, or leaves it to chance"
    return sentence(failure.when) if failure.when is not None else ""


def replay_line(failure: Failure) -> str:
    """The line that judges it again wherever the subject is; where that has no name to load, how a test does."""
    if NAME.fullmatch(failure.subject) is None:
        return f"convgate_judge({failure.minimal!r}, subject)"
    after = f" --after {shlex.quote(failure.after)}" if failure.after else ""
    return f"convgate replay {shlex.quote(failure.minimal)}{after} --subject {shlex.quote(failure.subject)}"
