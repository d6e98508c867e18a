"""Statements on quantities: their words mean what the cases say, and a threshold is named by a round number."""

import re
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import impl
from convgate.cases.case import Case
from convgate.cases.spec import parse_spec
from convgate.diagnosis.conditions import Condition, costs_of, distinct, list_conditions, met_by, same_so_far
from convgate.diagnosis.quantities import above, below, evaluate, quantities_of, threshold
from convgate.problems.block_sizes import BLOCKS
from convgate.shapes.features import vector_of
from convgate.sources.fuzz import draw_cases

OPERATORS = ("conv2d", "avg_pool2d", "im2col")
CASES = {name: [case for case in draw_cases(name, 0, 0, 120, impl) if vector_of(case)] for name in OPERATORS}


def cases(*specs: str) -> list[Case]:
    return [parse_spec(spec) for spec in specs]


def met(text: str, *specs: str) -> list[bool] | None:
    found = evaluate(text, quantities_of(cases(*specs)))
    return None if found is None else found.tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kernel_h >= 6", [False, True, False]),
        ("kernel >= 6 on either axis", [False, True, True]),
        ("kernel >= 6 on both axes", [False, True, False]),
        ("kernel_h * kernel_w > 16", [False, True, False]),
        ("output_h * output_w > 100", [True, False, False]),
        ("channels mod 8 = 3", [True, False, False]),
        ("channels + out_channels >= 64", [False, True, False]),
        ("both channels and out_channels are multiples of 4", [False, True, False]),
        ("both channels and out_channels >= 8", [False, True, False]),
        ("channels is no multiple of 4", [True, False, True]),
        ("channels is a multiple of 16", [False, True, False]),
        ("channels_per_group < 3", [False, False, True]),
        ("input_w odd", [True, False, False]),
        ("kernel_w even", [False, True, True]),
        ("input_h = 1", [False, False, True]),
        ("batch != 2", [True, True, False]),
        ("batch * output_h * output_w = 2", [False, False, True]),
        ("stride_h = stride_w and kernel_h = kernel_w", [True, True, False]),
        ("kernel_h != kernel_w", [False, False, True]),
        ("stride_h < stride_w", [False, False, True]),
        ("stride_h > stride_w", [False, False, False]),
        ("batch = channels", [False, False, False]),
        ("channels = out_channels", [False, True, True]),
        ("span_w = 8", [False, False, True]),
        ("span >= 6 on both axes", [False, True, False]),
        ("padded_input_h > 8", [True, False, False]),
        ("kernel_w > stride_w", [False, True, True]),
        ("kernel <= dilation on either axis", [True, False, True]),
        ("padding < stride on both axes", [True, True, True]),
        ("padding = dilation on both axes", [False, False, False]),
        ("output_h != output_w", [False, False, False]),
        ("output_h = output_w", [True, True, True]),
        ("batch * channels is a multiple of 4", [False, True, True]),
        ("batch * channels * input_h = 33", [True, False, False]),
        ("batch * out_channels = 12", [False, False, True]),
        ("out_channels * kernel_h * kernel_w >= 48", [False, True, True]),
    ],
)
def test_a_statement_means_what_it_says(text: str, expected: list[bool]) -> None:
    assert met(text, "conv2d:c3h11w11", "conv2d:c32h8w8o32k6", "conv2d:n2c6w8o6k1x8g6s1x2") == expected


def test_an_input_is_padded_on_both_sides() -> None:
    assert met("padded_input_h = 5", "conv2d:h3p1x0", "conv2d:h3", "conv2d:h4p0x1") == [True, False, False]


def test_outputs_are_compared_with_each_other_and_not_with_options() -> None:
    assert met("output_h < output_w", "conv2d:w3", "conv2d", "conv2d:h3") == [True, False, False]
    assert met("output_h != output_w", "conv2d:w3", "conv2d", "conv2d:h3") == [True, False, True]
    assert met("output_w > stride_w", "conv2d:w3") is None


@pytest.mark.parametrize(
    "text",
    [
        "kernel_w odd, > 1",
        "stride_w > kernel_w",
        "kernel_h > stride_w",
        "kernel > stride",
        "kernel_w > stride_w on both axes",
        "input_w > kernel_w",
        "kernel > 1 and stride > 1 on the same axis",
        "(kernel = 1 or kernel even) on both axes",
        "1 < channels <= 8",
        "both kernel_h and kernel_w >= 2",
        "groups = channels > 1",
        "remainder_w = 0",
        "fill lattice",
    ],
)
def test_what_is_no_statement_on_a_quantity_is_left_to_others(text: str) -> None:
    assert met(text, "conv2d:c3h11w11") is None


