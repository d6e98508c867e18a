"""What the cases of a run come to: counted, added up, and judged as a whole."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from convgate.judging.checks import CHECKS, OUTPUTS
from convgate.results.record import MAX_UNSUPPORTED, Caveats, CheckCounts, JudgedCase, operator_of, refusals
from convgate.results.verdicts import FAILING, VERDICTS, Result

__all__ = [
    "Tally",
    "caveats_of",
    "conforming_reason",
    "counts_by_check",
    "total_counts",
    "verdict_of",
    "verdict_of_case",
]

# The oracles may disagree on up to MOST_OPEN cases, or one in ONE_OPEN_IN if that is more.
MOST_OPEN, ONE_OPEN_IN = 5, 1_000


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
    refused : Counter
        Operator to number of cases on which the subject raised NotImplementedError, although its ``supports`` let them
        through. Special values do not count: no ``supports`` can speak of data.
    claimed : Counter
        Operator to number of cases that do not fail by the subject's own ``error_factor``.
    factors : dict
        Operator to the largest such factor that was believed, and the largest that was claimed.
    """

    cases: Counter[str] = field(default_factory=Counter)
    results: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    verified: Counter[str] = field(default_factory=Counter)
    judged: list[JudgedCase] = field(default_factory=list)
    failing: list[tuple[str, Result]] = field(default_factory=list)
    disagreements: list[tuple[str, Result]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    claimed: Counter[str] = field(default_factory=Counter)
    factors: dict[str, tuple[float, float]] = field(default_factory=dict)

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
        """Count one case, of a network's layer if it has a name."""
        self.cases[operator] += 1
        for result in results:
            self.results[operator, result.check, result.verdict] += 1
            if result.verdict == "oracles_disagree":
                self.disagreements.append((spec, result))
        verdict = verdict_of_case(results, primary)
        self.verified[operator] += verified(results)
        one = any(result.one_oracle for result in results)
        self.judged.append(
            JudgedCase(spec=spec, verdict=verdict, seconds=round(seconds, 5), layer=layer, one_oracle=one)
        )
        self.refused[operator] += any(result.refused and result.check != "special_values" for result in results)
        by_claim = [result for result in results if result.factor is not None and result.verdict not in FAILING]
        self.claimed[operator] += bool(by_claim)
        for result in by_claim:
            self.raise_factors(operator, (result.factor or 0.0, result.claim or 0.0))
        if primary is not None:
            self.failing.append((spec, primary))

    def raise_factors(self, operator: str, factors: tuple[float, float]) -> None:
        """Keep the larger of two factors, believed and claimed."""
        (believed, claimed), (other, another) = self.factors.get(operator, (0.0, 0.0)), factors
        self.factors[operator] = (max(believed, other), max(claimed, another))

    def merge(self, other: "Tally") -> None:
        """Add another tally to this one."""
        self.cases.update(other.cases)
        self.results.update(other.results)
        self.verified.update(other.verified)
        self.judged += other.judged
        self.failing += other.failing
        self.disagreements += other.disagreements
        self.refused.update(other.refused)
        self.claimed.update(other.claimed)
        for operator, factors in other.factors.items():
            self.raise_factors(operator, factors)

    def valid(self, operator: str) -> int:
        """Number of cases of an operator without those that must be rejected."""
        rejected = sum(self.results[operator, "invalid_arguments", verdict] for verdict in VERDICTS)
        return self.cases[operator] - rejected


def verified(results: Sequence[Result]) -> bool:
    """Whether a check of the values passed, and the oracles agree.

    Where the subject's own claim lets a wrong output pass, relations between its outputs do not make up for it: what is
    too small everywhere keeps most of them.
    """
    outputs = [result for result in results if result.check in OUTPUTS]
    if any(each.verdict == "vacuous" and each.factor is not None for each in outputs):
        results = outputs
    seen = [result for result in results if CHECKS[result.check].of_values or result.verdict != "passed"]
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


def total_counts(tally: Tally) -> dict[str, int]:
    """Number of results by verdict, all verdicts named."""
    counts = dict.fromkeys(VERDICTS, 0)
    for (_, _, verdict), number in tally.results.items():
        counts[verdict] += number
    return counts


def counts_by_check(tally: Tally, operators: Iterable[str]) -> list[CheckCounts]:
    """Number of results by operator, check and verdict, in the order of operators and checks; those of plugins last."""
    found = []
    for operator in operators:
        others = (check for name, check, _ in tally.results if name == operator)
        for check in dict.fromkeys([*CHECKS, *others]):
            counts = {verdict: tally.results[operator, check, verdict] for verdict in VERDICTS}
            if any(counts.values()):
                found.append(CheckCounts(operator=operator, check=check, counts=counts))
    return found


def caveats_of(tally: Tally, operators: Iterable[str]) -> list[Caveats]:
    """What the verdict on each operator leaves out, leaves open, or takes the subject's word for."""
    open_cases, alone = Counter[str](), Counter[str]()
    for each in tally.judged:
        operator = operator_of(each.spec)
        open_cases[operator] += each.verdict == "oracles_disagree"
        alone[operator] += each.one_oracle
    found = []
    for operator in operators:
        believed, claim = tally.factors.get(operator, (0.0, 0.0))
        row = Caveats(
            operator=operator,
            cases=tally.valid(operator),
            refused=tally.refused[operator],
            left_open=open_cases[operator],
            one_oracle=alone[operator],
            claimed=tally.claimed[operator],
            error_factor=believed,
            claim=claim,
        )
        found.append(row)
    return found


def too_many_open(caveats: Iterable[Caveats]) -> str:
    """The sentence about more open cases than allowed, over all operators or for one; empty if there are few.

    On most data oracles agree to the last bit, so one that is wrong, or that the subject has changed, shows in more
    cases than a few. A few are left to conventions on which nobody was asked.
    """
    caveats = list(caveats)
    for rows, where in ((caveats, ""), *(([row], f"{row.operator}: ") for row in caveats)):
        left, cases = sum(row.left_open for row in rows), sum(row.cases for row in rows)
        most = max(MOST_OPEN, cases // ONE_OPEN_IN)
        if left > most:
            return f"{where}{left} of {cases} cases are left open, as the oracles disagree; at most {most} may be"
    return ""


def too_much_refused(caveats: Iterable[Caveats], max_unsupported: float) -> str:
    """The sentence about an operator on which more is refused than allowed; empty if there is none."""
    for row in caveats:
        if 100 * row.refused > max_unsupported * row.cases:
            return (
                f"{row.operator}: NotImplementedError on {refusals(row)}, which supports() let through; "
                f"at most {max_unsupported:g} % is allowed"
            )
    return ""


def verdict_of(
    tally: Tally,
    operators: Sequence[str],
    missing: Iterable[str],
    *,
    max_unsupported: float = MAX_UNSUPPORTED,
    stopped: str = "",
) -> tuple[str, str]:
    """The verdict of a run and its reason.

    A run verifies enough if the oracles agree on all but a few cases and if, for every operator in it, at least half of
    the cases have a check that passed with something to see, and few are refused by NotImplementedError. Less means
    that the subject refuses much of what it is asked; a subject that is meant for few problems says so with
    ``supports``, and is then asked only about these.

    Parameters
    ----------
    tally : Tally
        Of the whole run.
    operators : sequence of str
        The operators judged.
    missing : iterable of str
        Operators that were asked for by name, but that the subject does not have.
    max_unsupported : float
        How many percent of an operator's cases may be refused by NotImplementedError.
    stopped : str
        Why the run was stopped before all cases were judged, if it was: then it does not conform.
    """
    counts = total_counts(tally)
    if any(counts[verdict] for verdict in FAILING):
        failing = f"{len(tally.failing)} of {tally.cases.total()} cases fail"
        return "fails", f"{failing}; {stopped}" if stopped else failing
    if stopped:
        return "insufficient", stopped
    absent = list(missing)
    if absent:
        return "insufficient", f"the subject has no {', '.join(absent)}"
    if not operators:
        return "insufficient", "no case was judged"
    for operator in operators:
        if not tally.cases[operator]:
            return "insufficient", f"{operator}: no case was judged, as the subject's supports() excludes them all"
    caveats = caveats_of(tally, operators)
    lacking = too_many_open(caveats) or too_much_refused(caveats, max_unsupported)
    if lacking:
        return "insufficient", lacking
    for operator in operators:
        # what is rejected as invalid says nothing of values
        cases = tally.valid(operator)
        verified = tally.verified[operator] - tally.results[operator, "invalid_arguments", "passed"]
        if 2 * verified < max(1, cases):
            return "insufficient", f"{operator}: only {verified} of {cases} cases verified anything; half are needed"
    return "conforms", conforming_reason(tally, operators)


def conforming_reason(tally: Tally, operators: Sequence[str]) -> str:
    """How many checks passed on how many cases, what the subject's word was taken for, and what was left open."""
    reason = f"{total_counts(tally)['passed']} checks passed on {tally.cases.total()} cases"
    silent = [
        f"{operator} {check}"
        for operator in operators
        for check in CHECKS
        if tally.results[operator, check, "unsupported"] > tally.results[operator, check, "passed"]
    ]
    caveats = caveats_of(tally, operators)
    claimed = sum(row.claimed for row in caveats)
    if claimed:
        factor = max(row.error_factor for row in caveats)
        reason += f", by the subject's own error_factor up to {factor:.0f} on {claimed} cases"
    left = sum(row.left_open for row in caveats)
    if left:
        reason += f", {left} left open as the oracles disagree"
    refused = [f"{refusals(row)} of {row.operator}" for row in caveats if row.refused]
    if refused:
        reason += f", NotImplementedError on {' and '.join(refused)}"
    return reason + (f" (mostly unsupported, so hardly judged: {', '.join(silent)})" if silent else "")
