"""Saved failures: written, read back, listed, and refused with a reason where they cannot be read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from convgate.cases.spec import parse_spec
from convgate.diagnosis.store import (
    FailureFileError,
    fingerprint,
    list_failures,
    load_failure,
    make_failure,
    save_failure,
    unreadable_failures,
)
from convgate.results.failure import Failure, When
from convgate.results.picture import Grid, Picture
from convgate.results.verdicts import Result

MINIMAL = "conv2d:k1x2p0x1:points@x.0.0.0.0@weight.0.0.0.0=-3"
RESULT = Result(
    "forward", "failed", "wrong value", "y[0,0,0,1] must be -3, got 0 (1 of 2 wrong)", "-3", "0", "y", "y[0,0,0,1]"
)
WHEN = When(conditions=("kernel_w even", "padding_w > 0"), having=12, failing=12, others=340, passing=339)
PICTURE = Picture(
    "conv2d(x, weight, None)",
    [Grid("x[0,0]", [["1"]], (0, 0)), Grid("weight[0,0]", [["-3", "0"]], (0, 0))],
    [Grid("expected y[0,0]", [["0", "-3"]], (0, 1)), Grid("actual y[0,0]", [["0", "0"]], (0, 1))],
)


def a_failure(subject: str = "mine:net.conv", result: Result = RESULT, cases: int = 4) -> Failure:
    found = "conv2d:n2k3p1:f32:9"
    return make_failure(subject, found, parse_spec(MINIMAL), result, cases=cases, when=WHEN, picture=PICTURE)


def saved(reports: Path, failure: Failure | None = None) -> Path:
    return save_failure(reports, failure or a_failure(), "print('repro')\n")


def change(folder: Path, **fields: Any) -> None:
    """Change fields of a failure.json as somebody with an editor could."""
    path = folder / "failure.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_failure_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    failure = a_failure()
    assert load_failure(saved(tmp_path, failure)) == failure


@pytest.mark.parametrize(
    "text", ["", "new\nlines\r\n", '\'quotes\' """three"""', "tabs\tand \\ backslashes", "ünïcode ∞ 🎉", "</td>|`"]
)
def test_any_text_in_a_failure_is_read_back(tmp_path: Path, text: str) -> None:
    failure = replace(a_failure(), message=text, expected=text, actual=text, relation=text, subject=text)
    assert load_failure(saved(tmp_path, failure)) == failure


def test_a_failure_tells_all_of_its_case_and_result() -> None:
    failure = a_failure()
    assert (failure.operator, failure.check, failure.symptom) == ("conv2d", "forward", "wrong value")
    assert (failure.minimal, failure.found) == (MINIMAL, "conv2d:n2k3p1:f32:9")
    assert (failure.expected, failure.actual, failure.cases) == ("-3", "0", 4)
    assert failure.message == "x[0,0,0,0] = 1 and weight[0,0,0,0] = -3 must give y[0,0,0,1] = -3, got 0"


def test_the_folder_is_named_after_operator_symptom_and_fingerprint(tmp_path: Path) -> None:
    failure = a_failure()
    folder = saved(tmp_path, failure)
    assert folder == tmp_path / "failures" / f"conv2d-wrong-value-{failure.fingerprint}"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "failure.json", "repro.py"]


def test_a_folder_s_name_needs_no_quoting() -> None:
    failure = a_failure(result=replace(RESULT, symptom="NaN mismatch"))
    assert failure.folder_name == f"conv2d-nan-mismatch-{failure.fingerprint}"


def test_saving_again_replaces_what_was_there(tmp_path: Path) -> None:
    saved(tmp_path)
    again = replace(a_failure(cases=9), picture=replace(PICTURE, call="another call"))
    folder = save_failure(tmp_path, again, "print('again')\n")
    assert [failure.cases for _, failure in list_failures(tmp_path)] == [9]
    assert (folder / "repro.py").read_text() == "print('again')\n"
    assert "another call" in (folder / "README.md").read_text()


def test_a_fingerprint_is_eight_hexadecimal_digits_the_same_every_time() -> None:
    # written down: with another rule a failure that is found again would be saved a second time
    assert fingerprint("impl", parse_spec("conv2d:k1x2"), RESULT) == "cde0a2dd"


@pytest.mark.parametrize("spec", ["conv2d:k1x2p0x1", "conv2d:k1x2p0x1:real:5", "conv2d:k1x2p0x1:points@x.0.0.0.0=9"])
def test_a_fingerprint_does_not_depend_on_the_data(spec: str) -> None:
    assert fingerprint("mine", parse_spec(spec), RESULT) == fingerprint("mine", parse_spec(MINIMAL), RESULT)


def test_a_fingerprint_does_not_depend_on_what_came_out() -> None:
    other = replace(RESULT, message="another", expected="5", actual="6", place="y[0,0,0,0]")
    assert fingerprint("mine", parse_spec(MINIMAL), other) == fingerprint("mine", parse_spec(MINIMAL), RESULT)


@pytest.mark.parametrize(
    ("subject", "spec", "result"),
    [
        ("yours", MINIMAL, RESULT),
        ("mine", "conv2d:k1x2p0x1s2", RESULT),
        ("mine", "conv2d:k1x2p0x1:f32", RESULT),
        ("mine", "conv2d:k1x2p0x1:fortran", RESULT),
        ("mine", MINIMAL, replace(RESULT, check="grad_input")),
        ("mine", MINIMAL, replace(RESULT, symptom="wrong shape")),
    ],
)
def test_a_fingerprint_depends_on_subject_problem_check_and_symptom(subject: str, spec: str, result: Result) -> None:
    assert fingerprint(subject, parse_spec(spec), result) != fingerprint("mine", parse_spec(MINIMAL), RESULT)


def test_the_readme_shows_what_broke_and_how_to_repeat_it(tmp_path: Path) -> None:
    failure = a_failure()
    readme = (saved(tmp_path, failure) / "README.md").read_text()
    assert readme.startswith("# conv2d: wrong value in forward\n")
    assert failure.message in readme
    assert "conv2d(x, weight, None)" in readme
    assert "  0 [-3]           0 [0]" in readme
    assert "It fails when kernel_w even and padding_w > 0 (12 of 12), passes otherwise (339 of 340)." in readme
    assert f"`{MINIMAL}`" in readme
    assert "`conv2d:n2k3p1:f32:9`" in readme
    assert f"convgate replay {MINIMAL} --subject mine:net.conv\n" in readme
    assert "repro.py" in readme
    assert "| failing cases looked at with it | 4 |" in readme


def test_failures_are_listed_newest_first(tmp_path: Path) -> None:
    days = ["2026-01-02T00:00:00+00:00", "2026-01-03T00:00:00+00:00", "2025-12-31T00:00:00+00:00"]
    for number, day in enumerate(days):
        failure = a_failure(f"subject{number}")
        saved(tmp_path, replace(failure, found_at=day))
    listed = list_failures(tmp_path)
    assert [failure.found_at for _, failure in listed] == sorted(days, reverse=True)
    assert all(load_failure(folder) == failure for folder, failure in listed)


def test_the_time_of_a_failure_is_now_in_utc() -> None:
    assert a_failure().found_at.endswith("+00:00")
    assert a_failure().found_at <= a_failure().found_at


def test_without_a_reports_folder_nothing_is_listed(tmp_path: Path) -> None:
    assert list_failures(tmp_path) == []
    assert list_failures(tmp_path / "nowhere") == []


def test_other_folders_and_files_among_the_failures_are_not_listed(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (folder.parent / "notes").mkdir()
    (folder.parent / "notes.txt").write_text("mine")
    left = folder.parent / ".incomplete" / "conv2d-wrong-value-00000000.1"
    left.mkdir(parents=True)
    (left / "failure.json").write_text("{")
    assert [place for place, _ in list_failures(tmp_path)] == [folder]


def refusal(folder: Path) -> str:
    with pytest.raises(FailureFileError) as caught:
        load_failure(folder)
    return str(caught.value)


def test_a_folder_without_a_failure_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere") == (
        f"{tmp_path / 'nowhere'} is no failure's folder (No such file or directory: failure.json)"
    )


@pytest.mark.parametrize("version", [1, 3, 0, "2", None])
def test_a_file_of_another_format_version_is_refused(tmp_path: Path, version: Any) -> None:
    folder = saved(tmp_path)
    change(folder, format_version=version)
    assert refusal(folder) == f"{folder / 'failure.json'} has format version {version!r}; this convgate reads 2"


@pytest.mark.parametrize("length", [0, 1, 100, -3])
def test_a_truncated_file_is_refused(tmp_path: Path, length: int) -> None:
    folder = saved(tmp_path)
    path = folder / "failure.json"
    path.write_bytes(path.read_bytes()[:length])
    assert str(path) in refusal(folder)


@pytest.mark.parametrize("text", ["[]", "3", '"failure"', "null", "{}", "\xff"])
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    folder = saved(tmp_path)
    (folder / "failure.json").write_text(text, encoding="latin-1")
    assert str(folder / "failure.json") in refusal(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [("cases", "four"), ("cases", 1.5), ("subject", 3), ("message", None), ("minimal", ["conv2d"])],
)
def test_a_field_of_the_wrong_type_is_refused_by_its_name(tmp_path: Path, field: str, value: Any) -> None:
    folder = saved(tmp_path)
    change(folder, **{field: value})
    assert str(folder / "failure.json") in refusal(folder)
    assert field in refusal(folder)


def test_a_missing_field_is_refused_by_its_name(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    fields = json.loads((folder / "failure.json").read_text())
    del fields["subject"]
    (folder / "failure.json").write_text(json.dumps(fields))
    assert str(folder / "failure.json") in refusal(folder)
    assert "subject" in refusal(folder)


@pytest.mark.parametrize("spec", ["", "conv9d", "conv2d:k3k3", "im2col:points@weight.0.0.0.0"])
def test_a_minimal_case_that_cannot_be_read_is_refused(tmp_path: Path, spec: str) -> None:
    folder = saved(tmp_path)
    change(folder, minimal=spec)
    message = refusal(folder)
    assert str(folder / "failure.json") in message
    assert repr(spec.partition(":")[0]) in message or repr(spec) in message


def test_one_failure_that_cannot_be_read_is_named_and_the_others_are_listed(tmp_path: Path) -> None:
    whole = saved(tmp_path)
    broken = saved(tmp_path, a_failure("another"))
    (broken / "failure.json").write_text("{")
    assert [folder for folder, _ in list_failures(tmp_path)] == [whole]
    (complaint,) = unreadable_failures(tmp_path)
    assert broken.name in complaint
