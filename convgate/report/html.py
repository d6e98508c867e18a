"""The run as one self-contained HTML page, which also works without its script."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from convgate.report.words import notes_of
from convgate.results.coverage import STATES, CoverageMap, percent
from convgate.results.failure import told_when
from convgate.results.foreign_text import visible
from convgate.results.record import JudgedCase, RunRecord, operator_of
from convgate.results.summary import Summary
from convgate.results.verdicts import FAILING, VERDICTS

__all__ = ["render"]

SLOWEST = 10
# Most cases with disagreeing oracles that the page lists. The record has all of them.
OPEN_SHOWN = 1_000

# Checks of a plugin that is not installed here.
OTHERS = "Other checks"


@dataclass(frozen=True)
class Counts:
    """Number of results by verdict."""

    by_verdict: Counter[str]

    @property
    def passed(self) -> int:
        """Number of passed results."""
        return self.by_verdict["passed"]

    @property
    def others(self) -> list[tuple[str, int, bool]]:
        """The other verdicts: words, number of results, and whether the verdict is a failure."""
        return [
            (verdict.replace("_", " "), number, verdict in FAILING)
            for verdict in VERDICTS
            if verdict != "passed" and (number := self.by_verdict[verdict])
        ]


def render(summary: Summary) -> str:
    """The page of a run.

    Parameters
    ----------
    summary : Summary
        The run.

    Returns
    -------
    str
        HTML.
    """
    environment = Environment(
        loader=PackageLoader("convgate.report"),
        autoescape=True,  # subjects, messages and specs are foreign
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": "{:,}".format,
        "told_when": told_when,
    }
    record, maps = summary.record, summary.coverage_maps()
    style, script = part("style.css"), part("script.js")
    return environment.get_template("page.html").render(
        record=record,
        reason=reason_in_words(record),
        covered=coverage_in_words(maps),
        judged=judged_in_words(summary),
        notes=notes_of(record),
        layers={each.spec: each.layer for each in record.judged if each.layer},
        most_open=OPEN_SHOWN,
        command=summary.command,
        failing=Counter(failure.operator for failure in record.failures),
        oracles={**summary.oracles, OTHERS: others_of(summary)},
        counts=counts_of(summary),
        pairs_share=percent(*total(maps, 2)),
        percent=percent,
        maps=maps,
        states=STATES,
        details={each.operator: each.details for each in maps},
        slowest=list(slowest(record)),
        bad=FAILING,
        style=Markup(style),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704
        style_hash=content_hash(style),
        script_hash=content_hash(script),
    )


def shown(value: object) -> object:
    """The value of a template expression, with invisible characters of text escaped."""
    return visible(value) if type(value) is str else value


def part(name: str) -> str:
    """The text of a file that the page includes unchanged."""
    return (files("convgate.report") / "templates" / name).read_text(encoding="utf-8")


def content_hash(text: str) -> str:
    """The source expression that allows this inline script or style in a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def total(maps: Iterable[CoverageMap], t: int) -> tuple[int, int]:
    """Number of covered and of feasible combinations of `t` features, over all operators."""
    counts = [count for each in maps for count in each.counts if count.t == t]
    return sum(count.covered for count in counts), sum(count.feasible for count in counts)


def coverage_in_words(maps: Sequence[CoverageMap]) -> str:
    """One sentence about the coverage of pairs and triples."""
    words = []
    for t, name in ((2, "feasible pairs of shape classes"), (3, "triples")):
        covered, feasible = total(maps, t)
        words.append(f"all {feasible:,} {name}" if covered == feasible else f"{covered:,} of {feasible:,} {name}")
    return f"The cases cover {' and '.join(words)}."


def reason_in_words(record: RunRecord) -> str:
    """The reason as the start of a sentence, with digits grouped; operator names keep their lower case."""
    text = re.sub(r"\b\d{4,}\b", lambda found: f"{int(found[0]):,}", record.reason)
    return text if text.startswith(tuple(record.operators)) else text[:1].upper() + text[1:]


def judged_in_words(summary: Summary) -> str:
    """One sentence that names the operators, oracles and profile."""
    record = summary.record
    checks = {row.check for row in record.checks}
    against = [name[0].lower() + name[1:] for name, asked in summary.oracles.items() if checks & asked.keys()]
    return f"{listed(record.operators)}, compared with {listed(against)}, in profile {record.profile}."


def listed(words: Sequence[str]) -> str:
    """Words joined by commas and "and"."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words) or "nothing"


def counts_of(summary: Summary) -> dict[tuple[str, str], Counts]:
    """Verdicts by operator and check; under "" those of all operators, by check and by the oracle's name."""
    oracle_of = {check: name for name, asked in summary.oracles.items() for check in asked}
    found: dict[tuple[str, str], Counts] = {}
    for row in summary.record.checks:
        for key in ((row.operator, row.check), ("", row.check), ("", oracle_of.get(row.check, OTHERS))):
            found.setdefault(key, Counts(Counter())).by_verdict.update(row.counts)
    return found


def others_of(summary: Summary) -> dict[str, str]:
    """Checks of the record that are not installed here."""
    known = {check for asked in summary.oracles.values() for check in asked}
    return {row.check: "not installed here" for row in summary.record.checks if row.check not in known}


def slowest(record: RunRecord) -> Iterator[tuple[JudgedCase, str, bool]]:
    """The slowest cases of each operator, with the operator and whether they are among the slowest of all."""
    by_time = sorted(record.judged, key=lambda case: case.seconds, reverse=True)
    seen: Counter[str] = Counter()
    for rank, case in enumerate(by_time):
        operator = operator_of(case.spec)
        seen[operator] += 1
        if seen[operator] <= SLOWEST:
            yield case, operator, rank < SLOWEST
