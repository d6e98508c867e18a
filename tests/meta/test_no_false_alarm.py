"""Correct subjects that compute in other ways pass, and their wrong twins fail."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import fft
import integral_image
import numpy as np
import pytest
import winograd
from numpy.typing import NDArray

import impl
from convgate.cases.case import Case
from convgate.cases.spec import format_spec, parse_spec
from convgate.diagnosis.repro import repro_source
from convgate.judging.checks import judge, judge_trial
from convgate.judging.subjects.loader import load_subject, operators_of, wants
from convgate.judging.trial import Trial
from convgate.problems.operators import OPERATORS
from convgate.results.record import MAX_UNSUPPORTED
from convgate.results.verdicts import Result, primary_failure
from convgate.run.shards import Shard
from convgate.run.tally import Tally, verdict_of
from convgate.run.tasks import covering_specs, judge_shard
from convgate.sources.fuzz import draw_cases
from convgate.sources.profiles import SHARD
from convgate.sources.table import cases_of_every_run

Array = NDArray[Any]

# PyTorch, our own in small pieces, and those of examples/correct; the extras are judged where they are installed.
CORRECT = (
    "oracles.torch_oracle",
    "convgate.selftest.faults.mutants:impl",
    "fft",
    "winograd",
    "shift_and_add",
    "reciprocal_mean",
    "integral_image",
    "summation:pairwise",
    "summation:kahan",
    "summation:blocked",
    "summation:backwards",
)
EXTRAS = {"jax_subject": "jax", "onnxruntime_subject": "onnxruntime"}
# A test judges some of the cases of an operator, on all subjects, so that the oracles speak once for all of them.
PARTS = 4


def smoke(operator: str, subjects: Mapping[str, Any]) -> list[Case]:
    """What the gate judges at profile smoke, what every run takes too, but one shard of random cases."""
    cases = dict.fromkeys(cases_of_every_run(operator))
    for name, subject in subjects.items():
        if name == CORRECT[0] or callable(getattr(subject, "supports", None)):
            cases |= dict.fromkeys(map(parse_spec, covering_specs(name, operator, 2, 0)))
            cases |= dict.fromkeys(draw_cases(operator, 0, 0, SHARD, subject))
    return list(cases)


def has_window_in_padding(case: Case) -> bool:
    """Whether a window of a max pool, or of one that a relation makes of it, can lie wholly in padding.

    On its gradient PyTorch has no opinion. It takes padding on both sides of the input and taps that are apart.
    """
    problem = case.problem
    axes = zip(problem.padding, problem.dilation, strict=True)
    return problem.operator == "max_pool2d" and any(padding and dilation > 1 for padding, dilation in axes)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("operator", OPERATORS)
def test_correct_subjects_conform_however_they_compute(operator: str, part: int) -> None:
    subjects = {name: load_subject(name) for name in CORRECT if operator in operators_of(name)}
    tallies = {name: Tally() for name in subjects}
    for case in smoke(operator, subjects)[part::PARTS]:
        first = Trial(case, subjects[CORRECT[0]], sampled=True)
        for name, subject in subjects.items():
            if wants(subject, case.problem, case.dtype):
                results = judge_trial(first if name == CORRECT[0] else first.before(subject))
                if any(result.refused for result in results):
                    assert name == "oracles.torch_oracle", (name, format_spec(case))
                    assert has_window_in_padding(case), format_spec(case)
                tallies[name].add(operator, format_spec(case), results, primary_failure(results), 0.0)
    assert tallies
    for name, tally in tallies.items():
        # PyTorch's share of refusals is that of these few covering cases, and none of a run: each was looked at above
        most = 100 if name == "oracles.torch_oracle" else MAX_UNSUPPORTED
        verdict_found, reason = verdict_of(tally, [operator], [], max_unsupported=most)
        assert verdict_found == "conforms", (name, reason, [(spec, r.message) for spec, r in tally.failing])


@pytest.mark.parametrize(("subject", "library"), EXTRAS.items())
def test_other_libraries_conform_where_they_are_installed(subject: str, library: str) -> None:
    pytest.importorskip(library)
    for operator in operators_of(subject):
        tally = judge_shard(subject, Shard(operator, 0, 0, 10), 1).tally
        assert verdict_of(tally, [operator], [])[0] == "conforms", [(spec, r.message) for spec, r in tally.failing]


def failure_of(spec: str, subject: Any) -> Result | None:
    return primary_failure(judge(parse_spec(spec), subject))


def verdict(spec: str, subject: Any, check: str = "forward") -> str:
    (result,) = judge(parse_spec(spec), subject, [check])
    return result.verdict


# What accuracy in norm is needed for

REAL = "conv2d:c2h9w9k3p1:f32:real"


@pytest.mark.parametrize(
    ("subject", "spec"),
    [
        (fft, "conv2d:c2h9w9k3p1:f32:wide"),
        (winograd, "conv2d:c2h9w9k3p1:f32:wide:1"),
        (integral_image, "avg_pool2d:h33w33k2:f32:real"),
    ],
)
def test_without_an_error_factor_a_transform_would_be_called_inaccurate(subject: Any, spec: str) -> None:
    operator = spec.partition(":")[0]
    silent = SimpleNamespace(**{operator: getattr(subject, operator)})
    assert verdict(spec, silent) == "failed"
    assert verdict(spec, subject) == "passed"


def test_where_rounding_may_reach_half_a_step_the_lattice_blames_nobody() -> None:
    """A running sum over a large image leaves the integers that float32 holds."""
    spec = "avg_pool2d:h300w300k1:f32"
    silent = SimpleNamespace(avg_pool2d=integral_image.avg_pool2d)
    assert verdict(spec, silent) == "failed"
    assert verdict(spec, integral_image) == "vacuous"


def test_special_values_of_a_transform_are_not_judged_and_the_reason_is_told() -> None:
    (result,) = judge(parse_spec("conv2d:h4w4k2:special"), fft, ["special_values"])
    assert result.verdict == "unsupported"
    assert "error_factor" in result.message


# What it does not excuse


def wrapping(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Circles that leave no room for the padding, so that one edge of the image meets the other."""
    monkeypatch.setattr(fft, "circle", lambda size, _: size)
    return fft


