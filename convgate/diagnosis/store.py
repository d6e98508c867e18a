"""Saving, loading and listing failures."""

import hashlib
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from convgate.cases.case import Case
from convgate.cases.spec import format_spec, parse_spec
from convgate.diagnosis.explain import headline
from convgate.results.failure import FORMAT_VERSION, Failure, When, replay_line, told_when
from convgate.results.files import write_folder
from convgate.results.foreign_text import code, fenced
from convgate.results.picture import Picture, text_of
from convgate.results.verdicts import Result

__all__ = [
    "FAILURES",
    "FailureFileError",
    "fingerprint",
    "list_failures",
    "load_failure",
    "make_failure",
    "save_failure",
    "unreadable_failures",
]

FAILURES = "failures"
FILE = "failure.json"


class FailureFileError(Exception):
    """A failure's file cannot be read."""


def fingerprint(subject_name: str, case: Case, result: Result) -> str:
    """Eight hexadecimal digits that identify a failure by subject, check, symptom and problem, without the data."""
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
    """Make a failure with the current time."""
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


def save_failure(reports: Path, failure: Failure, repro: str) -> Path:
    """Write the folder of a failure atomically.

    Parameters
    ----------
    reports : Path
        The reports folder.
    failure : Failure
        The failure, which is written as failure.json and README.md.
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


def readme(failure: Failure) -> str:
    """The text of README.md: the failure on one screen."""
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
        If the file is missing, has an unknown version, or is invalid.
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
    """All readable saved failures with their folders, newest first."""
    found = []
    for folder in failure_folders(reports):
        with suppress(FailureFileError):
            found.append((folder, load_failure(folder)))
    return sorted(found, key=lambda pair: (pair[1].found_at, pair[0].name), reverse=True)


def unreadable_failures(reports: Path) -> list[str]:
    """The error messages of the saved failures that cannot be read."""
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
