"""The record of a run: what was judged and what came out."""

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from convgate.checks import CHECKS, FAILING, VERDICTS, Result
from convgate.failures import Failure, replay_line
from convgate.operators import OPERATORS

__all__ = [
    "RUN_VERDICTS",
    "CheckCounts",
    "Disagreement",
    "JudgedCase",
    "RecordError",
    "RunRecord",
    "SavedFailure",
    "Tally",
    "WayCount",
    "conforming_reason",
    "load_record",
    "verdict_of",
    "verdict_of_case",
]

FORMAT_VERSION = 2
# From the best to the worst.
RUN_VERDICTS = ("conforms", "insufficient", "fails")
# Checks that can pass whatever the values are.
WITHOUT_VALUES = {"purity", "layout"}


@dataclass(frozen=True, kw_only=True)
class JudgedCase:
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
        The layer of a network that the case is of, if it is one.
    """

    spec: str
    verdict: str
    seconds: float
    layer: str = ""


@dataclass
class Tally:
    """What some cases came to. Tallies add up to the same whatever their order, but for the order of the lists.

    Parameters
    ----------
    cases : Counter
        Operator to number of cases.
    results : Counter
        (operator, check, verdict) to number of results.
    verified : Counter
        Operator to number of cases on which the oracles agree and a check of the values passed.
    judged : list of JudgedCase
        Each case.
    failing : list of (str, Result)
        Spec and primary failure of each failing case.
    disagreements : list of (str, Result)
        Spec and result of each case on which the oracles disagree.
    """

    cases: Counter[str] = field(default_factory=Counter)
    results: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    verified: Counter[str] = field(default_factory=Counter)
    judged: list[JudgedCase] = field(default_factory=list)
    failing: list[tuple[str, Result]] = field(default_factory=list)
    disagreements: list[tuple[str, Result]] = field(default_factory=list)

    def add(
        self,
        operator: str,
        spec: str,
        results: Sequence[Result],
        primary: Result | None,
        seconds: float = 0.0,
        *,
        layer: str = "",
    ) -> None:
        """Count one case."""
        self.cases[operator] += 1
        for result in results:
            self.results[operator, result.check, result.verdict] += 1
            if result.verdict == "oracles_disagree":
                self.disagreements.append((spec, result))
        verdict = verdict_of_case(results, primary)
        self.verified[operator] += verified(results)
        self.judged.append(JudgedCase(spec=spec, verdict=verdict, seconds=round(seconds, 5), layer=layer))
        if primary is not None:
            self.failing.append((spec, primary))

    def merge(self, other: "Tally") -> None:
        """Add another tally to this one."""
        self.cases.update(other.cases)
        self.results.update(other.results)
        self.verified.update(other.verified)
        self.judged += other.judged
        self.failing += other.failing
        self.disagreements += other.disagreements


def verified(results: Iterable[Result]) -> bool:
    """Whether a check of the values passed, and the oracles agree."""
    seen = [result for result in results if result.check not in WITHOUT_VALUES or result.verdict != "passed"]
    verdicts = {result.verdict for result in seen}
    return "passed" in verdicts and "oracles_disagree" not in verdicts


def verdict_of_case(results: Sequence[Result], primary: Result | None) -> str:
    """What a case comes to."""
    if primary is not None:
        return primary.verdict
    verdicts = {result.verdict for result in results}
    if "oracles_disagree" in verdicts:
        return "oracles_disagree"
    if verified(results):
        return "passed"
    return "vacuous" if verdicts & {"passed", "vacuous"} else "unsupported"


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


class RecordError(Exception):
    """A run record cannot be read."""


def load_record(path: Path) -> RunRecord:
    """Read a run record from its JSON file.

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
        require_known(record)
    except OSError as error:
        raise RecordError(f"{path} cannot be read ({error.strerror}); convgate gate --json FILE writes one") from error
    except msgspec.DecodeError as error:
        raise RecordError(f"{path} is no run record: {error}") from error
    except ValueError as error:
        raise RecordError(f"{path} cannot be read: {error}") from error
    return record


def require_known(record: RunRecord) -> None:
    """Raise ValueError if a record has a word that is not one of ours, or a time that is none."""
    datetime.fromisoformat(record.started_at)
    operators = {
        *record.operators,
        *(row.operator for row in record.checks),
        *(way.operator for way in record.coverage),
    }
    verdicts = {*record.counts, *(verdict for row in record.checks for verdict in row.counts)}
    verdicts |= {each.verdict for each in record.judged}
    for what, given, known in (
        ("verdict of the run", {record.verdict}, RUN_VERDICTS),
        ("operator", operators, OPERATORS),
        ("verdict", verdicts, VERDICTS),
    ):
        unknown = sorted(given.difference(known))
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no {what}; known are {', '.join(known)}")


def total_counts(tally: Tally) -> dict[str, int]:
    """Number of results by verdict, all verdicts named."""
    counts = dict.fromkeys(VERDICTS, 0)
    for (_, _, verdict), number in tally.results.items():
        counts[verdict] += number
    return counts


def counts_by_check(tally: Tally, operators: Iterable[str]) -> list[CheckCounts]:
    """Number of results by operator, check and verdict, in the order of operators and checks."""
    found = []
    for operator in operators:
        for check in CHECKS:
            counts = {verdict: tally.results[operator, check, verdict] for verdict in VERDICTS}
            if any(counts.values()):
                found.append(CheckCounts(operator=operator, check=check, counts=counts))
    return found


def verdict_of(tally: Tally, operators: Iterable[str], missing: Iterable[str]) -> tuple[str, str]:
    """The verdict of a run and its reason.

    A run verifies enough if, for every operator in it, at least half of the cases have a check that passed with
    something to see. Less means that the subject refuses most of what it is asked; a subject that is meant for few
    problems says so with ``supports``, and is then asked only about these.

    Parameters
    ----------
    tally : Tally
        Of the whole run.
    operators : iterable of str
        The operators judged.
    missing : iterable of str
        Operators that were asked for by name, but that the subject does not have.
    """
    counts = total_counts(tally)
    if any(counts[verdict] for verdict in FAILING):
        return "fails", f"{len(tally.failing)} of {tally.cases.total()} cases fail"
    absent = list(missing)
    if absent:
        return "insufficient", f"the subject has no {', '.join(absent)}"
    for operator in operators:
        if not tally.cases[operator]:
            return "insufficient", f"{operator}: no case was judged, as the subject's supports() says no to all of them"
        # what is rejected as invalid says nothing of values
        rejected = {verdict: tally.results[operator, "invalid_arguments", verdict] for verdict in VERDICTS}
        cases = tally.cases[operator] - sum(rejected.values())
        verified = tally.verified[operator] - rejected["passed"]
        if 2 * verified < max(1, cases):
            return "insufficient", f"{operator}: only {verified} of {cases} cases verified anything; half are needed"
    return "conforms", conforming_reason(tally, operators)


def conforming_reason(tally: Tally, operators: Iterable[str]) -> str:
    """How many checks passed on how many cases, and what was left open."""
    reason = f"{total_counts(tally)['passed']} checks passed on {tally.cases.total()} cases"
    silent = [
        f"{operator} {check}"
        for operator in operators
        for check in CHECKS
        if tally.results[operator, check, "unsupported"] > tally.results[operator, check, "passed"]
    ]
    if tally.disagreements:
        reason += f", {len(tally.disagreements)} left open as the oracles disagree"
    return reason + (f" (mostly unsupported, so hardly judged: {', '.join(silent)})" if silent else "")
