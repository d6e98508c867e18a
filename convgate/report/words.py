"""What every format says in the same words, and foreign text made fit to be shown."""

import re
import shlex
from collections import Counter

from convgate.checks import VERDICTS
from convgate.coverage import operator_of
from convgate.failures import Failure
from convgate.record import RunRecord, WayCount
from convgate.when import sentence

__all__ = [
    "case_counts",
    "cut",
    "fails_when",
    "in_words",
    "occurring",
    "repro",
    "title_of",
    "visible",
    "way_counts",
]

# What XML forbids, terminals obey and readers do not see: controls but for tabs and new lines, changes of direction,
# halves of characters, and no characters.
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")


def visible(text: str) -> str:
    r"""Text with the characters that cannot be shown written out: an escape as ``\x1b``."""
    return INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def cut(text: str, most: int) -> str:
    """The beginning of a text, and how long the whole is if that is not all."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text):,} characters in all)"


def title_of(failure: Failure) -> str:
    """What failed and how, in a few words."""
    return visible(f"{failure.operator} {failure.check}, {failure.symptom}")


def fails_when(failure: Failure) -> str:
    """The conditions under which it fails, as a sentence without its subject; nothing if they are not known."""
    return visible(sentence(failure.when)) if failure.when is not None else ""


def repro(failure: Failure) -> str:
    """The line that repeats a failure wherever the subject is."""
    return f"convgate replay {shlex.quote(failure.minimal)} --subject {shlex.quote(failure.subject)}"


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
