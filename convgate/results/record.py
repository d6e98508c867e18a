"""The record of a run: what was judged and what came out."""

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
# How many percent of an operator's cases a subject may refuse, if nobody says otherwise.
MAX_UNSUPPORTED = 10.0

# Between the values of a merged record's field where the records differ; no value has it inside.
OR = " | "


class JudgedCase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One case of a run.

    Parameters
    ----------
    spec : str
        The case.
    verdict : str
        One of `VERDICTS`: how it failed, if it did; that the oracles disagree, if they do; that it passed, if a check
        of the values did; that it is vacuous, if a check was made but shows nothing; otherwise that it is unsupported.
    seconds : float
        How long its checks took; where they killed or blocked the process, how long it was until that was seen.
    layer : str
        The layer of a network that it is, by its name; empty for any other case.
    one_oracle : bool
        Whether the definition alone decided on an output, as PyTorch had no opinion.
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
    """What a verdict on an operator leaves out, leaves open, or takes the subject's word for.

    Parameters
    ----------
    operator : str
        The operator.
    cases : int
        Its cases, without those that must be rejected.
    refused : int
        Those on which the subject raised NotImplementedError, although its ``supports`` let them through; data with
        special values aside.
    left_open : int
        Those on which the oracles disagree.
    one_oracle : int
        Those on which PyTorch has no opinion on an output, so that the definition alone decided.
    claimed : int
        Those that do not fail by the subject's own ``error_factor``.
    error_factor, claim : float
        The largest such factor that was believed there, and the largest that was claimed; 0 if there was none.
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
    """A failure as a run record has it: what stands in its failure.json, and `folder`, where that is.

    Tests judge cases without saving failures; then the folder is empty.
    """

    folder: str

    @property
    def replay(self) -> str:
        """The command that judges it again."""
        if self.folder:
            return f"convgate replay {shlex.quote(self.folder)}"
        return replay_line(self)


@dataclass(frozen=True, kw_only=True)
class WayCount:
    """How many of the feasible combinations of the classes of `t` features are covered."""

    operator: str
    t: int
    covered: int
    feasible: int


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run of the gate, as it stands in its JSON file.

    Parameters
    ----------
    format_version : int
        Of the file.
    subject, profile : str
        What was judged, and how closely.
    operators : list of str
        The operators that were asked for and that the subject has.
    seed : int
        Of the cases.
    verdict : str
        "conforms", "fails", or "insufficient" if too little was verified.
    reason : str
        Why, in words.
    cases : int
        Number of cases.
    started_at : str
        Time in UTC, ISO 8601.
    seconds : float
        Wall clock.
    counts : dict
        Number of results by verdict.
    checks : list of CheckCounts
        The same by operator and check.
    failures : list of SavedFailure
        Distinct failures.
    coverage : list of WayCount
        Of each operator, alone, in pairs and in triples.
    judged : list of JudgedCase
        Every case.
    oracles_disagree : list of Disagreement
        Cases on which no subject can be judged.
    versions : dict
        Of what took part.
    caveats : list of Caveats
        Of each operator.
    max_unsupported : float or None
        How many percent of an operator's cases the subject may refuse by NotImplementedError; None if that was not
        asked.
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
    """Raise ValueError if a record has a word that is not one of ours, or a time that is none."""
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
    """How many cases of an operator were refused."""
    return f"{row.refused} of {row.cases} cases ({100 * row.refused / max(1, row.cases):.1f} %)"


def differing_versions(record: RunRecord) -> dict[str, list[str]]:
    """What the runs of a merged record did not have in the same version, with the versions."""
    return {name: value.split(OR) for name, value in record.versions.items() if OR in value}


def operator_of(spec: str) -> str:
    """The operator that a spec begins with."""
    return spec.partition(":")[0]
