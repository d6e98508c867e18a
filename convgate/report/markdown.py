"""A summary in GitHub's Markdown, a screen long: for GITHUB_STEP_SUMMARY, a pull request or a wiki.

Foreign text stands in code, where nothing in it is markup, a link or a mention.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from convgate.coverage import STRENGTHS, percent
from convgate.record import RunRecord, SavedFailure, WayCount
from convgate.report.words import (
    case_counts,
    cut,
    fails_when,
    in_words,
    occurring,
    repro,
    title_of,
    visible,
    way_counts,
)

__all__ = ["render"]

# A step may write a mebibyte; this stays far below it.
MOST_FAILURES = 10
MOST_CHARACTERS = 2_000


def render(record: RunRecord) -> str:
    """Verdict, counts and coverage, failures."""
    return "\n\n".join(parts(record)) + "\n"


def parts(record: RunRecord) -> Iterator[str]:
    """The blocks of the summary."""
    yield f"## convgate: {code(record.subject)} {escaped(record.verdict)}"
    profile = escaped(record.profile)
    yield f"**{escaped(record.reason)}**, in {record.seconds:.1f} s (profile {profile}, seed {record.seed})."
    yield from map(block_of, record.failures[:MOST_FAILURES])
    more = len(record.failures) - MOST_FAILURES
    if more > 0:
        yield f"And {more} more failures."
    if record.operators:
        yield table_of(record)
        yield "Cases by what they came to, and how many of the feasible combinations of shape classes they cover."


def block_of(failure: SavedFailure) -> str:
    """One failure."""
    when = fails_when(failure)
    lines = [f"### {escaped(title_of(failure))}"]
    if when:
        lines.append(f"It {escaped(cut(when, MOST_CHARACTERS))}.")
    lines += [fenced(failure.message, "text"), fenced(repro(failure), "sh")]
    return "\n\n".join(lines)


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
    """How much is covered."""
    return f"{way.covered:,} of {way.feasible:,} ({percent(way.covered, way.feasible)})"


def row(cells: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """Words of ours on one line, no character of them markup."""
    one_line = " ".join(visible(text).split())
    # the empty comment keeps an @ from being a mention
    return re.sub(r"([\\`*_{}\[\]<>#|~&$:])", r"\\\1", one_line).replace("@", "@<!-- -->")


def code(text: str) -> str:
    """Foreign text within a line."""
    one_line = " ".join(visible(cut(text, MOST_CHARACTERS)).split())
    ticks = "`" * (longest_run(one_line) + 1)
    return f"{ticks} {one_line} {ticks}" if "`" in one_line or not one_line else f"{ticks}{one_line}{ticks}"


def fenced(text: str, language: str) -> str:
    """Foreign text as a block of code."""
    whole = visible(cut(text, MOST_CHARACTERS))
    ticks = "`" * max(3, longest_run(whole) + 1)
    return f"{ticks}{language}\n{whole}\n{ticks}"


def longest_run(text: str) -> int:
    """Length of the longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)
