"""Problems: what the engine knows of windows, against the definition and by hand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgate.problems.problem import PAIRS, Problem, clipped_window, output_size, overhang, span, swap_axes, with_axis
from oracles import definition

sizes = st.integers(1, 20)
kernels = st.integers(1, 7)
strides = st.integers(1, 9)
paddings = st.integers(0, 8)
dilations = st.integers(1, 4)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Any problem, valid or not, with every option of its own."""
    pairs: dict[str, Any] = {name: draw(st.tuples(st.integers(-1, 9), st.integers(-1, 9))) for name in PAIRS}
    return Problem(
        operator=draw(st.sampled_from(["conv2d", "max_pool2d"])),
        batch=draw(st.integers(0, 3)),
        channels=draw(st.integers(1, 3)),
        ceil_mode=draw(st.booleans()),
        **pairs,
    )


@given(sizes, kernels, strides, paddings, dilations, st.booleans())
def test_output_size_is_the_definitions(
    size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> None:
    """Where the definition rejects the kernel, the size is below 1."""
    found = output_size(size, kernel, stride, padding, dilation, ceil_mode=ceil_mode)
    try:
        expected = definition.output_size(size, kernel, stride, padding, dilation=dilation, ceil_mode=ceil_mode)
    except ValueError:
        assert found < 1
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "floor", "ceil"),
    [
        pytest.param(5, 2, 2, 0, 2, 3, id="the last window overhangs"),
        pytest.param(4, 2, 2, 0, 2, 2, id="all windows fit"),
        pytest.param(3, 2, 2, 1, 2, 2, id="the ceil window would start in the right padding"),
        pytest.param(4, 2, 2, 1, 3, 3, id="the last window starts on the last pixel"),
        pytest.param(2, 1, 3, 0, 1, 1, id="the ceil window would start beyond the input"),
        pytest.param(2, 1, 3, 1, 2, 1, id="even a window that fits is dropped if it starts in the right padding"),
        pytest.param(1, 2, 2, 0, 0, 1, id="the only window overhangs"),
        pytest.param(1, 3, 3, 0, 0, 1, id="the only window overhangs by all but a pixel"),
        pytest.param(1, 3, 2, 0, 0, 0, id="too large by a whole stride"),
        pytest.param(1, 4, 2, 0, -1, 0, id="too large by more than a stride"),
        pytest.param(7, 3, 3, 1, 3, 3, id="all windows fit, with padding"),
        pytest.param(8, 3, 3, 1, 3, 3, id="the ceil window would start on the first pixel of right padding"),
        pytest.param(9, 3, 3, 1, 3, 4, id="the last window starts on the last pixel and overhangs"),
    ],
)
def test_the_clip_rule_of_ceil_mode(size: int, kernel: int, stride: int, padding: int, floor: int, ceil: int) -> None:
    assert output_size(size, kernel, stride, padding, 1) == floor
    assert output_size(size, kernel, stride, padding, 1, ceil_mode=True) == ceil


@pytest.mark.parametrize("stride", [0, -1])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_without_a_stride_there_are_no_places(stride: int, ceil_mode: bool) -> None:
    assert output_size(5, 2, stride, 0, 1, ceil_mode=ceil_mode) == 0


def test_span_counts_the_gaps_of_a_dilated_kernel() -> None:
    assert [span(1, 4), span(3, 1), span(3, 2), span(2, 5)] == [1, 3, 5, 6]


@given(sizes, kernels, strides, paddings, dilations)
def test_overhang_counts_positions_beyond_the_padded_input(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    places = output_size(size, kernel, stride, padding, dilation, ceil_mode=True)
    starts = [place * stride - padding for place in range(places)]
    covered = {start + position for start in starts for position in range(dilation * (kernel - 1) + 1)}
    # windows farther apart than they are long leave gaps, but a window that overhangs covers all beyond the end
    expected = sum(position >= size + padding for position in covered)
    assert overhang(size, kernel, stride, padding, dilation) == expected


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "expected"),
    [
        pytest.param(5, 2, 2, 0, 1, 1, id="one pixel"),
        pytest.param(4, 2, 2, 0, 1, 0, id="none"),
        pytest.param(3, 2, 2, 1, 1, 0, id="dropped by the clip rule"),
        pytest.param(1, 3, 3, 0, 1, 2, id="the only window"),
        pytest.param(1, 3, 3, 0, 2, 0, id="no window fits"),
        pytest.param(6, 2, 4, 0, 3, 2, id="dilated"),
    ],
)
def test_overhang_by_hand(size: int, kernel: int, stride: int, padding: int, dilation: int, expected: int) -> None:
    assert overhang(size, kernel, stride, padding, dilation) == expected


