"""The shape classes, against definitions worked out by listing windows and taps."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convgate.cases.case import Case, broken_rule
from convgate.problems.axis import AXIS_OPTIONS, Axis, make_axes, with_options
from convgate.problems.operators import OPERATORS
from convgate.problems.operators.classes import CEIL_AXES, DILATED_AXES, AxisFeature, count_class, padding_windows
from convgate.problems.problem import Problem
from convgate.shapes.features import features_of, vector_of
from convgate.sources.strategies import cases

FEATURES = {feature.name: feature for feature in (*DILATED_AXES, *CEIL_AXES)}


# An axis, and whether ceil_mode is on.
Given = tuple[Axis, bool]


def axis(size: int = 1, kernel: int = 1, stride: int = 1, padding: int = 0, dilation: int = 1, **mode: bool) -> Given:
    found = with_options(Axis(), size=size, kernel_size=kernel, stride=stride, padding=padding, dilation=dilation)
    return found, mode.get("ceil", False)


def class_of(name: str, one: Given) -> str:
    """The class of an axis in words, as of the height."""
    feature: AxisFeature = FEATURES[name]
    return feature.classes[feature.of(*one)].replace("_{a}", "")


@pytest.mark.parametrize(
    ("name", "one", "expected"),
    [
        ("kernel", axis(9, 1), "kernel = 1"),
        ("kernel", axis(9, 2), "kernel even"),
        ("kernel", axis(9, 4), "kernel even"),
        ("kernel", axis(9, 3), "kernel odd, > 1"),
        ("large_kernel", axis(9, 5), "kernel < 6"),
        ("large_kernel", axis(9, 6), "kernel >= 6"),
        ("large_kernel", axis(9, 1), "kernel < 6"),
        ("stride", axis(9, 1, 1), "stride = 1"),
        ("stride", axis(9, 3, 1), "stride = 1"),
        ("stride", axis(9, 3, 2), "1 < stride < kernel"),
        ("stride", axis(9, 3, 3), "stride = kernel > 1"),
        ("stride", axis(9, 3, 4), "stride > kernel"),
        ("stride", axis(9, 1, 2), "stride > kernel"),
        ("padding", axis(9, 3, 1, 0), "padding = 0"),
        ("padding", axis(9, 3, 1, 2), "0 < padding < kernel"),
        ("padding", axis(9, 3, 1, 3), "padding >= kernel"),
        ("padding", axis(9, 1, 1, 1), "padding >= kernel"),
        ("dilation", axis(9, 3), "dilation = 1"),
        ("dilation", axis(9, 3, dilation=2), "dilation > 1"),
        ("input", axis(4, 3, padding=1, dilation=2), "input < span"),
        ("input", axis(5, 3, dilation=2), "input = span"),
        ("input", axis(6, 3, dilation=2), "input > span"),
        # starts 0 and 2 of a kernel of 2 in 4 pixels: the last one is used
        ("remainder", axis(4, 2, 2), "remainder = 0"),
        # starts 0 and 2 in 5 pixels: the last one is not
        ("remainder", axis(5, 2, 2), "remainder > 0"),
        ("output", axis(2, 2), "output = 1"),
        ("output", axis(3, 2), "output = 2"),
        ("output", axis(4, 2), "output > 2"),
        ("output", axis(9, 2), "output > 2"),
        ("overhang", axis(5, 2, 2), "no overhang"),
        ("overhang", axis(4, 2, 2, ceil=True), "no overhang"),
        # the third window starts at 4, within the 5 pixels, and reaches to 5, one beyond
        ("overhang", axis(5, 2, 2, ceil=True), "overhang kept"),
        # the second window would start at 3 - 1 = 2, with 2 pixels and 1 of left padding: beyond them
        ("overhang", axis(2, 2, 3, 1, ceil=True), "overhang clipped"),
        ("empty_window", axis(3, 2, padding=1), "no window in padding alone"),
        ("empty_window", axis(3, 2, padding=2), "a window in padding alone"),
        # taps at -1 and 1, and the only pixel between them
        ("empty_window", axis(1, 2, padding=1, dilation=2), "a window in padding alone"),
    ],
)
def test_an_axis_is_in_the_class_that_its_numbers_say(name: str, one: Given, expected: str) -> None:
    assert class_of(name, one) == expected


def small_axes() -> Iterator[Given]:
    """Axes on which the kernel fits: padding up to more than the kernel, but with ceil_mode to half of it."""
    for size, kernel, stride, dilation, ceil in product(range(1, 7), (1, 2, 3), range(1, 6), (1, 2, 3), (False, True)):
        for padding in range(kernel // 2 + 1 if ceil else kernel + 2):
            if size + 2 * padding >= dilation * (kernel - 1) + 1:
                yield axis(size, kernel, stride, padding, dilation, ceil=ceil)


def starts(one: Given) -> list[int]:
    """Where windows start, of those that lie in the padded input, counted from the first pixel of the input."""
    given, _ = one
    last = given.size + given.padding - 1 - given.dilation * (given.kernel_size - 1)
    return [start for start in range(-given.padding, last + 1) if (start + given.padding) % given.stride == 0]


def test_a_remainder_is_there_if_the_last_window_leaves_pixels_over() -> None:
    for one in small_axes():
        given, _ = one
        left = given.size + given.padding - 1 - (starts(one)[-1] + given.dilation * (given.kernel_size - 1))
        assert (class_of("remainder", one) == "remainder > 0") == (left > 0), one


def test_an_overhang_is_kept_if_its_window_starts_in_the_input_or_before_it() -> None:
    """And clipped if it starts beyond; there is one only in ceil_mode, if the last window leaves pixels over."""
    for one in small_axes():
        given, ceil_mode = one
        expected = "no overhang"
        if ceil_mode and class_of("remainder", one) == "remainder > 0":
            following = starts(one)[-1] + given.stride
            expected = "overhang kept" if following < given.size else "overhang clipped"
        assert class_of("overhang", one) == expected, one


def test_outputs_are_windows_and_the_overhang_that_is_kept() -> None:
    for one in small_axes():
        places = len(starts(one)) + (class_of("overhang", one) == "overhang kept")
        assert class_of("output", one) == {1: "output = 1", 2: "output = 2"}.get(places, "output > 2"), one


def test_windows_in_padding_alone_are_those_without_a_tap_in_the_input() -> None:
    for one in small_axes():
        given, _ = one
        windows = starts(one)
        if class_of("overhang", one) == "overhang kept":
            windows.append(windows[-1] + given.stride)
        pixels = set(range(given.size))
        taps = [{start + given.dilation * tap for tap in range(given.kernel_size)} for start in windows]
        empty = sum(not pixels & each for each in taps)
        assert padding_windows(*one) == (empty, len(windows)), one
        assert (class_of("empty_window", one) == "a window in padding alone") == (empty > 0), one


def words_of(problem: Problem, **data: str) -> set[str]:
    """All classes of a case in words."""
    vector = vector_of(Case(problem=problem, **data))  # type: ignore[arg-type] # strings all
    assert vector is not None
    return {each.classes[number] for each, number in zip(features_of(problem.operator), vector, strict=True)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"channels": 6, "out_channels": 9},
            {"groups = 1", "1 < channels_per_group < 8, no multiple of 4", "outputs_per_group > 8, no multiple of 4"},
        ),
        ({"channels": 8}, {"channels_per_group is a multiple of 4", "outputs_per_group = 1"}),
        (
            {"channels": 4, "out_channels": 96},
            {f"{side}_per_group is a multiple of 4" for side in ("channels", "outputs")},
        ),
        (
            {"channels": 18, "out_channels": 4, "groups": 2},
            {
                "1 < groups < channels",
                "channels_per_group > 8, no multiple of 4",
                "1 < outputs_per_group < 8, no multiple of 4",
            },
        ),
        (
            {"channels": 3, "out_channels": 3, "groups": 3},
            {"groups = channels > 1", "channels_per_group = 1", "outputs_per_group = 1"},
        ),
        ({"batch": 0, "bias": True}, {"batch = 0", "bias"}),
        ({"batch": 1}, {"batch = 1", "no bias"}),
        ({"batch": 5}, {"batch > 1"}),
        (
            {"axes": make_axes(size=(3, 4), stride=(2, 2))},
            {"input_h != input_w", "stride_h = stride_w", "kernel_h = kernel_w"},
        ),
    ],
)
def test_a_problem_is_in_the_classes_that_its_options_say(options: dict[str, Any], expected: set[str]) -> None:
    assert expected <= words_of(Problem(operator="conv2d", **options))


@given(st.integers(1, 2000))
def test_a_count_is_of_one_class(count: int) -> None:
    """That of its words: 1, whole blocks, and what is less or more than a block."""
    expected = 2 if count % 4 == 0 else 0 if count == 1 else 1 if count < 8 else 3
    assert count_class(count) == expected


def test_the_options_of_averages_have_classes() -> None:
    problem = Problem(operator="avg_pool2d", ceil_mode=True, count_include_pad=False, divisor_override=3)
    assert {"ceil_mode", "no count_include_pad", "divisor_override"} <= words_of(problem)
    assert {"no ceil_mode", "count_include_pad", "no divisor_override"} <= words_of(Problem(operator="avg_pool2d"))


def test_the_data_have_classes() -> None:
    found = words_of(Problem(operator="im2col"), dtype="f32", layout="sliced", fill="special")
    assert {"dtype f32", "layout sliced", "fill special"} <= found


@settings(deadline=None, database=None, max_examples=200)
@given(st.sampled_from(list(OPERATORS)).flatmap(cases))
def test_every_case_has_one_class_of_each_feature(case: Case) -> None:
    vector = vector_of(case)
    if vector is None:
        assert broken_rule(case) is not None
        return
    sizes = [len(each.classes) for each in features_of(case.problem.operator)]
    assert all(0 <= number < size for number, size in zip(vector, sizes, strict=True))


@settings(deadline=None, database=None, max_examples=200)
@given(st.sampled_from(list(OPERATORS)).flatmap(cases))
def test_a_mirrored_problem_has_the_classes_of_height_and_width_exchanged(case: Case) -> None:
    problem = replace(case.problem, axes=case.problem.axes[::-1])
    vector, mirrored = vector_of(case), vector_of(replace(case, problem=problem))
    if vector is None:
        assert mirrored is None
        return
    assert mirrored is not None
    a = len(case.operator.axis_features)
    assert mirrored == (*vector[a : 2 * a], *vector[:a], *vector[2 * a :])


def test_features_have_names_of_their_own_and_classes_words_of_their_own() -> None:
    for operator in OPERATORS:
        features = features_of(operator)
        words = [each for feature in features for each in feature.classes]
        assert len({feature.name for feature in features}) == len(features)
        assert len(set(words)) == len(words)
        assert [f"kernel_{a}" for a in "hw"] == [each.name for each in features if each.name.startswith("kernel_")]


def test_pairs_are_compared_only_where_the_operator_has_them() -> None:
    equal = {operator: [f.name for f in features_of(operator) if f.name.startswith("equal_")] for operator in OPERATORS}
    assert equal["avg_pool2d"] == ["equal_input", "equal_kernel", "equal_stride", "equal_padding"]
    assert len(equal["conv2d"]) == len(AXIS_OPTIONS)
