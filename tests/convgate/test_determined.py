"""What must come out of NaN and infinities in weight, bias and grad_output, and what may be NaN besides."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import impl
from convgate.cases.case import Case, case_rule, values_of
from convgate.cases.spec import parse_spec
from convgate.diagnosis.repro import repro_source
from convgate.judging.checks import judge
from convgate.judging.compare import compare
from convgate.judging.determined import excused, undetermined
from convgate.problems.operators import OPERATORS, perform
from convgate.problems.problem import Problem
from convgate.sources.strategies import problems
from oracles import definition, torch_oracle

Array = NDArray[Any]

light = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
NAN, INF = float("nan"), float("inf")


def holes(spec: str, output: str) -> Any:
    """Where an output of a case may be NaN, as nested lists of 0 and 1; None if nowhere."""
    case = parse_spec(spec)
    found = undetermined(case.problem, values_of(case), output)
    return None if found is None else found.astype(int).squeeze().tolist()


@pytest.mark.parametrize(
    ("spec", "output", "expected"),
    [
        # the left tap of a kernel of 2 is in padding at the first place only
        ("conv2d:w3k1x2p0x1:points@weight.0.0.0.0=inf", "y", [1, 0, 0, 0]),
        ("conv2d:w3k1x2p0x1:points@weight.0.0.0.1=nan", "y", [0, 0, 0, 1]),
        ("conv2d:w3k1x2:points@weight.0.0.0.0=inf", "y", None),
        ("conv2d:w3k1x2p0x1:points@x.0.0.0.0=inf@weight.0.0.0.0", "y", None),
        # at the first place the left tap is in padding, at the last the right one
        ("conv2d:w3k1x2p0x1:points@grad_output.0.0.0.0=inf", "grad_weight", [1, 0]),
        ("conv2d:w3k1x2p0x1:points@grad_output.0.0.0.3=nan", "grad_weight", [0, 1]),
        ("conv2d:w3k1x2p0x1:points@grad_output.0.0.0.1=inf", "grad_weight", None),
        # with a stride of 2 each tap reaches every second pixel; the last of three is not seen by a second window
        ("conv2d:w5k1x2s1x2:points@weight.0.0.0.0=inf", "grad_input", [0, 1, 0, 1, 1]),
        ("conv2d:w3k1x2:points@weight.0.0.0.0=inf", "grad_input", [0, 0, 1]),
        ("conv2d:w3:points@weight.0.0.0.0=inf", "grad_input", None),
        ("conv2d:w3k1x2:points@grad_output.0.0.0.0=inf", "grad_input", None),
        # of two groups only the second has such a weight
        ("conv2d:c2w2o2k1x2p0x1g2:points@weight.1.0.0.0=inf", "y", [[0, 0, 0], [1, 0, 0]]),
        # its filters are the first two, and it is the second of them that has one
        ("conv2d:c2w3o4k1x2g2:points@weight.1.0.0.0=inf", "grad_input", [[0, 0, 1], [0, 0, 0]]),
        ("conv2d:w3k1x2p0x1+bias:points@grad_output.0.0.0.0=inf", "grad_bias", None),
        ("avg_pool2d:w3k1x2p0x1:points@grad_output.0.0.0.0=inf", "grad_input", None),
        ("max_pool2d:w3k1x2p0x1:points@grad_output.0.0.0.0=inf", "grad_input", None),
        ("col2im:w3k1x2p0x1:points@columns.0.0=inf", "y", None),
    ],
)
def test_an_entry_may_be_nan_where_what_is_not_finite_meets_padding_or_a_gap(
    spec: str, output: str, expected: Any
) -> None:
    assert holes(spec, output) == expected


def padded_with_zeros(values: dict[str, Array], problem: Problem) -> dict[str, Array]:
    """All outputs of a convolution in the way that multiplies most: padding, and a transposed form with stuffed zeros.

    ``grad_input`` convolves grad_output, with zeros between and around its entries, with the turned kernel.
    """
    (kh, kw), (down, across), (above, left), (dh, dw) = (
        getattr(problem, name) for name in ("kernel_size", "stride", "padding", "dilation")
    )
    options: dict[str, Any] = {"stride": problem.stride, "dilation": problem.dilation, "groups": problem.groups}
    x = np.pad(values["x"], ((0, 0), (0, 0), (above, above), (left, left)))
    y = definition.conv2d(x, values["weight"], values.get("bias"), **options)
    _, grad_weight, _ = definition.conv2d_backward(values["grad_output"], x, values["weight"], **options)
    g, groups = values["grad_output"], problem.groups
    high, wide = x.shape[2] - dh * (kh - 1), x.shape[3] - dw * (kw - 1)
    stuffed = np.zeros((*g.shape[:2], high, wide))
    stuffed[:, :, : g.shape[2] * down : down, : g.shape[3] * across : across] = g
    around = ((0, 0), (0, 0), (dh * (kh - 1),) * 2, (dw * (kw - 1),) * 2)
    turned = values["weight"].reshape(groups, -1, *values["weight"].shape[1:]).swapaxes(1, 2)[..., ::-1, ::-1]
    turned = turned.reshape(-1, problem.out_channels // groups, kh, kw)
    whole = definition.conv2d(np.pad(stuffed, around), turned, dilation=(dh, dw), groups=groups)
    grad_input = whole[:, :, above : above + problem.size[0], left : left + problem.size[1]]
    return {"y": y, "grad_weight": grad_weight, "grad_input": grad_input}


def same(a: Array, b: Array) -> Array:
    """Where two arrays are the same to within half a step of the lattice, NaN and infinities to the letter."""
    with np.errstate(invalid="ignore"):
        found: Array = (np.isnan(a) & np.isnan(b)) | (a == b) | (abs(a - b) < 0.5)
    return found


@light
@given(problems("conv2d"), st.integers(0, 2**16))
def test_an_implementation_that_multiplies_all_its_padding_is_right_where_it_is_excused_and_nan_nowhere_else(
    problem: Problem, seed: int
) -> None:
    """And what is excused is no more than what it needs."""
    case = Case(problem=problem, fill="special", seed=seed)
    if case_rule(case) is not None or not problem.batch or OPERATORS["conv2d"].work(problem) > 5000:
        return
    values = {name: array.astype(np.float64) for name, array in values_of(case).items()}
    truth = perform(definition, case.operator.forward(problem), values)
    truth |= perform(definition, OPERATORS["conv2d"].backward(problem), values)  # type: ignore[misc]
    for output, found in padded_with_zeros(values, problem).items():
        may_be_nan = undetermined(problem, values, output)
        mask = np.zeros(found.shape, bool) if may_be_nan is None else np.broadcast_to(may_be_nan, found.shape)
        assert same(found, truth[output])[~mask].all()
        assert np.isnan(found[mask]).all()


@pytest.mark.parametrize("operator", OPERATORS)
def test_pytorch_agrees_with_the_definition_on_special_values_in_all_arrays(operator: str) -> None:
    """Some of its kernels leave padding out, some multiply by it."""
    out = {"conv2d": "o3", "im2col": "", "col2im": ""}.get(operator, "")
    agreed = 0
    for seed in range(40):
        for geometry in (f"n2c3h6w5{out}k3x2s2x1p1", f"n2c3h4w5{out}k2p1x0", f"c3h5w5{out}k3p1+bias"):
            spec = f"{operator}:{geometry if operator == 'conv2d' else geometry.replace('+bias', '')}:special:{seed}"
            results = judge(parse_spec(spec), impl, ["special_values"])
            assert {result.verdict for result in results} <= {"passed", "vacuous"}, (spec, results)
            agreed += len(results)
    assert agreed >= 100


def subject(**changed: Callable[..., Any]) -> SimpleNamespace:
    """`impl` with some functions replaced."""
    return SimpleNamespace(**{name: getattr(impl, name) for name in impl.__all__} | changed)


def forward_with(change: Callable[[dict[str, Any]], dict[str, Any]]) -> SimpleNamespace:
    """`impl`, but its convolution gets other arrays."""

    def conv2d(x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Array:
        given = change({"x": x, "weight": weight, "bias": bias})
        return impl.conv2d(given["x"], given["weight"], given["bias"], **options)

    return subject(conv2d=conv2d)


def backward_with(change: Callable[[dict[str, Any]], dict[str, Any]]) -> SimpleNamespace:
    """`impl`, but its gradients get other arrays."""

    def conv2d_backward(g: Array, x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Any:
        given = change({"grad_output": g, "x": x, "weight": weight, "bias": bias})
        return impl.conv2d_backward(given["grad_output"], given["x"], given["weight"], given["bias"], **options)

    return subject(conv2d_backward=conv2d_backward)


def cleaned(*names: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """NaN and infinities of these arrays become numbers."""
    return lambda arrays: arrays | {name: np.nan_to_num(arrays[name]) for name in names if arrays.get(name) is not None}


def finite_where_zero(name: str, other: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """As if zeros of an array were skipped: what they would be multiplied by is finite if the array has a zero."""
    return lambda arrays: arrays | ({other: np.nan_to_num(arrays[other])} if (arrays[name] == 0).any() else {})


WRONG = {
    "NaN in the weight becomes a number": forward_with(cleaned("weight")),
    "NaN in the bias becomes a number": forward_with(cleaned("bias")),
    "NaN in the weight becomes a number in gradients": backward_with(cleaned("weight")),
    "NaN in grad_output becomes a number": backward_with(cleaned("grad_output")),
    "weights that are zero are skipped": forward_with(finite_where_zero("weight", "x")),
    "pixels that are zero are skipped": forward_with(finite_where_zero("x", "weight")),
    "gradients that are zero are skipped": backward_with(finite_where_zero("grad_output", "weight")),
    "pixels that are zero are skipped in gradients": backward_with(finite_where_zero("x", "grad_output")),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("padding", ["", "p1"])
def test_who_loses_what_is_not_finite_fails(wrong: Any, padding: str) -> None:
    """On one of twelve seeds at least, whatever arrays these have special values in."""
    failing = 0
    for seed in range(12):
        case = parse_spec(f"conv2d:n2c2h5w5o3k2{padding}+bias:special:{seed}")
        (result,) = judge(case, wrong, ["special_values"])
        failing += result.verdict == "failed"
        assert result.verdict in {"failed", "passed"}
    assert failing >= 2


@pytest.mark.parametrize(
    ("spec", "output", "wrong"),
    [
        # a number where only the truth or NaN may be
        ("conv2d:w3k1x2p0x1:points@weight.0.0.0.0=inf@x.0.0.0.0", "y", 7.0),
        ("conv2d:w3k1x2p0x1:points@weight.0.0.0.0=inf@x.0.0.0.0", "y", INF),
    ],
)
def test_an_entry_that_may_be_nan_may_be_nothing_else(spec: str, output: str, wrong: float) -> None:
    case = parse_spec(spec)
    values = values_of(case)
    truth = definition.conv2d(values["x"], values["weight"], padding=(0, 1))
    mask = undetermined(case.problem, values, output)
    for value, right in ((truth[0, 0, 0, 0], True), (NAN, True), (wrong, False)):
        found = truth.copy()
        found[0, 0, 0, 0] = value
        assert (compare(excused(found, truth, mask), truth, "f64") is None) == right


def test_what_is_no_array_of_floats_is_excused_nothing() -> None:
    mask = np.array([True])
    for found in (None, [NAN], np.array([1]), np.array([NAN, NAN])):
        assert excused(found, np.array([1.0]), mask) is found


def test_a_nan_bias_makes_a_channel_nan_and_infinite_ones_meet_infinite_sums() -> None:
    x, weight, bias = np.ones((1, 1, 1, 1)), np.ones((4, 1, 1, 1)), np.array([NAN, INF, -INF, INF])
    weight[3] = -INF
    y = definition.conv2d(x, weight, bias).ravel().tolist()
    assert np.isnan(y[0])
    assert y[1:3] == [INF, -INF]
    assert np.isnan(y[3])


def test_a_script_lets_nan_pass_where_it_may_be_and_shows_what_is_wrong_elsewhere() -> None:
    case = parse_spec("conv2d:w3k1x2p0x1:points@weight.0.0.0.0=inf@x.0.0.0.1")
    wrong = forward_with(cleaned("weight"))
    (result,) = judge(case, wrong, ["special_values"])
    assert result.verdict == "failed"
    source = repro_source("module", case, result, "headline", "spec", 1.0)
    assert "NaN is as right" in source
    names: dict[str, Any] = {"np": np}
    body = source[source.index("expected = ") :].splitlines()[:5]
    exec("\n".join(["actual = np.full((1, 1, 1, 4), np.nan)", *(line.strip() for line in body)]), names)  # noqa: S102 - our own text
    assert np.isnan(names["expected"][0, 0, 0, 0])
    assert names["expected"][0, 0, 0, 2] == INF


def test_pytorch_multiplies_padding_in_some_kernel_so_that_the_excuse_is_needed() -> None:
    """If no kernel did so any more, more could be asked for."""
    x, weight = np.ones((1, 1, 1, 3)), np.array([[[[INF, 1.0]]]])
    y = torch_oracle.conv2d(x, weight, padding=(0, 1))
    assert np.isnan(y[0, 0, 0, 0]) or y[0, 0, 0, 0] == 1
