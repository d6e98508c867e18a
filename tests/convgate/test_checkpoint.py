"""What has been judged of an interrupted run is read back whole, and only where nothing has changed."""

from dataclasses import replace
from pathlib import Path

import pytest

import convgate
from convgate.selftest import checkpoint
from convgate.selftest.checkpoint import NOT_JUDGING, CheckpointError, add_line, key_of, read_lines
from convgate.selftest.faults import CATALOGUE, Edit
from convgate.selftest.qualification import Explained, JudgedFault, Kill

FAULT = CATALOGUE["im2col_steps_by_three_columns_at_most"]
JUDGED = JudgedFault(
    name=FAULT.name,
    bug_class=31,
    operator="im2col",
    stage="forward",
    depth=1,
    diff="- sw\n+ min(sw, 3)",
    smallest=FAULT.spec,
    trigger=FAULT.when,
    kills={"forward": Kill(case=5, spec="im2col:w5s1x4", seconds=0.25)},
    without_torch=("forward",),
    usual=False,
    failures=(Explained(check="forward", symptom="wrong value", minimal="im2col:w5s1x4", conditions=FAULT.when),),
    exact=True,
    small=None,
)
OTHER = replace(JUDGED, name="im2col_another", kills={}, failures=())


def test_what_is_added_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.jsonl"
    assert read_lines(path, {JUDGED.name: "a"}) == {}
    add_line(path, "a", JUDGED)
    add_line(path, "b", OTHER)
    assert read_lines(path, {JUDGED.name: "a", OTHER.name: "b"}) == {JUDGED.name: JUDGED, OTHER.name: OTHER}
    assert path.read_bytes().count(b"\n") == 2


def test_what_has_another_key_or_was_not_asked_for_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    add_line(path, "a", JUDGED)
    add_line(path, "b", OTHER)
    assert read_lines(path, {JUDGED.name: "changed"}) == {}
    add_line(path, "changed", replace(JUDGED, usual=True))
    assert read_lines(path, {JUDGED.name: "changed"}) == {JUDGED.name: replace(JUDGED, usual=True)}


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_torn_line_at_the_end_is_not_read_and_gives_way_to_the_next(kept: float, tmp_path: Path) -> None:
    """A process can be killed, and a disk be full, in the middle of a write."""
    path = tmp_path / "run.jsonl"
    add_line(path, "a", JUDGED)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: int(kept * len(whole))])
    assert read_lines(path, {JUDGED.name: "a"}) == {JUDGED.name: JUDGED}
    add_line(path, "b", OTHER)
    assert read_lines(path, {JUDGED.name: "a", OTHER.name: "b"}) == {JUDGED.name: JUDGED, OTHER.name: OTHER}


def test_a_file_of_something_else_is_told_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("milk\neggs\n")
    with pytest.raises(CheckpointError, match=r"notes\.txt has no judged fault in line 1 .* a new name"):
        read_lines(path, {})
    assert path.read_text() == "milk\neggs\n"


def test_the_key_depends_on_the_fault_the_options_and_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on how the fault is called alone."""
    key = key_of(FAULT, profile="pr", seed=0, quick=False)
    assert key == key_of(replace(FAULT), profile="pr", seed=0, quick=False)
    edited = replace(FAULT, edits=(*FAULT.edits, Edit("im2col", "a", "b")))
    others = {
        key_of(edited, profile="pr", seed=0, quick=False),
        key_of(replace(FAULT, when=("stride_w > 2",)), profile="pr", seed=0, quick=False),
        key_of(FAULT, profile="smoke", seed=0, quick=False),
        key_of(FAULT, profile="pr", seed=1, quick=False),
        key_of(FAULT, profile="pr", seed=0, quick=True),
    }
    monkeypatch.setattr(checkpoint, "sources_here", lambda: "changed")
    others.add(key_of(FAULT, profile="pr", seed=0, quick=False))
    assert len(others | {key}) == 7


@pytest.mark.parametrize("name", NOT_JUDGING)
def test_what_no_judgement_depends_on_is_there(name: str) -> None:
    folder = Path(convgate.__path__[0])
    assert any(path.relative_to(folder).as_posix().startswith(name) for path in folder.rglob("*.py"))
