"""The output formats of a run.

Each is an option of gate and of report: ``--json FILE`` and so on. To add one, add a file here and a line below, or an
entry point of another package in the group ``convgate.formats``.
"""

from collections.abc import Callable
from dataclasses import dataclass

from convgate.plugins import Table
from convgate.report import html, json, junit, markdown, observations
from convgate.results.summary import Summary

__all__ = ["FORMATS", "Format"]


@dataclass(frozen=True)
class Format:
    """A format: its option, a description for the help, and the function that renders a run's summary as text."""

    name: str
    what: str
    render: Callable[[Summary], str]


# Names of the other options and arguments of gate and report.
OPTIONS = (
    "case_seconds",
    "help",
    "jobs",
    "max_time",
    "max_unsupported",
    "operators",
    "profile",
    "reports",
    "require",
    "required",
    "run",
    "schema",
    "seed",
    "subject",
)
FORMATS = Table(
    "convgate.formats",
    Format,
    (
        Format("json", "the run record", json.render),
        Format("html", "an HTML report", html.render),
        Format("junit", "test results in JUnit XML", junit.render),
        Format("markdown", "a summary in Markdown", markdown.render),
        Format("observations", "every case as JSON Lines, in Hypothesis's observability format", observations.render),
    ),
    taken=OPTIONS,
)
