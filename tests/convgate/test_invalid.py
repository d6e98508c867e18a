"""What must be rejected: the table of rules, the cases of every run, and what is said of who accepts them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import impl
from convgate.cases.case import Case, broken_rule, case_rule, invalid_calls, values_of
from convgate.cases.rules import ARGUMENTS
from convgate.cases.spec import SpecError, format_spec, parse_spec
from convgate.judging.checks import judge
from convgate.problems.operators import OPERATORS, perform
from convgate.results.verdicts import Result
from convgate.sources.invalid import invalid_cases
from oracles import definition, torch_oracle

Array = NDArray[Any]
EVERY = [pytest.param(case, id=format_spec(case)) for operator in OPERATORS for case in invalid_cases(operator)]


@pytest.mark.parametrize("case", EVERY)
def test_definition_and_pytorch_reject_every_case_in_every_call(case: Case) -> None:
    for oracle in (definition, torch_oracle):
        for call in invalid_calls(case):
            with pytest.raises(ValueError, match=r"."):
                perform(oracle, call, values_of(case))


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_rule_on_arrays_is_broken_in_every_run(operator: str) -> None:
    concerned = {name for name, rule in ARGUMENTS.items() if operator in rule.operators}
    assert {case.broken for case in invalid_cases(operator)} - {""} == concerned


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_rule_of_an_axis_is_broken_on_both_axes_in_every_run(operator: str) -> None:
    options = OPERATORS[operator].options
    for axis in (0, 1):
        problems = [case.problem for case in invalid_cases(operator) if not case.broken]
        assert {0, -1} <= {problem.stride[axis] for problem in problems}
        assert -1 in {problem.padding[axis] for problem in problems}
        assert 0 in {problem.kernel_size[axis] for problem in problems}
        assert any(problem.kernel_size[axis] > problem.size[axis] + 2 * problem.padding[axis] for problem in problems)
        if "dilation" in options:
            assert {0, -1} <= {problem.dilation[axis] for problem in problems}
        if operator.endswith("pool2d"):
            assert any(problem.padding[axis] > problem.kernel_size[axis] // 2 > 0 for problem in problems)
    if "groups" in options:
        assert any(problem.groups > 0 and problem.channels % problem.groups for problem in problems)
        assert any(problem.groups > 0 and problem.out_channels % problem.groups for problem in problems)


@pytest.mark.parametrize("case", [each for each in EVERY if each.values[0].broken])  # type: ignore[union-attr]
def test_the_arrays_of_a_rule_break_it_and_all_others_are_as_they_were(case: Case) -> None:
    sound = values_of(Case(problem=case.problem, dtype=case.dtype))
    for name, array in values_of(case).items():
        same = array.shape == sound[name].shape and array.dtype == sound[name].dtype
        assert same == (name not in ARGUMENTS[case.broken].arrays)


@pytest.mark.parametrize("operator", OPERATORS)
def test_rules_are_broken_on_both_axes_at_once_in_every_run(operator: str) -> None:
    problems = [case.problem for case in invalid_cases(operator) if not case.broken]
    for name, value in (("stride", 0), ("stride", -1), ("padding", -1), ("kernel_size", 0), ("size", 0)):
        assert any(getattr(problem, name) == (value, value) for problem in problems)
    negative = [problem for problem in problems if max(problem.output_size) < 0 < min(problem.stride)]
    assert {problem.places > 0 for problem in negative} == {True}
    assert len({problem.output_size for problem in negative}) >= 3
    if "dilation" in OPERATORS[operator].options:
        assert any(problem.dilation == (0, 0) for problem in problems)
        assert any(max(problem.dilation) > 1 for problem in negative)
    if operator.endswith("pool2d"):
        assert any(all(p > k // 2 > 0 for p, k in zip(q.padding, q.kernel_size, strict=True)) for q in problems)


def test_sizes_below_zero_are_asked_of_the_one_that_is_given_a_shape() -> None:
    problems = [case.problem for case in invalid_cases("col2im") if not case.broken]
    assert any(max(problem.size) < 0 for problem in problems)
    assert any(max(problem.size) < 0 and min(problem.output_size) > 0 for problem in problems)
    assert any(problem.batch < 0 and problem.channels < 0 for problem in problems)


def test_two_arrays_of_another_dtype_are_wrong_beside_two_of_the_first() -> None:
    """Beside one it would be that one which differs; a forward call has three arrays at most."""
    for names in ("x.weight", "x.bias", "x.grad_output"):
        (call,) = invalid_calls(parse_spec(f"conv2d:+bias:broken@{names}.dtype"))
        assert call.function == "conv2d_backward"
        with pytest.raises(SpecError):
            parse_spec(f"conv2d:broken@{names}.dtype")


def subject(**changed: Callable[..., Any]) -> SimpleNamespace:
    """`impl` with some functions replaced."""
    return SimpleNamespace(**{name: getattr(impl, name) for name in impl.__all__} | changed)


def accepting(function: Callable[..., Any]) -> Callable[..., Any]:
    """A backward function that takes whatever it is given, and returns something where it should not."""

    def called(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except (ValueError, TypeError):
            return np.zeros(1), np.zeros(1), None

    return called


def result_of(spec: str, judged: Any) -> Result:
    """What the check says."""
    (result,) = judge(parse_spec(spec), judged)
    assert result.check == "invalid_arguments"
    return result


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("conv2d:s0x1", "stride must be at least 1, got (0, 1): conv2d_backward must raise ValueError or TypeError"),
        (
            "conv2d:broken@grad_output.rank",
            "grad_output must have 4 axes: conv2d_backward must raise ValueError or TypeError",
        ),
        ("conv2d:broken@weight.rank", "weight must have 4 axes: conv2d_backward must raise ValueError or TypeError"),
    ],
)
def test_a_backward_function_that_accepts_what_is_invalid_is_named(spec: str, message: str) -> None:
    judged = subject(conv2d_backward=accepting(impl.conv2d_backward))
    result = result_of(spec, judged)
    assert (result.verdict, result.symptom) == ("failed", "accepted invalid")
    assert result.message == message
    assert result_of(spec, impl).verdict == "passed"


def test_an_error_of_another_kind_is_no_rejection() -> None:
    def conv2d(x: Array, *arguments: Any, **options: Any) -> Array:
        if x.ndim != 4:
            raise KeyError(x.ndim)
        return impl.conv2d(x, *arguments, **options)

    result = result_of("conv2d:broken@x.rank", subject(conv2d=conv2d))
    assert (result.symptom, result.actual) == ("raised", "KeyError")


def one_product(x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Array:
    """A convolution that asks of its output only how many numbers it has: -1 times -1 is 1."""
    if options["padding"] != (0, 0) or x.ndim != 4 or x.shape[2] * x.shape[3] == 0:
        return impl.conv2d(x, weight, bias, **options)
    sizes = [n - k + 1 for n, k in zip(x.shape[2:], weight.shape[2:], strict=True)]
    return np.zeros((len(x), len(weight), *map(abs, sizes))) if sizes[0] * sizes[1] > 0 else impl.conv2d(x, weight)


def one_image(g: Array, x: Array, *arguments: Any, **options: Any) -> Any:
    """Gradients that take one image without its batch axis, as long as both arrays lack it."""
    if g.ndim == x.ndim == 3:
        return impl.avg_pool2d_backward(g[None], x[None], *arguments, **options)[0]
    return impl.avg_pool2d_backward(g, x, *arguments, **options)


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ("conv2d:h1w1k3", subject(conv2d=one_product)),
        ("avg_pool2d:h2w2k2:broken@images.rank", subject(avg_pool2d_backward=one_image)),
    ],
)
def test_what_is_wrong_twice_is_still_wrong(spec: str, wrong: Any) -> None:
    assert result_of(spec, impl).verdict == "passed"
    assert result_of(spec, wrong).symptom == "accepted invalid"
    alone = {"conv2d:h1w1k3": "conv2d:h1w5k3x2", "avg_pool2d:h2w2k2:broken@images.rank": "avg_pool2d:broken@x.rank"}
    assert result_of(alone[spec], wrong).verdict == "passed"


def test_without_a_backward_function_its_rules_are_unsupported() -> None:
    judged = subject()
    del judged.conv2d_backward
    assert result_of("conv2d:broken@grad_output.rank", judged).verdict == "unsupported"
    assert result_of("conv2d:broken@x.rank", judged).verdict == "passed"


def test_integers_are_exact_numbers_to_the_definition_and_break_no_rule() -> None:
    y = definition.conv2d(np.ones((1, 1, 1, 2), int), np.full((1, 1, 1, 1), 3))
    assert y.ravel().tolist() == [3, 3]


def test_a_call_that_must_be_rejected_needs_no_data_that_fit_the_lattice() -> None:
    """The divisors of these windows have a common multiple that float32 sums cannot hold; a rejection sums nothing."""
    spec = "avg_pool2d:n3h14w14k13p6+nopad:f32"
    with pytest.raises(SpecError, match="not be exact"):
        parse_spec(spec)
    results = judge(parse_spec(f"{spec}:broken@grad_output.narrow"), impl)
    assert {result.verdict for result in results} == {"passed"}


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("conv2d:broken@nothing", "rules to break are x.rank, "),
        ("conv2d:broken@x.channels", "rules to break here are"),
        ("conv2d:broken@bias.shape", "rules to break here are"),
        ("im2col:broken@weight.rank", "rules to break here are x.rank, got weight.rank"),
        ("conv2d:s0:broken@x.rank", "leave one of them out"),
        ("conv2d:sliced@bias", "has the arrays x, weight, grad_output here, got a layout of bias"),
        ("conv2d:contiguous@x", "give x another, or none"),
        ("conv2d:sliced@", "neither a geometry"),
    ],
)
def test_what_cannot_be_broken_or_laid_out_is_no_spec(spec: str, complaint: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(spec)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("case", EVERY)
def test_a_case_comes_back_from_its_spec_and_breaks_one_rule(case: Case) -> None:
    assert parse_spec(format_spec(case)) == case
    assert case_rule(case) is None
    assert broken_rule(case)
