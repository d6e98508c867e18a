"""What every format says in the same words."""

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


def layer_counts(record: RunRecord) -> Counter[str]:
    """Number of layers of networks by operator."""
    layers = {(operator_of(each.spec), each.layer) for each in record.judged if each.layer}
    return Counter(operator for operator, _ in layers)


def occurring(counts: Counter[str]) -> list[str]:
    """The verdicts that a table shows: those that occur, and always passed and failed."""
    return [verdict for verdict in VERDICTS if counts[verdict] or verdict in {"passed", "failed"}]


def way_counts(record: RunRecord) -> dict[str, dict[int, WayCount]]:
    """Coverage by operator and strength."""
    found: dict[str, dict[int, WayCount]] = {}
    for way in record.coverage:
        found.setdefault(way.operator, {})[way.t] = way
    return found


def notes_of(record: RunRecord) -> list[str]:
    """What the verdict leaves out, leaves open or takes the subject's word for, a sentence each without its stop."""
    found = []
    for row in record.caveats:
        if row.claimed:
            most = f"up to {row.error_factor:.0f}"
            if row.claim > row.error_factor:
                most += f" (it claims up to {row.claim:.0f}, which is more than such algorithms can need)"
            found.append(f"{row.claimed} of {row.cases} cases of {row.operator} rest on its own error_factor, {most}")
    for row in record.caveats:
        if row.refused:
            allowed = "" if record.max_unsupported is None else f"; at most {record.max_unsupported:g} % is allowed"
            found.append(
                f"NotImplementedError on {refusals(row)} of {row.operator}, which supports() let through{allowed}"
            )
    found += [
        f"{row.left_open} of {row.cases} cases of {row.operator} left open, as the oracles disagree"
        for row in record.caveats
        if row.left_open
    ]
    alone = [row for row in record.caveats if row.one_oracle]
    if alone:
        by_operator = ", ".join(f"{row.operator} {row.one_oracle}" for row in alone)
        total = sum(row.one_oracle for row in alone)
        found.append(f"{total} cases judged by the definition alone, as PyTorch has no opinion on them: {by_operator}")
    return [visible(note) for note in found]