@given(st.data(), sizes, kernels, strides, st.booleans())
def test_clipped_windows_are_the_extents_that_the_definition_divides_by(
    data: st.DataObject, size: int, kernel: int, stride: int, real: bool
) -> None:
    padding = data.draw(st.integers(0, kernel // 2))
    for place in range(max(0, output_size(size, kernel, stride, padding, 1, ceil_mode=True))):
        expected = definition.average_extent(place, size, kernel, stride, padding, count_include_pad=not real)
        assert clipped_window(place, size, kernel, stride, padding, real=real) == expected


def test_clipped_windows_by_hand() -> None:
    """Three pixels with one of padding on each side, windows of 3, 2 apart: P01, 12P, and in ceil mode no third."""
    assert [clipped_window(place, 3, 3, 2, 1, real=False) for place in (0, 1)] == [3, 3]
    assert [clipped_window(place, 3, 3, 2, 1, real=True) for place in (0, 1)] == [2, 2]
    # four pixels: P01, 12 3, and 3P overhanging by one
    assert [clipped_window(place, 4, 3, 2, 1, real=False) for place in (0, 1, 2)] == [3, 3, 2]
    assert [clipped_window(place, 4, 3, 2, 1, real=True) for place in (0, 1, 2)] == [2, 3, 1]


def test_places_and_taps_are_areas() -> None:
    problem = Problem(operator="conv2d", size=(5, 7), kernel_size=(3, 2), stride=(2, 1), padding=(1, 0))
    assert problem.output_size == (3, 6)
    assert problem.places == 18
    assert problem.taps == 6


def test_output_size_heeds_ceil_mode_and_each_axis() -> None:
    options: dict[str, Any] = {"size": (5, 4), "kernel_size": (2, 3), "stride": (2, 1), "dilation": (1, 1)}
    assert Problem(operator="max_pool2d", **options).output_size == (2, 2)
    assert Problem(operator="max_pool2d", ceil_mode=True, **options).output_size == (3, 2)


@given(problems())
def test_swapping_the_axes_twice_changes_nothing(problem: Problem) -> None:
    assert swap_axes(swap_axes(problem)) == problem


@given(problems())
def test_swapping_the_axes_exchanges_height_and_width_and_nothing_else(problem: Problem) -> None:
    swapped = swap_axes(problem)
    assert swapped.output_size == problem.output_size[::-1]
    for name in PAIRS:
        assert getattr(swapped, name) == getattr(problem, name)[::-1]
    rest = ("operator", "batch", "channels", "ceil_mode")
    assert [getattr(swapped, name) for name in rest] == [getattr(problem, name) for name in rest]


def test_with_axis_sets_options_of_one_axis() -> None:
    problem = Problem(operator="conv2d", size=(5, 7), kernel_size=(3, 2))
    assert with_axis(problem, 0, size=9, stride=4) == Problem(
        operator="conv2d", size=(9, 7), kernel_size=(3, 2), stride=(4, 1)
    )
    assert with_axis(problem, 1, kernel_size=1) == Problem(operator="conv2d", size=(5, 7), kernel_size=(3, 1))


@given(problems(), st.integers(0, 1), st.sampled_from(PAIRS), st.integers(-1, 9))
def test_with_axis_leaves_the_other_axis_alone(problem: Problem, axis: int, name: str, value: int) -> None:
    changed = with_axis(problem, axis, **{name: value})
    assert getattr(changed, name)[axis] == value
    assert getattr(changed, name)[1 - axis] == getattr(problem, name)[1 - axis]
    assert with_axis(changed, axis, **{name: getattr(problem, name)[axis]}) == problem
