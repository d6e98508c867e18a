"""JUnit XML: a test suite for each operator, a test case for each of its checks.

A test case has one result, with all failures of the check, because some readers accept no more. The record has the time
of each case and not of each check, so only the suites have times.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from xml.etree import ElementTree as ET

from convgate.report.words import fails_when, in_words, title_of
from convgate.results.failure import replay_line
from convgate.results.foreign_text import visible
from convgate.results.record import Caveats, RunRecord, SavedFailure, operator_of
from convgate.results.summary import Summary
from convgate.results.verdicts import FAILING

__all__ = ["render"]

KINDS = ("failure", "error", "skipped")
DEATHS = ("crashed", "timed_out")


def render(summary: Summary) -> str:
    """Render a run as JUnit XML."""
    record = summary.record
    operators = dict.fromkeys([*record.operators, *(failure.operator for failure in record.failures)])
    suites = [suite_of(record, operator) for operator in operators]
    if record.verdict == "insufficient":
        suites.append(suite_of_run(record))
    whole = ET.Element("testsuites", name=visible(f"convgate {record.subject}"), time=f"{record.seconds:.3f}")
    for suite in suites:
        cases = suite.findall("testcase")
        suite.set("tests", str(len(cases)))
        for kind, name in zip(KINDS, ("failures", "errors", "skipped"), strict=True):
            suite.set(name, str(len(suite.findall(f"testcase/{kind}"))))
    for name in ("tests", "failures", "errors", "skipped"):
        whole.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    whole.extend(suites)
    ET.indent(whole)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(whole, encoding="unicode")}\n'


def suite_of(record: RunRecord, operator: str) -> ET.Element:
    """The test suite of one operator, with a test case for each check."""
    suite = new_suite(record, operator)
    seconds = sum(each.seconds for each in record.judged if operator_of(each.spec) == operator)
    suite.set("time", f"{seconds:.3f}")
    counts = {row.check: row.counts for row in record.checks if row.operator == operator}
    failures: dict[str, list[SavedFailure]] = defaultdict(list)
    for failure in record.failures:
        if failure.operator == operator:
            failures[failure.check].append(failure)
    for check in dict.fromkeys([*counts, *failures]):
        case = new_case(suite, record, check)
        add_result(case, counts.get(check, {}), failures[check])
    left_open = open_cases(record, operator)
    if left_open:
        ET.SubElement(suite, "system-out").text = visible(left_open)
    return suite


def open_cases(record: RunRecord, operator: str) -> str:
    """The cases on which the oracles disagree, one a line, for one operator or, with "", for all."""
    return "\n".join(
        f"left open, as the oracles disagree: {each.spec}: {each.check}, {each.message}"
        for each in record.oracles_disagree
        if operator in {"", operator_of(each.spec)}
    )


def suite_of_run(record: RunRecord) -> ET.Element:
    """A suite that reports that too little was verified, which is not the result of any check."""
    suite = new_suite(record, "run")
    add(new_case(suite, record, "verified enough"), "error", record.reason, record.verdict, open_cases(record, ""))
    return suite


def new_suite(record: RunRecord, name: str) -> ET.Element:
    """A test suite with properties and no test cases."""
    timestamp = datetime.fromisoformat(record.started_at).replace(tzinfo=None).isoformat()
    suite = ET.Element("testsuite", name=visible(name), timestamp=timestamp)
    properties = ET.SubElement(suite, "properties")
    facts = {"subject": record.subject, "profile": record.profile, "seed": str(record.seed), **record.versions}
    facts |= {key: str(value) for row in record.caveats if row.operator == name for key, value in caveats(row).items()}
    for key, value in facts.items():
        ET.SubElement(properties, "property", name=visible(key), value=visible(value))
    return suite


def caveats(row: Caveats) -> dict[str, float]:
    """The caveats of the verdict on an operator, as properties; only those that are not zero."""
    numbers = {
        "cases_refused": row.refused,
        "cases_left_open": row.left_open,
        "cases_judged_by_one_oracle": row.one_oracle,
        "cases_resting_on_error_factor": row.claimed,
        "error_factor_believed": row.error_factor,
        "error_factor_claimed": row.claim,
    }
    return {name: number for name, number in numbers.items() if number}


def new_case(suite: ET.Element, record: RunRecord, check: str) -> ET.Element:
    """A test case without a result element, which means that it passed."""
    classname = f"convgate.{visible(record.subject)}.{suite.get('name')}"
    return ET.SubElement(suite, "testcase", classname=classname, name=visible(check))


def add_result(case: ET.Element, counts: dict[str, int], failures: Sequence[SavedFailure]) -> None:
    """Add the result of the check to its test case, unless it passed."""
    told = ", ".join(f"{number} {in_words(verdict)}" for verdict, number in counts.items() if number)
    if failures:
        died = any(in_words(verdict) == failure.symptom for verdict in DEATHS for failure in failures)
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        text = "\n\n".join(map(text_of_failure, failures))
        add(case, "error" if died else "failure", failures[0].message + more, failures[0].symptom, text)
    elif any(counts.get(verdict) for verdict in FAILING):
        died = any(counts.get(verdict) for verdict in DEATHS)
        message = f"{told}; the failures of other checks of this operator explain them"
        add(case, "error" if died else "failure", message, "explained elsewhere")
    elif not counts.get("passed"):
        add(case, "skipped", f"nothing was verified: {told}", "not verified")


def add(case: ET.Element, kind: str, message: str, symptom: str, text: str = "") -> None:
    """Add a result element to a test case."""
    found = ET.SubElement(case, kind, message=visible(message), type=visible(symptom))
    found.text = visible(text) or None


def text_of_failure(failure: SavedFailure) -> str:
    """A failure in a few lines."""
    lines = (
        title_of(failure),
        fails_when(failure),
        failure.message,
        replay_line(failure),
        f"minimal: {failure.minimal}",
    )
    return "\n".join(line for line in lines if line)