def wrong_constant(name: str, row: int, column: int, value: float) -> Callable[[pytest.MonkeyPatch], Any]:
    """One wrong number in a matrix of Winograd's."""

    def plant(monkeypatch: pytest.MonkeyPatch) -> Any:
        matrix = getattr(winograd, name).astype(np.float64)
        matrix[row, column] = value
        monkeypatch.setattr(winograd, name, matrix)
        return winograd

    return plant


def lost_corner(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Windows of an integral image without their upper left corner."""
    corners = integral_image.corners
    monkeypatch.setattr(integral_image, "corners", lambda *arguments: corners(*arguments)[:3])
    return integral_image


@pytest.mark.parametrize("dtype", ["", ":f32"])
@pytest.mark.parametrize("fill", ["", ":real"])
@pytest.mark.parametrize(
    ("plant", "problem"),
    [
        (wrapping, "conv2d:n2c2h5w7o3k3p2"),
        (wrong_constant("G", 1, 1, 0.501), "conv2d:n2c2h5w7o3k3p1"),
        (wrong_constant("A_T", 0, 2, -1), "conv2d:n2c2h5w7o3k3p1"),
        (wrong_constant("B_T", 3, 3, -0.999), "conv2d:n2c2h5w7o3k3p1"),
        (lost_corner, "avg_pool2d:n2c2h5w7k2s1"),
    ],
)
def test_a_wrong_transform_fails(
    plant: Callable[[pytest.MonkeyPatch], Any], problem: str, fill: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = plant(monkeypatch)
    failure = failure_of(f"{problem}{dtype}{fill}", subject)
    assert failure is not None
    assert failure.check == "forward"


@pytest.mark.parametrize(("dtype", "narrow"), [("f32", np.float16), ("f64", np.float32)])
def test_a_transform_in_too_narrow_a_format_is_inaccurate(
    dtype: str, narrow: type[np.floating], monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = fft.transform

    def rounded(array: Array, lengths: tuple[int, int]) -> Array:
        found = exact(array, lengths)
        real, imaginary = found.real.astype(narrow), found.imag.astype(narrow)
        return (real + 1j * imaginary).astype(found.dtype)

    assert failure_of(f"conv2d:c2h5w7k3p1:{dtype}:real", fft) is None
    monkeypatch.setattr(fft, "transform", rounded)
    failure = failure_of(f"conv2d:c2h5w7k3p1:{dtype}:real", fft)
    assert failure is not None
    assert (failure.check, failure.symptom) == ("forward", "inaccurate")


def test_a_script_that_repeats_a_failure_allows_what_the_error_factor_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it passes once the failure is mended, although the subject is not accurate entry by entry."""
    case = parse_spec("conv2d:c2h9w9k3p1:f32:wide")
    with monkeypatch.context() as planted:
        wrapping(planted)
        failure = primary_failure(judge(case, fft))
        assert failure is not None
        script = repro_source("fft", case, failure, "headline", "spec", 1.0)
        with pytest.raises(AssertionError, match="values are wrong"):
            run_script(script)
    run_script(script)


def run_script(source: str) -> None:
    """Call the test of a script, as pytest does."""
    names: dict[str, Any] = {"__name__": "script"}
    exec(source, names)  # noqa: S102 - our own script
    names["test_conv2d"]()


def test_nothing_but_zeros_is_wrong_whatever_the_subject_claims() -> None:
    """So a subject cannot claim its way through the gate."""
    boundless = SimpleNamespace(conv2d=lambda *a, **o: 0 * impl.conv2d(*a, **o), error_factor=lambda _: 1e30)
    for fill in ("", ":real"):
        for dtype in ("", ":f32"):
            assert verdict(f"conv2d:h5w5k3p1{dtype}{fill}", boundless) == "failed"


def test_an_empty_batch_leaves_no_room_for_error() -> None:
    def one_too_much(*arrays: Any, **options: Any) -> Any:
        grad_input, grad_weight, grad_bias = impl.conv2d_backward(*arrays, **options)
        return grad_input, grad_weight + 1, grad_bias

    claims = SimpleNamespace(conv2d=impl.conv2d, conv2d_backward=one_too_much, error_factor=lambda _: 100.0)
    assert verdict("conv2d:n0c4o4g2", claims, "grad_weight") == "failed"
    assert verdict("conv2d:n0c4o4g2", fft, "grad_weight") == "vacuous"
