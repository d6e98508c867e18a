"""Annotations: workflow commands that GitHub Actions reads from standard output and shows with the run.

There is no SARIF output: it requires locations in source files, and a subject is judged from outside.
"""

from convgate.report.words import fails_when, title_of
from convgate.results.failure import replay_line
from convgate.results.foreign_text import cut, visible
from convgate.results.summary import Summary

__all__ = ["render"]

# GitHub shows no more annotations for one step.
MOST = 10
MOST_CHARACTERS = 2_000


def render(summary: Summary) -> str:
    """An error for each failure, and one if too little was verified; nothing for a subject that conforms."""
    record = summary.record
    if record.verdict == "insufficient":
        return command("convgate: too little was verified", record.reason)
    failures = record.failures
    shown = failures if len(failures) <= MOST else failures[: MOST - 1]
    lines = []
    for failure in shown:
        parts = (fails_when(failure), cut(failure.message, MOST_CHARACTERS), replay_line(failure))
        lines.append(command(title_of(failure), "\n".join(part for part in parts if part)))
    if len(shown) < len(failures):
        lines.append(command("convgate", f"and {len(failures) - len(shown)} more failures"))
    return "".join(lines)


def command(title: str, message: str) -> str:
    """One annotation, escaped as the runner unescapes it."""
    return f"::error title={escaped_property(visible(title))}::{escaped(visible(message))}\n"


def escaped(text: str) -> str:
    """Text on one line."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escaped_property(text: str) -> str:
    """Text on one line, for a property: there colons and commas end a value."""
    return escaped(text).replace(":", "%3A").replace(",", "%2C")
