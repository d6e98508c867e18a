"""What the checks say of subjects that are right, wrong, incomplete or out of order."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import impl
from convgate.cases.spec import parse_spec
from convgate.diagnosis.reduce import plainest, smallest
from convgate.judging.checks import CHECKS, OUTPUTS, judge, judge_trial
from convgate.judging.compare import Bound
from convgate.judging.trial import Trial
from convgate.problems.operators import OPERATORS, Call
from convgate.results.verdicts import VERDICTS, Result, primary_failure
from oracles import torch_oracle

RELATIONS = {name: check.relations for name, check in CHECKS.items() if check.relations is not None}

Array = NDArray[Any]

NAMES = [*OPERATORS, *(f"{name}_backward" for name in ("conv2d", "avg_pool2d", "max_pool2d"))]
SMALL = {
    "conv2d": "conv2d:n2c2h4w3o2k2x3p1g2+bias",
    "avg_pool2d": "avg_pool2d:n2c2h4w3k2p1",
    "max_pool2d": "max_pool2d:n2c2h4w3k2p1",
    "im2col": "im2col:n2c2h4w3k2p1",
    "col2im": "col2im:n2c2h4w3k2p1",
}


NO_BIAS = ("grad_input", "grad_weight")


def subject(**changed: Any) -> SimpleNamespace:
    """`impl` with some functions replaced, or left out where None is given."""
    functions = {name: getattr(impl, name) for name in NAMES} | changed
    return SimpleNamespace(**{name: function for name, function in functions.items() if function is not None})


def results_of(spec: str, judged: Any) -> dict[str, Result]:
    """What every check says, by check."""
    return {result.check: result for result in judge(parse_spec(spec), judged)}


def result_of(spec: str, judged: Any, check: str) -> Result:
    """What one check says."""
    (result,) = judge(parse_spec(spec), judged, [check])
    return result


def raising(error: BaseException) -> Callable[..., Any]:
    def function(*_: Any, **__: Any) -> Any:
        raise error

    return function


def one_too_much(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
    """Average pooling whose every output is one too large."""
    return impl.avg_pool2d(x, kernel_size, **options) + 1


def doubled_gradients(*arrays: Any, **options: Any) -> tuple[Any, ...]:
    """Twice the gradients of a convolution."""
    return tuple(None if each is None else 2 * each for each in impl.conv2d_backward(*arrays, **options))


@pytest.mark.parametrize("spec", SMALL.values(), ids=SMALL)
def test_impl_passes_every_check_that_applies(spec: str) -> None:
    results = results_of(spec, impl)
    assert {result.verdict for result in results.values()} == {"passed"}
    operator = OPERATORS[spec.partition(":")[0]]
    expected = {"forward", "purity", "identity", *operator.gradients}
    expected |= {"finite_difference", "adjoint"} if operator.backward is not None else set()
    expected |= {"adjoint"} if operator.name == "im2col" else set()
    assert set(results) == expected


@pytest.mark.parametrize("spec", [*SMALL.values(), "max_pool2d:special", "conv2d:k1x2", "conv2d:n2:transposed"])
def test_results_stand_in_the_order_of_blame_and_have_known_verdicts(spec: str) -> None:
    results = judge(parse_spec(spec), impl)
    names = [result.check for result in results]
    assert names == [name for name in CHECKS if name in names]
    assert all(result.verdict in VERDICTS for result in results)


def test_only_the_checks_asked_for_are_made_in_the_order_of_blame_all_the_same() -> None:
    results = judge(parse_spec(SMALL["conv2d"]), impl, ["purity", "forward"])
    assert [result.check for result in results] == ["forward", "purity"]


def test_data_of_real_numbers_leave_the_relations_out() -> None:
    assert set(results_of("conv2d:n2h3w3k2:real", impl)) == set(OUTPUTS)


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_empty_batch_shows_nothing_of_the_values(operator: str) -> None:
    results = results_of(f"{operator}:n0c2h3w3k2", impl)
    shown = set(results) & {*OUTPUTS, "finite_difference", "adjoint", "identity"}
    assert "forward" in shown
    assert {results[check].verdict for check in shown} == {"vacuous"}


def test_all_zero_results_show_nothing() -> None:
    assert result_of("im2col:points", impl, "forward").verdict == "vacuous"


def test_no_bias_means_no_gradient_of_it_and_that_shows_nothing() -> None:
    assert result_of("conv2d:n2", impl, "grad_bias").verdict == "vacuous"


@pytest.mark.parametrize("spec", SMALL.values(), ids=SMALL)
def test_an_absent_function_is_unsupported_in_every_check(spec: str) -> None:
    results = results_of(spec, SimpleNamespace())
    assert {result.verdict for result in results.values()} == {"unsupported"}


@pytest.mark.parametrize("spec", SMALL.values(), ids=SMALL)
def test_not_implemented_is_unsupported_in_every_check(spec: str) -> None:
    refusing = SimpleNamespace(**dict.fromkeys(NAMES, raising(NotImplementedError("not yet"))))
    results = results_of(spec, refusing)
    assert {result.verdict for result in results.values()} == {"unsupported"}


def test_without_a_backward_pass_the_forward_pass_is_judged_alone() -> None:
    results = results_of(SMALL["conv2d"], subject(conv2d_backward=None))
    unsupported = {check for check, result in results.items() if result.verdict == "unsupported"}
    assert unsupported == {"grad_input", "grad_weight", "grad_bias", "finite_difference", "adjoint"}
    assert results["forward"].verdict == results["purity"].verdict == "passed"
    assert primary_failure(results.values()) is None


def test_an_attribute_error_inside_the_subject_is_its_failure_and_no_absent_function() -> None:
    broken = subject(im2col=lambda x, kernel_size, **options: x.no_such_thing(kernel_size, options))
    results = results_of(SMALL["im2col"], broken)
    assert {results[check].symptom for check in ("forward", "purity", "adjoint", "identity")} == {"raised"}


@pytest.mark.parametrize("error", [RuntimeError("out of  luck\n"), ValueError("out of luck"), KeyError("out of luck")])
def test_raising_on_a_valid_problem_is_a_failure_told_on_one_line(error: Exception) -> None:
    result = result_of("im2col:k1", subject(im2col=raising(error)), "forward")
    assert (result.verdict, result.symptom, result.actual) == ("failed", "raised", type(error).__name__)
    assert result.message.startswith(f"raised {type(error).__name__}: ")
    assert "out of luck" in result.message


def test_an_error_without_words_is_told_by_its_name() -> None:
    result = result_of("im2col", subject(im2col=raising(ZeroDivisionError())), "forward")
    assert result.message == "raised ZeroDivisionError"


@pytest.mark.parametrize(
    ("change", "symptom", "expected", "actual"),
    [
        (lambda y: y[:, :-1], "wrong shape", "(4, 4)", "(4, 3)"),
        (lambda y: y.astype(np.float32), "wrong dtype", "float64", "float32"),
        (lambda y: y.astype(np.int64), "wrong dtype", "float64", "int64"),
        (lambda y: y.tolist(), "wrong type", "ndarray", "list"),
        (lambda _: None, "wrong type", "ndarray", "NoneType"),
        (lambda _: 3.0, "wrong type", "ndarray", "float"),
    ],
)
def test_a_result_of_the_wrong_form_is_told_by_its_form(
    change: Callable[[Array], Any], symptom: str, expected: str, actual: str
) -> None:
    judged = subject(im2col=lambda x, kernel_size, **options: change(impl.im2col(x, kernel_size, **options)))
    result = result_of("im2col:h3w3k2", judged, "forward")
    assert (result.verdict, result.symptom) == ("failed", symptom)
    assert (result.expected, result.actual) == (expected, actual)
    assert (result.output, result.place) == ("y", "")


def test_a_wrong_value_is_told_with_its_place_and_both_values() -> None:
    def wrong_at_the_end(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        y = impl.im2col(x, kernel_size, **options)
        y[3, 1] += 5
        return y

    result = result_of("im2col:h3w3k2:points@x.0.0.1.2=7", subject(im2col=wrong_at_the_end), "forward")
    assert (result.symptom, result.place) == ("wrong value", "y[3,1]")
    assert (result.expected, result.actual) == ("7", "12")
    assert result.message == "y[3,1] must be 7, got 12 (1 of 16 wrong)"


def test_an_accumulator_that_is_too_narrow_is_inaccurate() -> None:
    def narrow(x: Array, weight: Array, bias: Array | None, **options: Any) -> Array:
        y: Array = impl.conv2d(x, weight, bias, **options).astype(np.float32).astype(x.dtype)
        return y

    judged = subject(conv2d=narrow)
    assert result_of("conv2d:h3w3k3:real", judged, "forward").symptom == "inaccurate"
    assert result_of("conv2d:h3w3k3:f32:real", judged, "forward").verdict == "passed"


def test_rounding_that_no_algorithm_can_avoid_is_not_blamed() -> None:
    """The same sum in another order differs in its last bits."""

    def turned(x: Array, weight: Array, bias: Array | None, **options: Any) -> Array:
        return impl.conv2d(x[:, ::-1], weight[:, ::-1], bias, **options)

    spec = "conv2d:c33h3w3o2k3:real"
    values = Trial(parse_spec(spec), impl).values
    options: dict[str, Any] = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    sums = [function(values["x"], values["weight"], None, **options) for function in (impl.conv2d, turned)]
    assert (sums[0] != sums[1]).any()
    assert result_of(spec, subject(conv2d=turned), "forward").verdict == "passed"


def test_without_a_bias_its_gradient_must_be_none() -> None:
    def with_zeros(*arrays: Any, **options: Any) -> Any:
        grad_input, grad_weight, _ = impl.conv2d_backward(*arrays, **options)
        return grad_input, grad_weight, np.zeros(len(grad_weight))

    result = result_of("conv2d", subject(conv2d_backward=with_zeros), "grad_bias")
    assert (result.verdict, result.symptom, result.expected, result.actual) == (
        "failed",
        "wrong type",
        "None",
        "ndarray",
    )


def test_with_a_bias_its_gradient_must_not_be_none() -> None:
    judged = subject(conv2d_backward=lambda *arrays, **options: (*impl.conv2d_backward(*arrays, **options)[:2], None))
    result = result_of("conv2d:+bias", judged, "grad_bias")
    assert (result.verdict, result.symptom, result.actual) == ("failed", "wrong type", "NoneType")


def test_a_backward_pass_with_too_few_results_is_told_so() -> None:
    judged = subject(conv2d_backward=lambda *arrays, **options: impl.conv2d_backward(*arrays, **options)[:2])
    result = result_of("conv2d", judged, "grad_input")
    assert result.verdict == "failed"
    assert "conv2d_backward must return (grad_input, grad_weight, grad_bias), got 2 results" in result.message


@pytest.mark.parametrize("spec", [f"{name}:n2c2h4w4k2:special:{seed}" for name in OPERATORS for seed in (0, 5)])
def test_special_values_have_a_check_of_their_own(spec: str) -> None:
    results = results_of(spec, impl)
    assert {check: result.verdict for check, result in results.items()} == {"special_values": "passed"}


def test_a_maximum_that_drops_nan_fails_on_special_values_alone() -> None:
    def drops_nan(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        return impl.max_pool2d(np.where(np.isnan(x), -np.inf, x), kernel_size, **options)

    judged = subject(max_pool2d=drops_nan)
    result = result_of("max_pool2d:points@x.0.0.0.0=nan", judged, "special_values")
    assert (result.symptom, result.expected, result.actual) == ("NaN mismatch", "nan", "-inf")
    assert (result.output, result.place) == ("y", "y[0,0,0,0]")
    assert primary_failure(judge(parse_spec("max_pool2d:h3w3k2"), judged)) is None


def test_infinity_in_place_of_a_finite_value_is_a_wrong_value() -> None:
    judged = subject(im2col=lambda x, kernel_size, **options: np.abs(impl.im2col(x, kernel_size, **options)))
    result = result_of("im2col:points@x.0.0.0.0=-inf", judged, "special_values")
    assert (result.symptom, result.expected, result.actual) == ("wrong value", "-inf", "inf")


def test_which_nan_takes_the_gradient_of_its_window_is_left_open() -> None:
    judged = subject(max_pool2d_backward=raising(RuntimeError("not asked")))
    assert result_of("max_pool2d:w2k1x2:points@x.0.0.0.0=nan", judged, "special_values").verdict == "passed"
    assert result_of("max_pool2d:w2k1x2:points@x.0.0.0.0=inf", judged, "special_values").symptom == "raised"


INVALID = ["im2col:k2", "im2col:s0", "im2col:p-1", "im2col:d0", "im2col:k0"]


@pytest.mark.parametrize("spec", INVALID)
def test_an_invalid_problem_is_judged_by_its_rejection_alone(spec: str) -> None:
    assert {check: result.verdict for check, result in results_of(spec, impl).items()} == {
        "invalid_arguments": "passed"
    }


@pytest.mark.parametrize("error", [ValueError("no"), TypeError("no")])
def test_value_error_and_type_error_are_rejections(error: Exception) -> None:
    assert result_of("im2col:s0", subject(im2col=raising(error)), "invalid_arguments").verdict == "passed"


def test_another_error_is_no_rejection() -> None:
    result = result_of("im2col:s0", subject(im2col=raising(ZeroDivisionError("0"))), "invalid_arguments")
    assert (result.verdict, result.symptom, result.actual) == ("failed", "raised", "ZeroDivisionError")
    assert result.message.startswith("stride must be at least 1, got (0, 0): ")
    assert result.message.endswith("must raise ValueError or TypeError, got ZeroDivisionError")


def test_accepting_an_invalid_problem_is_a_failure() -> None:
    result = result_of("im2col:s0", subject(im2col=lambda *_, **__: np.zeros((1, 1))), "invalid_arguments")
    assert (result.verdict, result.symptom) == ("failed", "accepted invalid")
    assert "stride must be at least 1" in result.message


def test_refusing_an_invalid_problem_as_unsupported_shows_nothing() -> None:
    refusing = subject(im2col=raising(NotImplementedError()))
    assert result_of("im2col:s0", refusing, "invalid_arguments").verdict == "unsupported"


def test_a_wrong_forward_pass_is_blamed_before_what_follows_from_it() -> None:
    results = results_of(SMALL["avg_pool2d"], subject(avg_pool2d=one_too_much))
    failed = {check for check, result in results.items() if result.verdict == "failed"}
    assert failed == {"forward", "identity", "adjoint"}
    primary = primary_failure(results.values())
    assert primary is results["forward"]


def test_a_wrong_gradient_is_blamed_on_that_gradient() -> None:
    results = results_of(SMALL["conv2d"], subject(conv2d_backward=doubled_gradients))
    failed = [check for check, result in results.items() if result.verdict == "failed"]
    assert failed == ["grad_input", "grad_weight", "grad_bias", "finite_difference", "adjoint"]


@pytest.mark.parametrize("check", ["finite_difference", "adjoint"])
def test_wrong_gradients_are_found_without_an_oracle_too(check: str) -> None:
    result = result_of(SMALL["conv2d"], subject(conv2d_backward=doubled_gradients), check)
    assert result.verdict == "failed"
    assert result.relation
    assert result.message.startswith(f"{result.relation}: must be ")


def test_impurity_is_blamed_before_finite_differences() -> None:
    def divides_in_place(grad_output: Array, x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        grad_input = impl.avg_pool2d_backward(grad_output, x, kernel_size, **options)
        grad_output /= 2
        return grad_input

    results = results_of(SMALL["avg_pool2d"], subject(avg_pool2d_backward=divides_in_place))
    failed = [check for check, result in results.items() if result.verdict == "failed"]
    assert failed[:2] == ["purity", "finite_difference"]
    primary = primary_failure(results.values())
    assert primary is not None
    assert (primary.check, primary.symptom) == ("purity", "mutated input")


def test_a_subject_that_writes_into_its_input_does_not_spoil_the_oracles_data() -> None:
    def zeroes_input(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        y = impl.im2col(x, kernel_size, **options)
        x[...] = 0
        return y

    results = results_of(SMALL["im2col"], subject(im2col=zeroes_input))
    assert results["forward"].verdict == "passed"
    assert results["purity"].symptom == "mutated input"


def test_reading_memory_in_its_own_order_fails_where_the_layout_is_not_row_major() -> None:
    def in_memory_order(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        return impl.im2col(x.ravel(order="K").reshape(x.shape), kernel_size, **options)

    judged = subject(im2col=in_memory_order)
    assert "layout" not in results_of("im2col:c2h3w3k2", judged)
    assert primary_failure(judge(parse_spec("im2col:c2h3w3k2"), judged)) is None
    result = result_of("im2col:c2h3w3k2:transposed", judged, "layout")
    assert (result.verdict, result.relation) == ("failed", "y of transposed arrays = y of contiguous arrays")


def differing_witness(trial: Trial, call: Call) -> Mapping[str, Any]:
    """A second oracle that says something else of everything."""
    return {name: np.asarray(array, np.float64) + 1 for name, array in trial.expected(call).items()}


def test_where_the_oracles_disagree_no_subject_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trial, "witness", differing_witness)
    for judged in (impl, subject(im2col=lambda *_, **__: np.zeros((1, 1)))):
        result = result_of("im2col", judged, "forward")
        assert result.verdict == "oracles_disagree"
        assert "PyTorch" in result.message
        assert result.symptom == ""
        assert primary_failure([result]) is None


def test_disagreeing_oracles_are_told_on_special_values_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trial, "witness", differing_witness)
    assert result_of("im2col:w4:special", impl, "special_values").verdict == "oracles_disagree"


def test_where_pytorch_has_no_opinion_the_definition_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trial, "witness", lambda *_: None)
    assert result_of("im2col", impl, "forward").verdict == "passed"
    assert result_of("im2col", subject(im2col=lambda *_, **__: np.zeros((1, 1))), "forward").verdict == "failed"


def test_im2col_is_not_blamed_for_a_wrong_col2im() -> None:
    judged = subject(col2im=lambda *arguments, **options: 2 * impl.col2im(*arguments, **options))
    result = result_of(SMALL["im2col"], judged, "adjoint")
    assert result.verdict == "vacuous"
    assert "col2im itself is wrong" in result.message


def test_im2col_is_blamed_for_what_its_adjoint_shows_of_itself() -> None:
    judged = subject(im2col=lambda *arguments, **options: 2 * impl.im2col(*arguments, **options))
    assert result_of(SMALL["im2col"], judged, "adjoint").verdict == "failed"


def test_without_col2im_there_is_nothing_to_transpose_im2col_by() -> None:
    assert result_of(SMALL["im2col"], subject(col2im=None), "adjoint").verdict == "unsupported"


def test_a_maximum_of_equals_has_no_derivative_to_compare() -> None:
    specs = [f"max_pool2d:w4k1x4:ties:{seed}" for seed in range(8)]
    tied = [spec for spec in specs if Trial(parse_spec(spec), impl).values["x"].sum() > 1]
    assert tied
    for spec in tied:
        assert result_of(spec, impl, "finite_difference").verdict == "vacuous"
        assert result_of(spec, impl, "grad_input").verdict == "passed"


@pytest.mark.parametrize("check", ["finite_difference", "adjoint"])
def test_a_window_wholly_in_padding_has_no_derivative_to_compare(check: str) -> None:
    result = result_of("max_pool2d:h2w2k2p1d3", impl, check)
    assert result.verdict == "vacuous"
    assert "window" in result.message or "winner" in result.message


@pytest.mark.parametrize("check", ["finite_difference", "adjoint"])
@pytest.mark.parametrize("spec", ["max_pool2d:h2w2k2p1d3", "max_pool2d:w4k1x4:equal", "max_pool2d:h3w3k2"])
def test_without_a_backward_function_its_checks_are_unsupported_whatever_the_windows(spec: str, check: str) -> None:
    assert result_of(spec, subject(max_pool2d_backward=None), check).verdict == "unsupported"


@pytest.mark.parametrize("fill", ["huge", "tiny"])
def test_data_of_another_scale_leave_out_the_relations_that_move_or_add_integers(fill: str) -> None:
    results = results_of(f"conv2d:n2c2h4w3o2k2x3p1g2+bias:sliced:{fill}", impl)
    assert set(results) == {*OUTPUTS, "purity", "layout"}
    assert {result.verdict for result in results.values()} == {"passed"}


def test_a_layout_of_one_array_is_looked_at_in_the_calls_that_take_it() -> None:
    def in_memory_order(grad_output: Array, *arguments: Any, **options: Any) -> Any:
        return impl.conv2d_backward(grad_output.ravel(order="K").reshape(grad_output.shape), *arguments, **options)

    judged = subject(conv2d_backward=in_memory_order)
    spec = "conv2d:c2h3w3o2k2:transposed"
    assert result_of(f"{spec}@grad_output", judged, "layout").verdict == "failed"
    assert result_of(f"{spec}@weight", judged, "layout").verdict == "passed"
    names = [relation.name for relation in RELATIONS["layout"].each(parse_spec(f"{spec}@grad_output"))]
    assert names == [f"{name} of transposed grad_output = {name} of contiguous grad_output" for name in NO_BIAS]


def test_the_first_of_several_failures_is_the_primary_one() -> None:
    passed, first, second = (
        Result("forward", "passed"),
        Result("grad_input", "failed", "raised"),
        Result("purity", "failed", "aliased output"),
    )
    assert primary_failure([passed, first, second]) is first
    assert primary_failure([passed]) is None
    assert primary_failure([]) is None


@pytest.mark.parametrize(
    "spec",
    [
        "avg_pool2d:h3w3k2+divisor-3:real",
        "avg_pool2d:h2w2k2:f32:points@x.0.0.0.0=3e38@x.0.0.0.1=3e38@x.0.0.1.0=3e38",
        "conv2d:points@x.0.0.0.0=8.98846567431158e307@weight.0.0.0.0=2",
        (
            "conv2d:c3:points@x.0.0.0.0=1.5e308@x.0.1.0.0=1.5e308@x.0.2.0.0=-1.5e308"
            "@weight.0.0.0.0=1@weight.0.1.0.0=1@weight.0.2.0.0=1"
        ),
    ],
)
def test_a_negative_divisor_and_sums_that_overflow_are_no_failure_of_a_correct_subject(spec: str) -> None:
    for judged in (impl, torch_oracle):
        results = judge(parse_spec(spec), judged)
        assert {result.verdict for result in results} <= {"passed", "vacuous"}
        assert "passed" in {result.verdict for result in results}


def test_a_subject_of_one_dtype_keeps_it_while_its_failure_is_minimised() -> None:
    """Another dtype it would refuse, and that would be told in place of the bug."""

    def conv2d(x: Any, weight: Any, bias: Any = None, *, stride: tuple[int, int], **options: Any) -> Any:
        if x.dtype != np.float32:
            raise RuntimeError("float32 only")
        return impl.conv2d(x, weight, bias, stride=stride[::-1], **options)

    subject = SimpleNamespace(conv2d=conv2d, dtypes=("f32",))
    case = parse_spec("conv2d:h7w7k2s1x2:f32")
    failure = primary_failure(judge(case, subject))
    assert failure is not None
    least, result = smallest(*plainest(case, subject, failure), subject)
    assert (least.dtype, result.symptom) == ("f32", "wrong shape")


def test_what_one_subject_says_of_its_accuracy_is_not_said_of_the_next() -> None:
    claiming = SimpleNamespace(conv2d=impl.conv2d, error_factor=lambda _: 77.0)
    trial = Trial(parse_spec("conv2d:real"), claiming)
    assert trial.error_factor == 77
    assert trial.before(impl).error_factor is None


# What calls do to the data and to their results is seen on every case


def overwrites(x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Array:
    """A convolution that uses its input as scratch memory where both channels are whole blocks."""
    y = impl.conv2d(x, weight, bias, **options)
    if len(weight) % 16 == 0 == x.shape[1] % 16:
        x *= 0
    return y


def cleans(x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Array:
    """A convolution that takes NaN out of its input after it has used it."""
    y = impl.conv2d(x, weight, bias, **options)
    np.nan_to_num(x, copy=False)
    return y


def freezes(x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Array:
    """A convolution whose result cannot be written to."""
    y = impl.conv2d(x, weight, bias, **options)
    y.flags.writeable = False
    return y


def retypes(x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Array:
    """A convolution that leaves its input as integers of the same bits."""
    y = impl.conv2d(x, weight, bias, **options)
    x.dtype = np.dtype(f"i{x.itemsize}")  # type: ignore[misc] # NumPy still lets it be set
    return y


@pytest.mark.parametrize(
    ("spec", "conv2d", "symptom"),
    [
        ("conv2d:c64h14w14o64k3p1:f32", overwrites, "mutated input"),
        ("conv2d:c16h4w4o16k3p1:f32:real", overwrites, "mutated input"),
        ("conv2d:c3h6w6o2k3p1:special:1", cleans, "mutated input"),
        ("conv2d:c3h6w6o2k3p1:special:3", cleans, "mutated input"),
        ("conv2d:c3h6w6o2k3p1:f32:wide", retypes, "mutated input"),
        ("conv2d:c3h6w6o2k3p1", freezes, "read-only output"),
        ("conv2d:c3h6w6o2k3p1:real", freezes, "read-only output"),
    ],
)
def test_purity_is_seen_on_large_cases_and_on_data_of_every_kind(spec: str, conv2d: Any, symptom: str) -> None:
    case = parse_spec(spec)
    subject = SimpleNamespace(conv2d=conv2d, conv2d_backward=impl.conv2d_backward)
    found = {result.check: result for result in judge_trial(Trial(case, subject, sampled=True))}
    assert (found["purity"].verdict, found["purity"].symptom) == ("failed", symptom)


def test_nan_on_real_data_is_wrong_at_once_where_nothing_can_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bound, "overflows_to", None)

    def conv2d(x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Array:
        return np.full_like(impl.conv2d(x, weight, bias, **options), np.nan)

    (forward,) = judge(parse_spec("conv2d:c3h6w6o2k3p1:f32:real"), SimpleNamespace(conv2d=conv2d), ["forward"])
    assert forward.symptom == "NaN mismatch"
