"""The record of a run: what was judged and what came out."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from convgate.checks import CHECKS, VERDICTS, Result

__all__ = ["CheckCounts", "Disagreement", "FailureSummary", "RunRecord", "Tally", "verdict_of"]

FORMAT_VERSION = 1
# Checks that can pass whatever the values are.
WITHOUT_VALUES = {"purity", "layout"}


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
    failing : list of (str, Result)
        Spec and primary failure of each failing case.
    disagreements : list of (str, Result)
        Spec and result of each case on which the oracles disagree.
    """

    cases: Counter[str] = field(default_factory=Counter)
    results: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    verified: Counter[str] = field(default_factory=Counter)
    failing: list[tuple[str, Result]] = field(default_factory=list)
    disagreements: list[tuple[str, Result]] = field(default_factory=list)

    def add(self, operator: str, spec: str, results: Iterable[Result], primary: Result | None) -> None:
        """Count one case."""
        self.cases[operator] += 1
        passed, disagreed = False, False
        for result in results:
            self.results[operator, result.check, result.verdict] += 1
            passed = passed or (result.verdict == "passed" and result.check not in WITHOUT_VALUES)
            if result.verdict == "oracles_disagree":
                disagreed = True
                self.disagreements.append((spec, result))
        self.verified[operator] += passed and not disagreed
        if primary is not None:
            self.failing.append((spec, primary))

    def merge(self, other: "Tally") -> None:
        """Add another tally to this one."""
        self.cases.update(other.cases)
        self.results.update(other.results)
        self.verified.update(other.verified)
        self.failing += other.failing
        self.disagreements += other.disagreements


@dataclass(frozen=True, kw_only=True)
class FailureSummary:
    """One failure in a run record; `found` is the spec as found, `folder` where the failure is saved."""

    fingerprint: str
    operator: str
    check: str
    symptom: str
    found: str
    minimal: str
    folder: str
    message: str
    cases: int


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
    seconds : float
        Wall clock.
    counts : dict
        Number of results by verdict.
    checks : list of CheckCounts
        The same by operator and check.
    failures : list of FailureSummary
        Distinct failures.
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
    seconds: float
    counts: dict[str, int]
    checks: list[CheckCounts]
    failures: list[FailureSummary]
    oracles_disagree: list[Disagreement]
    versions: dict[str, str]


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
    bad = counts["failed"] + counts["crashed"] + counts["timed_out"]
    if bad:
        return "fails", f"{len(tally.failing)} of {tally.cases.total()} cases fail"
    absent = list(missing)
    if absent:
        return "insufficient", f"the subject has no {', '.join(absent)}"
    for operator in operators:
        cases, verified = tally.cases[operator], tally.verified[operator]
        if 2 * verified < cases or not cases:
            return "insufficient", f"{operator}: only {verified} of {cases} cases verified anything; half are needed"
    reason = f"{counts['passed']} checks passed on {tally.cases.total()} cases"
    silent = [
        f"{operator} {check}"
        for operator in operators
        for check in CHECKS
        if tally.results[operator, check, "unsupported"] and not tally.results[operator, check, "passed"]
    ]
    if tally.disagreements:
        reason += f", {len(tally.disagreements)} left open as the oracles disagree"
    return "conforms", reason + (f" (unsupported, so not judged: {', '.join(silent)})" if silent else "")
