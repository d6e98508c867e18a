"""What a subject carries from call to call: told as such, with a case that makes it, and never as fixed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from convgate.cases.case import Case
from convgate.cases.spec import SpecError, parse_spec
from convgate.diagnosis.reduce import Found
from convgate.diagnosis.store import load_failure, make_failure, save_failure
from convgate.results.failure import Failure, replay_line, told_when
from convgate.results.picture import Picture
from convgate.results.verdicts import Result
from convgate.run.replay import replay, targets_of
from convgate.run.state_leaks import confirmed, paired
from convgate.run.workers import Workers, open_workers

SHAPE = Result("forward", "failed", "wrong shape", "y has another shape", output="y")
NOTHING = Picture("", [], [])
# It keeps the size of its output by all but the dilation.
KEEPS = "convgate.selftest.faults:im2col_keeps_output_sizes_for_other_dilations"
# It is wrong by itself wherever it dilates.
WRONG = "convgate.selftest.faults:im2col_dilates_the_output_size_only"


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with open_workers(1) as found:
        yield found


def found(spec: str, minimal: str, result: Result = SHAPE) -> Found:
    return Found(spec, minimal, result, NOTHING, carried=True)


def test_a_failure_is_carried_if_its_minimal_case_passes_in_a_fresh_process(workers: Workers) -> None:
    spec = "im2col:w3k1x2d1x2"
    value = Result("forward", "failed", "wrong value", "y[1,0] must be 1, got 0", output="y")
    assert [each.carried for each in confirmed(workers, KEEPS, [found(spec, spec)])] == [True]
    assert [each.carried for each in confirmed(workers, WRONG, [found(spec, spec, value)])] == [False]


def test_a_carried_failure_is_told_after_a_case_that_differs_in_what_matters(workers: Workers) -> None:
    """The case that makes it stands among others of the run, larger and with options that are beside the point."""
    history = ["im2col:h9w9k2", "im2col:n2c3h4w5k1x2s2:f32:3", "im2col:n2c2h4w7k1x3", "im2col:w9k1x9"]
    pair = paired(workers, KEEPS, found("im2col:n2c2h4w7k1x3d1x3", "im2col:c2w7k1x3d1x3"), history)
    assert pair is not None
    earlier, case = parse_spec(pair.after), parse_spec(pair.minimal)
    assert case == Case(problem=case.problem)
    assert (case.problem.batch, case.problem.channels, case.problem.size[0]) == (1, 1, 1)
    assert earlier.problem.dilation != case.problem.dilation
    assert earlier.problem.size == case.problem.size
    assert (pair.result.verdict, pair.result.check) == ("failed", "forward")


def test_without_a_case_that_makes_it_there_is_no_pair(workers: Workers) -> None:
    assert paired(workers, KEEPS, found("im2col:w3k1x2d1x2", "im2col:w3k1x2d1x2"), ["im2col:w9k1x9"]) is None


def failure(after: str = "", subject: str = "impl") -> Failure:
    least = parse_spec("im2col:w3k1x2d1x2")
    return make_failure(
        subject, "im2col:w3k1x2d1x2", least, SHAPE, cases=1, when=None, picture=NOTHING, carried=True, after=after
    )


def test_a_carried_failure_is_told_as_what_it_is() -> None:
    assert told_when(failure("im2col:w3k1x2")) == (
        "passes in a fresh process and fails there after the calls of im2col:w3k1x2: "
        "the subject keeps something from earlier calls"
    )
    assert told_when(failure()).startswith("passes in a fresh process: the subject keeps something from earlier calls")


def test_its_line_makes_the_earlier_calls_too() -> None:
    line = replay_line(failure("im2col:w3k1x2"))
    assert line == "convgate replay im2col:w3k1x2d1x2 --after im2col:w3k1x2 --subject impl"


def test_one_without_a_pair_is_never_said_to_be_fixed(tmp_path: Path) -> None:
    """It passes by itself, as it did all the time."""
    (target,) = targets_of(str(save_failure(tmp_path, failure(), "")), tmp_path, None, "impl")
    seen = replay(target)
    assert seen.state == "error"
    assert "passes in a fresh process" in seen.message


def test_one_with_a_pair_is_still_failing_until_it_is_fixed(tmp_path: Path) -> None:
    folder = save_failure(tmp_path, failure("im2col:w3k1x2", KEEPS), "")
    assert load_failure(folder).after == "im2col:w3k1x2"
    states = [replay(*targets_of(str(folder), tmp_path, subject, "impl")).state for subject in (None, "impl")]
    assert states == ["still failing", "fixed"]


def test_a_case_is_replayed_after_another_if_that_is_asked_for(tmp_path: Path) -> None:
    (target,) = targets_of("im2col:w3k1x2d1x2", tmp_path, KEEPS, "impl", "im2col:w3k1x2")
    assert replay(target).state == "still failing"
    with pytest.raises(SpecError):
        targets_of("im2col:w3k1x2d1x2", tmp_path, KEEPS, "impl", "im2col:q2")
