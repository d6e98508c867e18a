"""The record of a run: the judged cases and their results."""

import shlex
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from convgate.results.failure import Failure, replay_line
from convgate.results.verdicts import VERDICTS

__all__ = [
    "MAX_UNSUPPORTED",
    "OR",
    "RUN_VERDICTS",
    "Caveats",
    "CheckCounts",
    "Disagreement",
    "JudgedCase",
    "RecordError",
    "RunRecord",
    "SavedFailure",
    "WayCount",
    "differing_versions",
    "operator_of",
    "read_record",
    "refusals",
]

FORMAT_VERSION = 2
# From the best to the worst.
RUN_VERDICTS = ("conforms", "insufficient", "fails")
# Default percentage of an operator's cases that a subject may refuse.
MAX_UNSUPPORTED = 10.0

# Separates the values of a merged record's field if the records differ; no value contains it.
OR = " | "


class JudgedCase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One case of a run.

    Parameters
    ----------
    spec : str
        The case.
    verdict : str
        One of `VERDICTS`: a failing one if a check failed; otherwise "oracles_disagree" if they do, "passed" if a check
        of the values passed, "vacuous" if checks were made but showed nothing, or "unsupported".
    seconds : float
        How long its checks took; if they crashed or blocked the process, the time until that was noticed.
    layer : str
        Name of the network layer; empty for any other case.
    one_oracle : bool
        Whether only the definition decided on an output, because PyTorch does not define it.
    """

    spec: str
    verdict: str
    seconds: float
    layer: str = ""
    one_oracle: bool = False


@dataclass(frozen=True, kw_only=True)
class CheckCounts:
    """Verdicts of one check on one operator."""

    operator: str
    check: str
    counts: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """A case on which definition and PyTorch differ."""

    spec: str
    check: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Caveats:
    """The caveats of the verdict on an operator: cases that were not judged, left open, or depend on a claim.

    Parameters
    ----------
    operator : str
        The operator.
    cases : int
        Number of cases, without invalid ones.
    refused : int
        Cases on which the subject raised NotImplementedError although its ``supports`` accepted the problem; without
        cases with special values.
    left_open : int
        Cases on which the oracles disagree.
    one_oracle : int
        Cases with an output that PyTorch does not define, so that only the definition decided.
    claimed : int
        Cases that pass only because of the subject's own ``error_factor``.
    error_factor, claim : float
        The largest factor that was accepted for them, and the largest that was claimed; 0 if there was none.
    """

    operator: str
    cases: int
    refused: int
    left_open: int
    one_oracle: int
    claimed: int
    error_factor: float
    claim: float


@dataclass(frozen=True, kw_only=True)
class SavedFailure(Failure):
    """A failure in a run record: the contents of its failure.json, and `folder`, where that is saved.

    The folder is empty if a test judged the case, because tests do not save failures.
    """

    folder: str

    @property
    def replay(self) -> str:
        """The command that reproduces the failure."""
        if self.folder:
            return f"convgate replay {shlex.quote(self.folder)}"
        return replay_line(self)


@dataclass(frozen=True, kw_only=True)
class WayCount:
    """Number of covered and of feasible combinations of the classes of `t` features."""

    operator: str
    t: int
    covered: int
    feasible: int


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The record of one run of the gate, as in its JSON file.

    Parameters
    ----------
    format_version : int
        Version of the file format.
    subject, profile : str
        The subject, and the profile of the run.
    operators : list of str
        The operators that were judged.
    seed : int
        Seed of the cases.
    verdict : str
        "conforms", "fails", or "insufficient" if too little was verified.
    reason : str
        The reason for the verdict, in words.
    cases : int
        Number of cases.
    started_at : str
        Time in UTC, ISO 8601.
    seconds : float
        Wall-clock time of the run.
    counts : dict
        Number of results by verdict.
    checks : list of CheckCounts
        Number of results by operator, check and verdict.
    failures : list of SavedFailure
        The distinct failures.
    coverage : list of WayCount
        Coverage of single classes, pairs and triples, for each operator.
    judged : list of JudgedCase
        All judged cases.
    oracles_disagree : list of Disagreement
        Cases on which no subject can be judged.
    versions : dict
        Versions of convgate, its libraries and Python.
    caveats : list of Caveats
        Caveats of the verdict, for each operator.
    max_unsupported : float or None
        Percentage of an operator's cases that the subject may refuse with NotImplementedError; None if no limit was
        set.
    """

    format_version: int = FORMAT_VERSION
    subject: str
    operators: list[str]
    profile: str
    seed: int
    verdict: str
    reason: str
    cases: int
    started_at: str
    seconds: float
    counts: dict[str, int]
    checks: list[CheckCounts]
    failures: list[SavedFailure]
    coverage: list[WayCount]
    judged: list[JudgedCase]
    oracles_disagree: list[Disagreement]
    versions: dict[str, str]
    caveats: list[Caveats] = field(default_factory=list)
    max_unsupported: float | None = None


class RecordError(Exception):
    """A run record cannot be read."""


def read_record(path: Path, operators: Collection[str]) -> RunRecord:
    """Read a run record from its JSON file.

    Parameters
    ----------
    path : Path
        The file.
    operators : collection of str
        Names of the operators that there are.

    Raises
    ------
    RecordError
        If the file is not there, is not of the known version, or does not have the form.
    """
    try:
        raw = path.read_bytes()
        version = msgspec.json.decode(raw, type=dict[str, Any]).get("format_version")
        if version != FORMAT_VERSION:
            raise RecordError(f"{path} has format version {version!r}; this convgate reads {FORMAT_VERSION}")
        record = msgspec.json.decode(raw, type=RunRecord)
        require_known(record, operators)
    except OSError as error:
        raise RecordError(f"{path} cannot be read ({error.strerror}); convgate gate --json FILE writes one") from error
    except msgspec.DecodeError as error:
        raise RecordError(f"{path} is no run record: {error}") from error
    except ValueError as error:
        raise RecordError(f"{path} cannot be read: {error}") from error
    return record


def require_known(record: RunRecord, known_operators: Collection[str]) -> None:
    """Raise ValueError if a record has an unknown operator or verdict, or an invalid time."""
    datetime.fromisoformat(record.started_at)
    operators = {
        *record.operators,
        *(row.operator for row in record.checks),
        *(way.operator for way in record.coverage),
        *(row.operator for row in record.caveats),
    }
    verdicts = {*record.counts, *(verdict for row in record.checks for verdict in row.counts)}
    verdicts |= {each.verdict for each in record.judged}
    for what, given, known in (
        ("verdict of the run", {record.verdict}, RUN_VERDICTS),
        ("operator", operators, known_operators),
        ("verdict", verdicts, VERDICTS),
    ):
        unknown = sorted(given.difference(known))
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no {what}; known are {', '.join(known)}")


def refusals(row: Caveats) -> str:
    """The number and percentage of refused cases, in words."""
    return f"{row.refused} of {row.cases} cases ({100 * row.refused / max(1, row.cases):.1f} %)"


def differing_versions(record: RunRecord) -> dict[str, list[str]]:
    """The libraries whose versions differ between the runs of a merged record, with these versions."""
    return {name: value.split(OR) for name, value in record.versions.items() if OR in value}


def operator_of(spec: str) -> str:
    """The operator that a spec begins with."""
    return spec.partition(":")[0]
