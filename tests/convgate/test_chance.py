"""What a subject leaves to chance: told once for each function, and not taken for what it keeps from earlier calls."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import impl
from convgate.cases.spec import parse_spec
from convgate.diagnosis.explain import picture
from convgate.diagnosis.repeats import MORE_CALLS, REPEATABLE, differing_calls, repeated_calls
from convgate.diagnosis.repro import repro_source
from convgate.diagnosis.store import make_failure, save_failure
from convgate.judging.checks import judge
from convgate.judging.subjects.loader import load_subject
from convgate.results.failure import Failure, told_when
from convgate.results.verdicts import NOT_DETERMINISTIC, Result, primary_failure
from convgate.run.chance import concerned, find_random, steady
from convgate.run.distinct_failures import distinct_failures, groups_of
from convgate.run.replay import replay, targets_of
from convgate.run.tally import Tally
from convgate.run.workers import Workers, open_workers

# Bits come from one stream a process, so that each test goes the same way each time.
SUBJECTS = """
from types import SimpleNamespace
import numpy as np
import impl

STREAM = np.random.PCG64(1)


def off_by_one(wrong):
    def avg_pool2d(x, kernel_size, **options):
        return impl.avg_pool2d(x, kernel_size, **options) + x.dtype.type(wrong(x, options))

    return SimpleNamespace(avg_pool2d=avg_pool2d, avg_pool2d_backward=impl.avg_pool2d_backward)


def one_in(count):
    return STREAM.random_raw() % count == 0