def test_an_operator_is_asked_only_for_quantities_that_it_has() -> None:
    assert met("dilation_w >= 4", "avg_pool2d") is None
    assert met("span_w >= 4", "avg_pool2d") is None
    assert met("kernel_w >= dilation_w", "avg_pool2d") is None
    assert met("kernel_w >= stride_w", "avg_pool2d") == [True]
    assert met("channels + out_channels >= 4", "avg_pool2d") is None
    assert met("batch * out_channels >= 4", "avg_pool2d") is None
    assert met("channels * kernel_h * kernel_w >= 4", "avg_pool2d:c4") == [True]


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_condition_is_read_again_from_its_words(operator: str) -> None:
    conditions = distinct(list_conditions([[case] for case in CASES[operator]]))
    for condition, found in zip(conditions, met_by([[each.text] for each in conditions], CASES[operator]), strict=True):
        assert found is not None, condition.text
        assert (found == condition.met).all(), condition.text


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_bits_of_conditions_are_the_lengths_of_a_code(operator: str) -> None:
    """The sum of 2**-bits is at most 1 (Kraft), so that no threshold is had for less than naming it takes."""
    found = distinct(list_conditions([[case] for case in CASES[operator]]))
    assert sum(2.0 ** -costs_of(found)) <= 1 + 1e-9
    kinds: dict[str, list[Condition]] = defaultdict(list)
    for condition in found:
        kind, times = re.subn(r"(>=|>|<|<=) \d+", "?", condition.text)
        if times == 1 and condition.among > len(BLOCKS):
            kinds[kind].append(condition)
    assert len(kinds) > 3
    assert all(each.among >= len(several) for several in kinds.values() for each in several)


@given(st.integers(0, 300), st.integers(1, 100))
def test_a_threshold_lies_where_cases_leave_it_open_and_is_as_round_as_can_be(last: int, gap: int) -> None:
    found = threshold(last, last + gap)
    assert last < found <= last + gap
    named = max(number & -number for number in (found, found - 1))
    assert all(max(other & -other, (other - 1) & (1 - other)) <= named for other in range(last + 1, last + gap + 1))


@given(st.integers(1, 300), st.sets(st.integers(1, 300), min_size=1))
def test_a_threshold_in_words_is_the_number_that_it_was(number: int, channels: set[int]) -> None:
    several = [replace(each, problem=replace(each.problem, channels=c)) for c in channels for each in cases("im2col")]
    quantities = quantities_of(several)
    values = quantities["channels"]
    for said, expected in ((above(number), values >= number), (below(number, 0), values < number)):
        found = evaluate(f"channels {said}", quantities)
        assert found is not None
        assert found.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("number", "said"),
    [(2, "> 1"), (3, "> 2"), (4, ">= 4"), (6, ">= 6"), (9, "> 8"), (17, "> 16"), (24, ">= 24"), (101, "> 100")],
)
def test_of_two_numbers_next_to_a_threshold_the_rounder_one_is_named(number: int, said: str) -> None:
    assert above(number) == said


def test_less_than_the_second_value_is_the_first() -> None:
    assert (below(2, 1), below(1, 0), below(6, 1), below(9, 1)) == ("= 1", "= 0", "< 6", "<= 8")


def test_the_thresholds_that_cases_leave_open_are_the_least_and_the_largest() -> None:
    tried = cases("conv2d:c3", "conv2d:c8", "conv2d:c20k1x2w2")
    assert same_so_far(("bias", "channels > 8"), tried) == [("bias", "channels >= 20")]
    assert same_so_far(("channels >= 8", "bias"), tried) == [("channels >= 4", "bias")]
    assert same_so_far(("kernel >= 2 on either axis", "stride_w > kernel_w"), tried) == []


def test_of_either_axis_the_larger_one_decides_and_of_both_the_smaller() -> None:
    tried = cases("conv2d:h9w9k2x5", "conv2d:h9w9k3x9")
    assert same_so_far(("kernel >= 6 on either axis",), tried) == [("kernel >= 9 on either axis",)]
    assert same_so_far(("kernel >= 3 on both axes",), tried) == []


def test_a_value_may_be_a_threshold_or_a_remainder_as_long_as_no_case_tells() -> None:
    tried = cases("conv2d:o5", "conv2d:o3", "conv2d:o4")
    others = {text for (text,) in same_so_far(("out_channels = 5",), tried)}
    remainders = {f"mod {block} = {5 % block}" for block in BLOCKS if block > 2}
    assert others == {f"out_channels {said}" for said in (">= 5", *remainders)}
    more = [*tried, *cases("conv2d:o13", "conv2d:o7")]
    assert ("out_channels >= 5",) not in same_so_far(("out_channels = 5",), more)
    assert ("out_channels mod 8 = 5",) not in same_so_far(("out_channels = 5",), more)
    assert ("out_channels mod 16 = 5",) in same_so_far(("out_channels = 5",), more)
