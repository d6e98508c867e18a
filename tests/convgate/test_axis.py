"""Axes: what the engine knows of windows along one of them, against the definition, by listing and by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgate.problems.axis import (
    AXIS_OPTIONS,
    Axis,
    clipped_window,
    make_axes,
    output_size,
    overhang,
    padding_as_pixels,
    with_options,
)
from oracles import definition

sizes = st.integers(1, 20)
kernels = st.integers(1, 7)
strides = st.integers(1, 9)
paddings = st.integers(0, 8)
dilations = st.integers(1, 4)
axes = st.builds(
    Axis,
    size=sizes,
    kernel_size=kernels,
    stride=strides,
    padding_before=paddings,
    padding_after=paddings,
    dilation=dilations,
)


def axis(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> Axis:
    return with_options(Axis(), size=size, kernel_size=kernel, stride=stride, padding=padding, dilation=dilation)


even_axes = st.builds(axis, sizes, kernels, strides, paddings, dilations)


def starts(one: Axis) -> list[int]:
    """Where windows start, of those that lie in the padded input, counted from the first pixel of the input."""
    last = one.size + one.padding_after - one.span
    return list(range(-one.padding_before, last + 1, one.stride))


@given(even_axes, st.booleans())
def test_output_size_is_the_definitions(one: Axis, ceil_mode: bool) -> None:
    """Where the definition rejects the kernel, the size is below 1."""
    numbers = (one.size, one.kernel_size, one.stride, one.padding)
    found = output_size(one, ceil_mode=ceil_mode)
    try:
        expected = definition.output_size(*numbers, dilation=one.dilation, ceil_mode=ceil_mode)
    except ValueError:
        assert found < 1
    else:
        assert found == expected


@given(axes)
def test_output_size_counts_the_windows_whatever_the_padding_on_each_side(one: Axis) -> None:
    assert max(0, output_size(one)) == len(starts(one))


@pytest.mark.parametrize(
    ("one", "floor", "ceil"),
    [
        pytest.param(axis(5, 2, 2, 0), 2, 3, id="the last window overhangs"),
        pytest.param(axis(4, 2, 2, 0), 2, 2, id="all windows fit"),
        pytest.param(axis(3, 2, 2, 1), 2, 2, id="the ceil window would start in the right padding"),
        pytest.param(axis(4, 2, 2, 1), 3, 3, id="the last window starts on the last pixel"),
        pytest.param(axis(2, 1, 3, 0), 1, 1, id="the ceil window would start beyond the input"),
        pytest.param(axis(2, 1, 3, 1), 2, 1, id="even a window that fits is dropped if it starts in the right padding"),
        pytest.param(axis(1, 2, 2, 0), 0, 1, id="the only window overhangs"),
        pytest.param(axis(1, 3, 3, 0), 0, 1, id="the only window overhangs by all but a pixel"),
        pytest.param(axis(1, 3, 2, 0), 0, 0, id="too large by a whole stride"),
        pytest.param(axis(1, 4, 2, 0), -1, 0, id="too large by more than a stride"),
        pytest.param(axis(7, 3, 3, 1), 3, 3, id="all windows fit, with padding"),
        pytest.param(axis(8, 3, 3, 1), 3, 3, id="the ceil window would start on the first pixel of right padding"),
        pytest.param(axis(9, 3, 3, 1), 3, 4, id="the last window starts on the last pixel and overhangs"),
        pytest.param(Axis(size=4, kernel_size=2, stride=2, padding_before=1), 2, 3, id="padding before alone"),
        pytest.param(Axis(size=4, kernel_size=2, stride=2, padding_after=1), 2, 2, id="padding after alone"),
    ],
)
def test_the_clip_rule_of_ceil_mode(one: Axis, floor: int, ceil: int) -> None:
    assert output_size(one) == floor
    assert output_size(one, ceil_mode=True) == ceil


@pytest.mark.parametrize("stride", [0, -1])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_without_a_stride_there_are_no_places(stride: int, ceil_mode: bool) -> None:
    assert output_size(axis(5, 2, stride, 0), ceil_mode=ceil_mode) == 0


def test_span_counts_the_gaps_of_a_dilated_kernel() -> None:
    assert [Axis(kernel_size=k, dilation=d).span for k, d in ((1, 4), (3, 1), (3, 2), (2, 5))] == [1, 3, 5, 6]


@given(axes)
def test_overhang_counts_positions_beyond_the_padded_input(one: Axis) -> None:
    places = range(output_size(one, ceil_mode=True))
    covered = {place * one.stride - one.padding_before + tap for place in places for tap in range(one.span)}
    # windows farther apart than they are long leave gaps, but a window that overhangs covers all beyond the end
    assert overhang(one) == sum(position >= one.size + one.padding_after for position in covered)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(axis(5, 2, 2, 0), 1, id="one pixel"),
        pytest.param(axis(4, 2, 2, 0), 0, id="none"),
        pytest.param(axis(3, 2, 2, 1), 0, id="dropped by the clip rule"),
        pytest.param(axis(1, 3, 3, 0), 2, id="the only window"),
        pytest.param(axis(1, 3, 3, 0, 2), 0, id="no window fits"),
        pytest.param(axis(6, 2, 4, 0, 3), 2, id="dilated"),
        pytest.param(Axis(size=4, kernel_size=2, stride=2, padding_before=1), 1, id="padding before alone"),
    ],
)
def test_overhang_by_hand(one: Axis, expected: int) -> None:
    assert overhang(one) == expected


@given(st.data(), sizes, kernels, strides, st.booleans())
def test_clipped_windows_are_the_extents_that_the_definition_divides_by(
    data: st.DataObject, size: int, kernel: int, stride: int, real: bool
) -> None:
    padding = data.draw(st.integers(0, kernel // 2))
    one = axis(size, kernel, stride, padding)
    for place in range(max(0, output_size(one, ceil_mode=True))):
        expected = definition.average_extent(place, size, kernel, stride, padding, count_include_pad=not real)
        assert clipped_window(one, place, real=real) == expected


def test_clipped_windows_by_hand() -> None:
    """Three pixels with one of padding on each side, windows of 3, 2 apart: P01, 12P, and in ceil mode no third."""
    assert [clipped_window(axis(3, 3, 2, 1), place, real=False) for place in (0, 1)] == [3, 3]
    assert [clipped_window(axis(3, 3, 2, 1), place, real=True) for place in (0, 1)] == [2, 2]
    # four pixels: P01, 12 3, and 3P overhanging by one
    assert [clipped_window(axis(4, 3, 2, 1), place, real=False) for place in (0, 1, 2)] == [3, 3, 2]
    assert [clipped_window(axis(4, 3, 2, 1), place, real=True) for place in (0, 1, 2)] == [2, 3, 1]
    # four pixels with two of padding before them: PP0, 012, and 23 overhanging by one
    uneven = Axis(size=4, kernel_size=3, stride=2, padding_before=2)
    assert [clipped_window(uneven, place, real=False) for place in (0, 1, 2)] == [3, 3, 2]
    assert [clipped_window(uneven, place, real=True) for place in (0, 1, 2)] == [1, 3, 2]


@given(axes, st.integers(1, 9))
def test_the_size_for_some_places_leaves_that_many_and_no_pixels_over(one: Axis, places: int) -> None:
    size = one.size_for(places)
    found = Axis(**{**vars(one), "size": size})
    assert output_size(found) == places
    assert (found.padded_size - found.span) % found.stride == 0


@given(axes)
def test_pixels_in_place_of_padding_leave_the_windows_where_they_are(one: Axis) -> None:
    found = padding_as_pixels(one)
    assert (found.padding, found.padded_size) == (0, one.padded_size)
    assert [start + one.padding_before for start in starts(one)] == starts(found)


def test_padding_is_one_number_only_where_it_is_the_same_on_both_sides() -> None:
    assert Axis(padding_before=2, padding_after=2).padding == 2
    with pytest.raises(ValueError, match="padding is 1 before and 2 after, not one number"):
        _ = Axis(padding_before=1, padding_after=2).padding


@given(even_axes, st.sampled_from(AXIS_OPTIONS), st.integers(-1, 9))
def test_an_option_that_is_set_leaves_the_others_alone(one: Axis, name: str, value: int) -> None:
    changed = with_options(one, **{name: value})
    assert getattr(changed, name) == value
    assert with_options(changed, **{name: getattr(one, name)}) == one


def test_axes_are_made_from_a_number_of_each_option_for_each() -> None:
    made = make_axes(size=(5, 7), kernel_size=(3, 2), padding=(1, 0))
    assert made == (
        Axis(size=5, kernel_size=3, padding_before=1, padding_after=1),
        Axis(size=7, kernel_size=2),
    )
    assert make_axes(stride=(2,)) == (Axis(stride=2),)
    with pytest.raises(ValueError, match=r"shorter"):
        make_axes(size=(5, 7), kernel_size=(3,))
