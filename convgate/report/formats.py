"""The formats that a run can be written in."""

from collections.abc import Callable
from dataclasses import dataclass

from convgate.report import html, json, junit, markdown, observations
from convgate.results.summary import Summary

__all__ = ["FORMATS", "Format"]


@dataclass(frozen=True)
class Format:
    """One format: what it is, and the function from a run's summary to the text of a file."""

    what: str
    render: Callable[[Summary], str]


# Each is an option of gate and of report, --json FILE and so on. A further format is a file here and one line below.
FORMATS = {
    "json": Format("the run record", json.render),
    "html": Format("a page to look at", html.render),
    "junit": Format("test results in JUnit XML", junit.render),
    "markdown": Format("a summary in Markdown", markdown.render),
    "observations": Format("every case as JSON Lines, as Hypothesis's observability has them", observations.render),
}
