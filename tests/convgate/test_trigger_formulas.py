"""The true trigger of a fault can be a formula: it holds for the cases for which it does in Python."""

from collections.abc import Callable

import pytest

from convgate.cases.spec import parse_spec
from convgate.problems.problem import Problem
from convgate.selftest.faults import correct
from convgate.selftest.triggers import holds, meets_trigger
from convgate.shapes.features import vector_of
from convgate.sources.fuzz import draw_cases

CASES = [case for case in draw_cases("conv2d", 0, 0, 60, correct) if vector_of(case) is not None]


@pytest.mark.parametrize(
    ("text", "first", "in_python"),
    [
        ("channels + out_channels >= 4", "conv2d:c2o2", lambda p: p.channels + p.out_channels >= 4),
        ("channels is a multiple of 3", "conv2d:c3", lambda p: p.channels % 3 == 0),
        ("batch * channels is no multiple of 2", "conv2d:c3", lambda p: p.batch * p.channels % 2 == 1),
        ("output_h % dilation_h > 0", "conv2d:k2p1d2", lambda p: p.output_size[0] % p.dilation[0] > 0),
        ("dilation_w * (kernel_w - 1) > 3", "conv2d:w5k1x5", lambda p: p.dilation[1] * (p.kernel_size[1] - 1) > 3),
        ("output_h != output_w", "conv2d:w2", lambda p: p.output_size[0] != p.output_size[1]),
        ("1 < kernel_w < 4", "conv2d:w2k1x2", lambda p: 1 < p.kernel_size[1] < 4),
        (
            "padding = dilation on both axes",
            "conv2d:p1",
            lambda p: all(pad == apart for pad, apart in zip(p.padding, p.dilation, strict=True)),
        ),
        (
            "kernel odd and stride = 2 on the same axis",
            "conv2d:s2x1",
            lambda p: any(k % 2 and s == 2 for k, s in zip(p.kernel_size, p.stride, strict=True)),
        ),
        (
            "(channels_per_group = 2 or outputs_per_group = 2)",
            "conv2d:o2",
            lambda p: 2 in {p.channels // p.groups, p.out_channels // p.groups},
        ),
    ],
)
def test_a_formula_holds_where_it_does(text: str, first: str, in_python: Callable[[Problem], bool]) -> None:
    cases = [parse_spec(first), *CASES]
    met = meets_trigger([text], cases)
    assert met is not None
    assert met.tolist() == [in_python(case.problem) for case in cases]
    assert 0 < met[1:].sum() < len(CASES)


def test_more_layouts_than_a_condition_has_can_be_named() -> None:
    words = "(layout fortran or layout transposed or layout sliced)"
    cases = [parse_spec(f"conv2d:w2{each}") for each in (":sliced", ":transposed", ":offset", ":fortran", "")]
    met = meets_trigger([words], cases)
    assert met is not None
    assert met.tolist() == [True, True, False, True, False]


def test_special_values_are_looked_for_in_one_array() -> None:
    cases = [
        parse_spec(f"conv2d:w2:points@{points}")
        for points in ("weight.0.0.0.0=nan", "x.0.0.0.0=nan", "weight.0.0.0.0=inf")
    ]
    for text, met in (("NaN in weight", [1, 0, 0]), ("(NaN in weight or infinity in weight)", [1, 0, 1])):
        assert [holds(text, case) for case in cases] == met


def test_conditions_of_failures_and_formulas_hold_together() -> None:
    cases = [parse_spec(spec) for spec in ("conv2d:c4h3w3k2:fortran", "conv2d:c4h3w3k2", "conv2d:c3h3w3k2:fortran")]
    met = meets_trigger(["layout fortran", "windows overlap on either axis", "channels is a multiple of 4"], cases)
    assert met is not None
    assert met.tolist() == [True, False, False]


@pytest.mark.parametrize("text", ["channels is a multiple of 4", "no such words", "colour = 3", "channels +", "batch"])
def test_what_the_first_case_does_not_meet_or_what_is_not_known_says_nothing(text: str) -> None:
    assert meets_trigger([text], [parse_spec("conv2d:c3"), parse_spec("conv2d:c4")]) is None
