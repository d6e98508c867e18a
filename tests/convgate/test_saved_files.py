"""Files of earlier versions still load, and specs still stand for the same data."""

import hashlib
from pathlib import Path

import pytest

from convgate.cases.case import values_of
from convgate.cases.spec import format_spec, parse_spec
from convgate.diagnosis.store import list_failures, load_failure, unreadable_failures
from convgate.report.formats import FORMATS
from convgate.run.merge import load_record, merge
from convgate.run.replay import targets_of
from convgate.run.summary import summary_of
from convgate.sources.corpus import read_corpus

SAVED = Path(__file__).parents[1] / "fixtures" / "saved"
SPECS = [line.split(" ", 1) for line in (SAVED / "specs.txt").read_text().splitlines()]


@pytest.mark.parametrize(("digest", "spec"), SPECS, ids=[spec for _, spec in SPECS])
def test_a_spec_stands_for_the_same_case_and_data(digest: str, spec: str) -> None:
    case = parse_spec(spec)
    assert format_spec(case) == spec
    data = hashlib.sha256()
    for name, array in sorted(values_of(case).items()):
        data.update(f"{name} {array.dtype} {array.shape} {array.strides}".encode() + array.tobytes())
    assert data.hexdigest()[:16] == digest


def test_a_saved_failure_is_read_and_can_be_replayed() -> None:
    ((folder, failure),) = list_failures(SAVED / "reports")
    assert unreadable_failures(SAVED / "reports") == []
    assert load_failure(folder) == failure
    assert folder.name == failure.folder_name
    assert failure.when is not None
    assert failure.when.conditions == ("padding_w > 0",)
    (target,) = targets_of(str(folder), SAVED / "reports", None, "impl", "")
    assert (target.spec, target.subject) == ("col2im:p0x1:points@columns.0.1", "mine:wrong")


def test_a_run_record_is_read_merged_and_written_in_every_format() -> None:
    record = load_record(SAVED / "run.json")
    assert (record.verdict, record.cases, len(record.failures)) == ("fails", 129, 1)
    assert merge([record, record]).cases == 258
    summary = summary_of(record)
    assert all("col2im" in form.render(summary) for form in FORMATS.values())


def test_a_regression_corpus_is_read() -> None:
    assert [format_spec(case) for case in read_corpus(SAVED / "reports")] == ["col2im:w3p0x70", "im2col:w3p0x70"]
