"""Observations: a line of JSON for each judged case, in the form that Hypothesis's observability has.

What reads that form, the viewer Tyche among others, then shows how cases and verdicts spread over the shape classes.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from convgate.cases.case import Case
from convgate.cases.spec import parse_spec
from convgate.report.words import fails_when, in_words
from convgate.results.record import JudgedCase, RunRecord
from convgate.results.verdicts import FAILING
from convgate.shapes.features import features_of, vector_of

__all__ = ["render"]

REASONS = {"vacuous": "what it should give is empty or all zero", "unsupported": "the subject does not have this"}


def render(record: RunRecord) -> str:
    """All cases in the order in which they were judged, a line each."""
    return b"".join(msgspec.json.encode(each) + b"\n" for each in observations(record)).decode()


def observations(record: RunRecord) -> Iterator[dict[str, Any]]:
    """The same as data.

    Raises
    ------
    SpecError
        If a case of the record cannot be read.
    """
    run_start = datetime.fromisoformat(record.started_at).timestamp()
    how = f"convgate, profile {record.profile}, seed {record.seed}"
    messages = {(each.spec, "oracles_disagree"): each.message for each in record.oracles_disagree}
    for failure in record.failures:
        when = fails_when(failure)
        said = f"{failure.check}, {failure.symptom}: {f'{when}; ' if when else ''}{failure.message}"
        messages |= {(failure.found, verdict): said for verdict in FAILING}
    for judged in record.judged:
        case = parse_spec(judged.spec)
        yield {
            "type": "test_case",
            "run_start": run_start,
            "property": f"{case.problem.operator} ({record.subject})",
            "status": status_of(judged),
            "status_reason": reason_of(judged, messages),
            "representation": judged.spec,
            "arguments": msgspec.to_builtins(case),
            "how_generated": how,
            "features": classes_of(case),
            "timing": {"execute:test": judged.seconds},
            "coverage": None,
            "metadata": {
                "subject": record.subject,
                "verdict": judged.verdict,
                **({"layer": judged.layer} if judged.layer else {}),
                **({"oracles": "the definition alone"} if judged.one_oracle else {}),
            },
        }


def classes_of(case: Case) -> dict[str, str]:
    """The shape classes of a case in words, by feature; none of an invalid problem."""
    vector = vector_of(case)
    if vector is None:
        return {}
    features = features_of(case.problem.operator)
    return {feature.name: feature.classes[number] for feature, number in zip(features, vector, strict=True)}


def status_of(judged: JudgedCase) -> str:
    """The verdict as the form knows it."""
    if judged.verdict in FAILING:
        return "failed"
    return "passed" if judged.verdict == "passed" else "gave_up"


def reason_of(judged: JudgedCase, messages: Mapping[tuple[str, str], str]) -> str:
    """Why a case did not pass, as far as the record tells: of failing cases it has the message of some."""
    if judged.verdict == "passed":
        return ""
    words = in_words(judged.verdict)
    said = messages.get((judged.spec, judged.verdict)) or REASONS.get(judged.verdict)
    return f"{words}: {said}" if said else words
