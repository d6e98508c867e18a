"""Wording that all formats share."""

from collections import Counter

from convgate.results.failure import Failure, told_when
from convgate.results.foreign_text import visible
from convgate.results.record import RunRecord, WayCount, operator_of, refusals
from convgate.results.verdicts import VERDICTS

__all__ = [
    "case_counts",
    "fails_when",
    "in_words",
    "layer_counts",
    "notes_of",
    "occurring",
    "title_of",
    "way_counts",
]


def title_of(failure: Failure) -> str:
    """Operator, check and symptom of a failure."""
    return visible(f"{failure.operator} {failure.check}, {failure.symptom}")


def fails_when(failure: Failure) -> str:
    """When a failure occurs, as a sentence without its subject; empty if that is not known."""
    return visible(told_when(failure))


def in_words(verdict: str) -> str:
    """A verdict in words, without underscores."""
    return verdict.replace("_", " ")


def case_counts(record: RunRecord) -> dict[str, Counter[str]]:
    """Number of cases by operator and verdict."""
    counts: dict[str, Counter[str]] = {operator: Counter() for operator in record.operators}
    for each in record.judged:
        counts.setdefault(operator_of(each.spec), Counter())[each.verdict] += 1
    return counts


def layer_counts(record: RunRecord) -> Counter[str]:
    """Number of network layers by operator."""
    layers = {(operator_of(each.spec), each.layer) for each in record.judged if each.layer}
    return Counter(operator for operator, _ in layers)


def occurring(counts: Counter[str]) -> list[str]:
    """The verdicts that a table shows: passed and failed, and all others that occur."""
    return [verdict for verdict in VERDICTS if counts[verdict] or verdict in {"passed", "failed"}]


def way_counts(record: RunRecord) -> dict[str, dict[int, WayCount]]:
    """Coverage by operator and strength."""
    found: dict[str, dict[int, WayCount]] = {}
    for way in record.coverage:
        found.setdefault(way.operator, {})[way.t] = way
    return found


def notes_of(record: RunRecord) -> list[str]:
    """The caveats of a verdict, one sentence each, without the full stop."""
    found = []
    for row in record.caveats:
        if row.claimed:
            most = f"up to {row.error_factor:.0f}"
            if row.claim > row.error_factor:
                most += f" (the subject claims up to {row.claim:.0f}, more than such algorithms can need)"
            found.append(
                f"{row.claimed} of {row.cases} cases of {row.operator} pass only by the claimed error_factor, {most}"
            )
    for row in record.caveats:
        if row.refused:
            allowed = "" if record.max_unsupported is None else f"; at most {record.max_unsupported:g} % is allowed"
            found.append(
                f"NotImplementedError on {refusals(row)} of {row.operator}, which supports() accepted{allowed}"
            )
    found += [
        f"{row.left_open} of {row.cases} cases of {row.operator} left open because the oracles disagree"
        for row in record.caveats
        if row.left_open
    ]
    alone = [row for row in record.caveats if row.one_oracle]
    if alone:
        by_operator = ", ".join(f"{row.operator} {row.one_oracle}" for row in alone)
        total = sum(row.one_oracle for row in alone)
        found.append(
            f"{total} cases judged only by the definition, because PyTorch does not define them: {by_operator}"
        )
    return [visible(note) for note in found]
