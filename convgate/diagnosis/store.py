"""Failures: saved, loaded, listed."""

import hashlib
import re
import shlex
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from convgate.cases.case import Case
from convgate.cases.spec import format_spec, parse_spec
from convgate.diagnosis.explain import Picture, headline, text_of
from convgate.diagnosis.when import When, sentence
from convgate.judging.checks import Result
from convgate.results.files import write_folder
from convgate.results.text import code, fenced

__all__ = [
    "FAILURES",
    "Failure",
    "FailureFileError",
    "fingerprint",
    "list_failures",
    "load_failure",
    "make_failure",
    "replay_line",
    "save_failure",
    "told_when",
    "unreadable_failures",
]

FAILURES = "failures"
# What a subject is asked for by: module or module:attribute.
NAME = re.compile(r"\w+(\.\w+)*(:\w+(\.\w+)*)?")
FORMAT_VERSION = 2
FILE = "failure.json"


class FailureFileError(Exception):
    """A failure's file cannot be read."""


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


def fingerprint(subject_name: str, case: Case, result: Result) -> str:
    """Eight hexadecimal digits for what failed and on which problem, whatever the data."""
    problem = format_spec(replace(case, fill="lattice", points=(), seed=0))
    text = f"{subject_name} {result.check} {result.symptom} {problem}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def make_failure(
    subject_name: str,
    found: str,
    case: Case,
    result: Result,
    *,
    cases: int,
    when: When | None,
    picture: Picture,
    carried: bool = False,
    after: str = "",
) -> Failure:
    """A failure of today."""
    return Failure(
        fingerprint=fingerprint(subject_name, case, result),
        subject=subject_name,
        operator=case.problem.operator,
        check=result.check,
        symptom=result.symptom,
        relation=result.relation,
        found=found,
        minimal=format_spec(case),
        message=headline(case, result),
        expected=result.expected,
        actual=result.actual,
        found_at=datetime.now(UTC).isoformat(timespec="seconds"),
        cases=cases,
        when=when,
        picture=picture,
        carried=carried,
        after=after,
    )


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


def save_failure(reports: Path, failure: Failure, repro: str) -> Path:
    """Write a failure's folder, whole or not at all.

    Parameters
    ----------
    reports : Path
        The reports folder.
    failure : Failure
        What goes into failure.json and, in words, into README.md.
    repro : str
        Source of repro.py.

    Returns
    -------
    Path
        The folder.
    """
    folder = reports / FAILURES / failure.folder_name
    text = msgspec.json.format(msgspec.json.encode(failure), indent=2).decode() + "\n"
    write_folder(folder, {FILE: text, "repro.py": repro, "README.md": readme(failure)})
    return folder


def replay_line(failure: Failure) -> str:
    """The line that judges it again wherever the subject is; where that has no name to load, how a test does."""
    if NAME.fullmatch(failure.subject) is None:
        return f"convgate_judge({failure.minimal!r}, subject)"
    after = f" --after {shlex.quote(failure.after)}" if failure.after else ""
    return f"convgate replay {shlex.quote(failure.minimal)}{after} --subject {failure.subject}"


def readme(failure: Failure) -> str:
    """What broke, in one screen."""
    said = told_when(failure)
    when = f"It {said}.\n\n" if said else ""
    return f"""# {failure.operator}: {failure.symptom} in {failure.check}

{when}{fenced(failure.message, "text")}

{fenced(text_of(failure.picture), "text")}

| | |
|---|---|
| subject | {code(failure.subject)} |
| minimal case | `{failure.minimal}` |
| found as | `{failure.found}` |
| failing cases looked at with it | {failure.cases} |

Repeat it from the folder where the subject is: run this folder's `repro.py` there (it needs only NumPy and the
subject; under pytest several of them need `--import-mode=importlib`), or

{fenced(replay_line(failure), "sh")}
"""


def load_failure(folder: Path) -> Failure:
    """Read a failure from its folder.

    Raises
    ------
    FailureFileError
        If the file is not there, is not of a known version, or does not have the form.
    """
    path = folder / FILE
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FailureFileError(f"{folder} is no failure's folder ({error.strerror}: {path.name})") from error
    try:
        version = msgspec.json.decode(raw, type=dict[str, Any]).get("format_version")
        if version != FORMAT_VERSION:
            raise FailureFileError(f"{path} has format version {version!r}; this convgate reads {FORMAT_VERSION}")
        failure = msgspec.json.decode(raw, type=Failure)
        parse_spec(failure.minimal)
        if failure.after:
            parse_spec(failure.after)
    except (msgspec.DecodeError, ValueError) as error:
        raise FailureFileError(f"{path} cannot be read: {error}") from error
    return failure


def list_failures(reports: Path) -> list[tuple[Path, Failure]]:
    """All saved failures that can be read, newest first, each with its folder."""
    found = []
    for folder in failure_folders(reports):
        with suppress(FailureFileError):
            found.append((folder, load_failure(folder)))
    return sorted(found, key=lambda pair: (pair[1].found_at, pair[0].name), reverse=True)


def unreadable_failures(reports: Path) -> list[str]:
    """Why the saved failures that cannot be read cannot."""
    found = []
    for folder in failure_folders(reports):
        try:
            load_failure(folder)
        except FailureFileError as error:
            found.append(str(error))
    return found


def failure_folders(reports: Path) -> list[Path]:
    """The folders of saved failures."""
    return sorted(path for path in (reports / FAILURES).glob("*") if (path / FILE).is_file())
