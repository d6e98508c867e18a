"""Subjects are judged together; one that dies takes no other with it, and nobody is taken for dead too soon."""

from collections.abc import Callable
from pathlib import Path

import pytest

from convgate.judging.subjects.loader import LOCAL
from convgate.run.shards import Shard
from convgate.run.tasks import prepare
from convgate.run.workers import open_workers
from convgate.selftest import batch as together
from convgate.selftest.batch import Asked, CorrectFailsError, answered, judge_together, submit
from convgate.selftest.faults import CATALOGUE, Fault, subject_name

CORRECT = "local:convgate.selftest.faults:correct"
FAULT = CATALOGUE["im2col_puts_images_slowest"]
BOTH = frozenset({"im2col"})
SHARD = Shard("im2col", specs=("im2col:w2", "im2col:n2w2", "im2col:n3w3"))

HANGS = """
import time

def im2col(*arguments, **options):
    time.sleep(60)
"""
# as if the machine stood still when it was asked for the first time
STALLS = """
import time
from pathlib import Path
import impl

ASKED = Path(__file__).with_suffix(".asked")

def im2col(*arguments, **options):
    if not ASKED.exists():
        ASKED.touch()
        time.sleep(60)
    return impl.im2col(*arguments, **options)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Asked]:
    """Write a module that is asked for as a subject."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, source: str) -> Asked:
        (tmp_path / f"{name}.py").write_text(source)
        return Asked(f"local:{name}", BOTH, quick=False)

    return write


def asked(fault: Fault, *, quick: bool = False) -> Asked:
    return Asked(LOCAL + subject_name(fault), BOTH, quick)


def test_all_failing_cases_are_told_with_all_checks_or_the_first_if_that_is_enough() -> None:
    name = LOCAL + subject_name(FAULT)
    part = judge_together(CORRECT, [asked(FAULT)], SHARD)
    assert [(each.number, each.spec) for each in part.findings[name]] == [(1, "im2col:n2w2"), (2, "im2col:n3w3")]
    assert len(part.seconds) == len(SHARD.specs)
    assert part.findings[name][0].primary.check == part.findings[name][0].checks[0] == "forward"
    quick = judge_together(CORRECT, [asked(FAULT, quick=True)], SHARD)
    assert quick.findings[name] == part.findings[name][:1]


def test_what_finds_a_fault_finds_it_without_pytorch_which_is_asked_once_for_each_check() -> None:
    first, second = judge_together(CORRECT, [asked(FAULT)], SHARD).findings[LOCAL + subject_name(FAULT)]
    assert first.without_torch == first.checks
    assert set(second.without_torch) == set(second.checks) - set(first.checks)


def test_one_that_hangs_is_told_from_one_that_stood_still_once_and_from_one_that_fails(
    module: Callable[[str, str], Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "SHARED_SECONDS", 1.0)
    monkeypatch.setattr(together, "SECONDS_EACH", 0.5)
    several = [module("hangs_always", HANGS), module("stood_still", STALLS), asked(FAULT)]
    with open_workers(2, prepare, CORRECT) as workers:
        part = answered(workers, submit(workers, CORRECT, several, SHARD), CORRECT, several, SHARD)
    assert part.dead == {"local:hangs_always"}
    assert len(part.findings[LOCAL + subject_name(FAULT)]) == 2
    assert part.findings["local:stood_still"] == ()


def test_nothing_is_learnt_if_the_correct_subject_does_not_come_back(
    module: Callable[[str, str], Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "SHARED_SECONDS", 1.0)
    correct = module("never_back", HANGS).subject
    with open_workers(1) as workers, pytest.raises(CorrectFailsError, match="never_back did not come back"):
        answered(workers, submit(workers, correct, [], SHARD), correct, [], SHARD)


def test_a_subject_that_cannot_be_loaded_is_as_good_as_dead() -> None:
    part = judge_together(CORRECT, [Asked("no_such_subject", BOTH, quick=True)], SHARD)
    assert part.dead == {"no_such_subject"}
    assert not part.findings
