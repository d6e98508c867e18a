"""A one-screen summary in GitHub Markdown, for GITHUB_STEP_SUMMARY, a pull request or a wiki.

Foreign text is shown as code, so nothing in it becomes markup, a link or a mention.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from convgate.report.words import (
    case_counts,
    fails_when,
    in_words,
    notes_of,
    occurring,
    title_of,
    way_counts,
)
from convgate.results.coverage import STRENGTHS, percent
from convgate.results.failure import replay_line
from convgate.results.foreign_text import code, cut, fenced, visible
from convgate.results.record import RunRecord, SavedFailure, WayCount
from convgate.results.summary import Summary

__all__ = ["escaped", "render", "row"]

# A step may write up to 1 MiB; this stays far below.
MOST_FAILURES = 10
MOST_CHARACTERS = 2_000
# Most cases with disagreeing oracles that are listed, and most characters for each.
OPEN_SHOWN, MOST_OF_OPEN = 500, 300


def render(summary: Summary) -> str:
    """Render the verdict, the failures, and the counts and coverage."""
    record = summary.record
    return "\n\n".join(parts(record)) + "\n"


def parts(record: RunRecord) -> Iterator[str]:
    """The blocks of the summary."""
    yield f"## convgate: {code(cut(record.subject, MOST_CHARACTERS))} {escaped(record.verdict)}"
    profile = escaped(record.profile)
    yield f"**{escaped(record.reason)}**, in {record.seconds:.1f} s (profile {profile}, seed {record.seed})."
    notes = notes_of(record)
    if notes:
        yield "\n".join(f"- {escaped(note)}." for note in notes)
    yield from map(block_of, record.failures[:MOST_FAILURES])
    more = len(record.failures) - MOST_FAILURES
    if more > 0:
        yield f"And {more} more failure{'s' if more > 1 else ''}."
    if record.oracles_disagree:
        yield "### Left open: the oracles disagree"
        yield open_cases(record)
    if record.operators:
        yield table_of(record)
        yield "Cases by verdict, and coverage of the feasible combinations of shape classes."


def block_of(failure: SavedFailure) -> str:
    """One failure."""
    when = fails_when(failure)
    lines = [f"### {escaped(title_of(failure))}"]
    if when:
        lines.append(f"It {escaped(cut(when, MOST_CHARACTERS))}.")
    lines += [
        fenced(cut(failure.message, MOST_CHARACTERS), "text"),
        fenced(cut(replay_line(failure), MOST_CHARACTERS), "sh"),
    ]
    return "\n\n".join(lines)


def open_cases(record: RunRecord) -> str:
    """The cases on which the oracles disagree, one a line."""
    lines = [f"{each.spec}: {each.check}, {each.message}" for each in record.oracles_disagree[:OPEN_SHOWN]]
    more = len(record.oracles_disagree) - OPEN_SHOWN
    lines += [f"and {more} more in the record"] if more > 0 else []
    return fenced("\n".join(cut(" ".join(visible(line).split()), MOST_OF_OPEN) for line in lines), "text")


def table_of(record: RunRecord) -> str:
    """Cases and coverage by operator."""
    counts, ways = case_counts(record), way_counts(record)
    verdicts = occurring(sum(counts.values(), Counter()))
    head = ["operator", "cases", *map(in_words, verdicts), *(f"{t}-way" for t in STRENGTHS)]
    rows = [row(head), row(["---", *["---:"] * (len(head) - 1)])]
    for operator, of_operator in counts.items():
        numbers = [of_operator.total(), *(of_operator[verdict] for verdict in verdicts)]
        covered = [ways.get(operator, {}).get(t) for t in STRENGTHS]
        shares = [share_of(way) if way else "" for way in covered]
        rows.append(row([escaped(operator), *(f"{number:,}" for number in numbers), *shares]))
    return "\n".join(rows)


def share_of(way: WayCount) -> str:
    """The coverage as counts and a percentage."""
    return f"{way.covered:,} of {way.feasible:,} ({percent(way.covered, way.feasible)})"


def row(cells: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """Text on one line with all Markdown characters escaped."""
    one_line = " ".join(visible(text).split())
    # the empty comment keeps an @ from being a mention
    return re.sub(r"([\\`*_{}\[\]<>#|~&$:])", r"\\\1", one_line).replace("@", "@<!-- -->")
