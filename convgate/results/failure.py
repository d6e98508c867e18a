"""Failures: failing cases, minimised and explained."""

import re
import shlex
from dataclasses import dataclass

from convgate.results.picture import Picture

__all__ = ["FORMAT_VERSION", "Failure", "When", "replay_line", "sentence", "told_when"]

# Names of subjects: module or module:attribute, python:PATH NAME, exec:COMMAND or lib:PATH.
NAME = re.compile(r"(local:)?\w+(\.\w+)*(:\w+(\.\w+)*)?|(python|exec|lib):.+")
FORMAT_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class When:
    """A conjunction of conditions, and how well it separates failing from passing cases.

    Parameters
    ----------
    conditions : tuple of str
        The conditions in words. All of them hold for the minimal case, or, if that fails with no named fill, for the
        case as found.
    having, failing : int
        Number of tried cases that meet all conditions, and how many of these fail.
    others, passing : int
        Number of tried cases that do not meet them, and how many of these pass.
    fails, passes : str
        Verbs for failing and passing, such as "crashes" and "comes back".
    """

    conditions: tuple[str, ...]
    having: int
    failing: int
    others: int
    passing: int
    fails: str = "fails"
    passes: str = "passes"


def sentence(when: When) -> str:
    """When a case fails, as the part of a sentence after "It"."""
    if not when.conditions:
        return f"{when.fails} on {when.failing:,} of the {when.having:,} cases tried around it"
    return (
        f"{when.fails} when {' and '.join(when.conditions)} ({when.failing:,} of {when.having:,}), "
        f"{when.passes} otherwise ({when.passing:,} of {when.others:,})"
    )


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failed case, minimised: the contents of failure.json.

    Parameters
    ----------
    format_version : int
        Version of the file format.
    fingerprint : str
        Digest of the subject, check, symptom and minimal problem.
    subject, operator, check, symptom, relation : str
        What failed, and how.
    found, minimal : str
        Specs of the case as found and of the smallest one.
    message, expected, actual : str
        The error in one line, and the expected and the actual value.
    found_at : str
        Time in UTC, ISO 8601.
    cases : int
        Number of failing cases in its group: those with the same operator and first failing check.
    when : When or None
        The conditions under which cases around it fail; None if none were found.
    picture : Picture
        The call, its data, and the expected and the actual output.
    carried : bool
        Whether the minimal case passes in a fresh process, so that earlier calls make it fail.
    after : str
        If so, the spec of a case after whose calls it fails in a fresh process too; empty if none was found.
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
        """Name of the folder in which the failure is saved."""
        return f"{self.operator}-{self.symptom.lower().replace(' ', '-').replace('_', '-')}-{self.fingerprint}"


def told_when(failure: Failure) -> str:
    """When or after which calls a failure occurs, as the part of a sentence after "It"; empty if that is not known."""
    if failure.after:
        return (
            f"passes in a fresh process and fails there after the calls of {failure.after}: "
            "the subject keeps something from earlier calls"
        )
    if failure.carried:
        return "passes in a fresh process: the subject keeps something from earlier calls, or is not deterministic"
    return sentence(failure.when) if failure.when is not None else ""


def replay_line(failure: Failure) -> str:
    """The command that reproduces a failure by its spec; for a subject without an importable name, the fixture call."""
    if NAME.fullmatch(failure.subject) is None:
        return f"convgate_judge({failure.minimal!r}, subject)"
    after = f" --after {shlex.quote(failure.after)}" if failure.after else ""
    return f"convgate replay {shlex.quote(failure.minimal)}{after} --subject {shlex.quote(failure.subject)}"
