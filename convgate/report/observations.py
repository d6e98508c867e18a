"""Observations: a line of JSON for each judged case, in Hypothesis's observability format.

Viewers of this format, such as Tyche, show how cases and verdicts are distributed over the shape classes.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from convgate.report.words import fails_when, in_words
from convgate.results.record import JudgedCase, operator_of
from convgate.results.summary import Summary
from convgate.results.verdicts import FAILING

__all__ = ["render"]

REASONS = {"vacuous": "the expected result is empty or all zero", "unsupported": "the subject does not support this"}


def render(summary: Summary) -> str:
    """Render all cases in the order in which they were judged, one a line."""
    return b"".join(msgspec.json.encode(each) + b"\n" for each in observations(summary)).decode()


def observations(summary: Summary) -> Iterator[dict[str, Any]]:
    """The observation of each case as data.

    Raises
    ------
    SpecError
        If a case of the record cannot be read.
    """
    record = summary.record
    run_start = datetime.fromisoformat(record.started_at).timestamp()
    how = f"convgate, profile {record.profile}, seed {record.seed}"
    messages = {(each.spec, "oracles_disagree"): each.message for each in record.oracles_disagree}
    for failure in record.failures:
        when = fails_when(failure)
        said = f"{failure.check}, {failure.symptom}: {f'{when}; ' if when else ''}{failure.message}"
        messages |= {(failure.found, verdict): said for verdict in FAILING}
    for judged in record.judged:
        facts = summary.case_facts(judged.spec)
        yield {
            "type": "test_case",
            "run_start": run_start,
            "property": f"{operator_of(judged.spec)} ({record.subject})",
            "status": status_of(judged),
            "status_reason": reason_of(judged, messages),
            "representation": judged.spec,
            "arguments": facts.arguments,
            "how_generated": how,
            "features": facts.classes,
            "timing": {"execute:test": judged.seconds},
            "coverage": None,
            "metadata": {
                "subject": record.subject,
                "verdict": judged.verdict,
                **({"layer": judged.layer} if judged.layer else {}),
                **({"oracles": "the definition alone"} if judged.one_oracle else {}),
            },
        }


def status_of(judged: JudgedCase) -> str:
    """The status of a case in the format's terms."""
    if judged.verdict in FAILING:
        return "failed"
    return "passed" if judged.verdict == "passed" else "gave_up"


def reason_of(judged: JudgedCase, messages: Mapping[tuple[str, str], str]) -> str:
    """Why a case did not pass, as far as the record has it: it has the messages of some failing cases only."""
    if judged.verdict == "passed":
        return ""
    words = in_words(judged.verdict)
    said = messages.get((judged.spec, judged.verdict)) or REASONS.get(judged.verdict)
    return f"{words}: {said}" if said else words