half = off_by_one(lambda x, options: one_in(2))
rare = off_by_one(lambda x, options: one_in(20))
race = off_by_one(lambda x, options: x.shape[1] >= 16 and one_in(3))
beside = off_by_one(lambda x, options: options["stride"][1] > 1 or (x.shape[2] > 2 and one_in(2)))
"""
KEEPS = "convgate.selftest.faults:im2col_keeps_output_sizes_for_other_dilations"
SPECS = ("avg_pool2d:c16h4w4k2s1", "avg_pool2d:n2c17h5w3k1s1:f32", "avg_pool2d:c20h3w9k1x3:real", "avg_pool2d:c32h3w3")
CHECKS = ("forward", "purity", "adjoint")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    found = tmp_path_factory.mktemp("subjects")
    (found / "by_chance.py").write_text(SUBJECTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(found))
        yield found


@pytest.fixture(scope="module")
def workers(folder: Path) -> Iterator[Workers]:
    assert folder.is_dir()
    with open_workers(1) as found:
        yield found


def failing(*specs: str, check: str = "forward") -> list[tuple[str, Result]]:
    """Failures as a run may have seen them; what came there is chance."""
    relation = "avg_pool2d keeps its inputs, its results and its answer"
    results = {
        "forward": Result("forward", "failed", "wrong value", "y[0] must be 1, got 2", output="y"),
        "purity": Result("purity", "failed", NOT_DETERMINISTIC, "the second time", relation=relation),
        "adjoint": Result("adjoint", "failed", "wrong value", "must be 1, got 2", relation="<y, g> = <x, grad_input>"),
    }
    return [(spec, results[check]) for spec in specs]


def told(workers: Workers, subject: str, cases: list[tuple[str, Result]]) -> list[Failure]:
    groups = groups_of(Tally(failing=cases))
    return [failure for failure, _ in distinct_failures(workers, subject, groups, [])]


@pytest.mark.parametrize(
    ("subject", "when"),
    [
        ("half", "fails on "),
        ("rare", "fails on "),
        ("race", "fails when channels >= 16 ("),
    ],
)
def test_what_is_random_is_told_once_with_its_function_and_nothing_of_earlier_calls(
    workers: Workers, subject: str, when: str
) -> None:
    cases = [each for check in CHECKS for each in failing(*SPECS, check=check)]
    (failure,) = told(workers, f"by_chance:{subject}", cases)
    assert (failure.check, failure.symptom, failure.cases) == ("purity", NOT_DETERMINISTIC, len(cases))
    assert failure.message.startswith(f"avg_pool2d {REPEATABLE}: call ")
    assert told_when(failure).startswith(when)
    assert (failure.carried, failure.after) == (False, "")


def test_what_fails_every_time_is_no_matter_of_chance(folder: Path) -> None:
    """The function is random on images that are higher than 2, and wrong wherever it strides."""
    assert folder.is_dir()
    spec = "avg_pool2d:w3s1x2"
    result = primary_failure(judge(parse_spec(spec), load_subject("by_chance:beside")))
    assert result is not None
    cases = [*failing("avg_pool2d:h4w4"), (spec, result)]
    assert find_random("by_chance:beside", cases) == [("avg_pool2d", "avg_pool2d:h4w4")]
    assert steady("by_chance:beside", cases, frozenset({"avg_pool2d"})) == [(spec, result)]
    assert steady("by_chance:beside", cases, frozenset({"avg_pool2d_backward"})) == cases


def test_what_is_kept_from_calls_of_other_problems_is_not_random() -> None:
    shape = Result("forward", "failed", "wrong shape", "y has another shape", output="y")
    assert find_random(KEEPS, [("im2col:w3k1x2d1x2", shape)]) == []


@pytest.mark.parametrize(
    ("result", "functions"),
    [
        (Result("grad_weight", "failed", output="grad_weight"), ["conv2d_backward"]),
        (Result("forward", "failed", output="y"), ["conv2d"]),
        (Result("purity", "failed", relation="conv2d keeps its answer"), ["conv2d"]),
        (Result("purity", "failed", relation="conv2d_backward keeps its answer"), ["conv2d_backward"]),
        (Result("adjoint", "failed", relation="<conv2d(x), g> = <x, g>"), ["conv2d", "conv2d_backward"]),
    ],
)
def test_a_failure_concerns_the_functions_that_its_check_calls(result: Result, functions: list[str]) -> None:
    assert concerned(parse_spec("conv2d"), result) == functions


def calling(function: Callable[..., Any], calls: int = 50) -> str:
    actual, expected = differing_calls(function, calls, 60.0, x=np.arange(4.0))
    assert expected == "nothing wrong"
    return actual.partition(":")[0]


def results_in_turn(*results: Any) -> Callable[..., Any]:
    """A function that gives these results, the last one ever after."""
    left = list(results)

    def function(_: NDArray[Any]) -> Any:
        result = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(result, Exception):
            raise result
        return result

    return function


def writes_into_its_input(x: NDArray[Any]) -> NDArray[Any]:
    x += 1
    return x


ONE, TWO = np.ones(2), np.full(2, 2.0)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (results_in_turn(ONE), "nothing wrong"),
        (results_in_turn(ONE, ONE, ONE, TWO), NOT_DETERMINISTIC),
        (results_in_turn((ONE, None, ONE), (ONE, None, ONE), (ONE, None, TWO)), NOT_DETERMINISTIC),
        (results_in_turn(ONE, ONE, ONE, ValueError()), NOT_DETERMINISTIC),
        (results_in_turn(ValueError()), "nothing wrong"),
        (results_in_turn(ONE, ONE, ONE.astype(np.float32)), NOT_DETERMINISTIC),
        (results_in_turn(ONE, ONE, np.ones(1)), NOT_DETERMINISTIC),
        (results_in_turn(np.full(2, np.nan)), "nothing wrong"),
        # the first may hold what a call on other data has left
        (results_in_turn(TWO, ONE), "nothing wrong"),
        # another matter: its input is put back
        (writes_into_its_input, "nothing wrong"),
    ],
)
def test_a_result_that_differs_from_the_one_before_is_not_deterministic(
    function: Callable[..., Any], found: str
) -> None:
    assert calling(function) == found


def test_no_more_calls_are_made_than_there_is_time_for() -> None:
    made = []

    def function(x: NDArray[Any]) -> NDArray[Any]:
        made.append(x)
        return x

    differing_calls(function, 1_000_000, 0.05, x=np.ones(1))
    assert 2 < len(made) < 1_000_000


def test_data_on_which_sums_are_not_exact_are_not_asked() -> None:
    """The last bits may depend on where arrays lie in memory."""
    seen = []

    def avg_pool2d(x: Any, kernel_size: Any, **options: Any) -> Any:
        seen.append(x)
        return impl.avg_pool2d(x, kernel_size, **options)

    subject = SimpleNamespace(avg_pool2d=avg_pool2d)
    result = repeated_calls(parse_spec("avg_pool2d:w3k1x2:real"), subject, f"avg_pool2d {REPEATABLE}")
    assert result is not None
    assert result.verdict == "passed"
    assert all((x == np.rint(x)).all() for x in seen)
    assert repeated_calls(parse_spec("avg_pool2d:s0"), subject, f"avg_pool2d {REPEATABLE}") is None
    assert repeated_calls(parse_spec("avg_pool2d"), subject, "another relation") is None


@pytest.mark.parametrize(
    ("relation", "call", "arrays"),
    [
        (f"conv2d {REPEATABLE}", "conv2d(x, weight, None, stride=(1, 1)", ["x[0,0]", "weight[0,0]"]),
        (
            f"conv2d_backward {REPEATABLE}",
            "conv2d_backward(grad_output, x,",
            ["x[0,0]", "weight[0,0]", "grad_output[0,0]"],
        ),
    ],
)
def test_the_call_and_the_arrays_of_the_function_in_question_are_shown(
    relation: str, call: str, arrays: list[str]
) -> None:
    shown = picture(parse_spec("conv2d"), impl, Result("purity", "failed", NOT_DETERMINISTIC, relation=relation))
    assert shown.call.startswith(call)
    assert [each.title for each in shown.data] == arrays


def test_a_rare_failure_is_repeated_by_its_script_and_by_replay(folder: Path, tmp_path: Path) -> None:
    case, name = parse_spec("avg_pool2d:w2"), "by_chance:rare"
    subject = load_subject(name)
    result = repeated_calls(case, subject, f"avg_pool2d {REPEATABLE}", MORE_CALLS)
    assert result is not None
    assert result.symptom == NOT_DETERMINISTIC
    shown = picture(case, subject, result)
    assert [each.title for each in shown.data] == ["x[0,0]"]
    codes = {}
    for each in (name, "impl"):
        script = tmp_path / f"{each.replace(':', '_')}.py"
        script.write_text(repro_source(each, case, result, "random", "avg_pool2d:w2", 60.0))
        codes[each] = subprocess.run([sys.executable, script], cwd=folder, check=False, capture_output=True).returncode
    assert codes == {name: 1, "impl": 0}
    failure = make_failure(name, "avg_pool2d:w2", case, result, cases=1, when=None, picture=shown)
    saved = save_failure(tmp_path, failure, "")
    states = [replay(*targets_of(str(saved), tmp_path, each, "impl")).state for each in (None, "impl")]
    assert states == ["still failing", "fixed"]
