"""What every format says in the same words."""

from collections import Counter

from convgate.checks import VERDICTS
from convgate.coverage import operator_of
from convgate.failures import Failure, told_when
from convgate.record import RunRecord, WayCount
from convgate.text import visible

__all__ = [
    "case_counts",
    "fails_when",
    "in_words",
    "occurring",
    "title_of",
    "way_counts",
]


def title_of(failure: Failure) -> str:
    """What failed and how, in a few words."""
    return visible(f"{failure.operator} {failure.check}, {failure.symptom}")


def fails_when(failure: Failure) -> str:
    """When it fails, or after what, as a sentence without its subject; nothing if that is not known."""
    return visible(told_when(failure))


def in_words(verdict: str) -> str:
    """A verdict as people write it."""
    return verdict.replace("_", " ")


def case_counts(record: RunRecord) -> dict[str, Counter[str]]:
    """Number of cases by operator and verdict."""
    counts: dict[str, Counter[str]] = {operator: Counter() for operator in record.operators}
    for each in record.judged:
        counts.setdefault(operator_of(each.spec), Counter())[each.verdict] += 1
    return counts


def occurring(counts: Counter[str]) -> list[str]:
    """The verdicts that a table shows: those that occur, and always passed and failed."""
    return [verdict for verdict in VERDICTS if counts[verdict] or verdict in {"passed", "failed"}]


def way_counts(record: RunRecord) -> dict[str, dict[int, WayCount]]:
    """Coverage by operator and strength."""
    found: dict[str, dict[int, WayCount]] = {}
    for way in record.coverage:
        found.setdefault(way.operator, {})[way.t] = way
    return found
