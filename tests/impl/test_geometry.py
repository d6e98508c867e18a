"""The windows' geometry, in any number of axes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.geometry import Windows, output_size

lengths = st.integers(1, 12)


@given(lengths, st.integers(1, 5), st.integers(1, 5), st.integers(0, 4), st.integers(1, 3))
def test_output_size_counts_the_windows_within_the_padded_input(
    length: int, kernel_size: int, stride: int, padding: int, dilation: int
) -> None:
    last = [start + dilation * (kernel_size - 1) for start in range(0, length + 2 * padding, stride)]
    fitting = sum(end < length + 2 * padding for end in last)
    found = output_size(length, kernel_size, stride=stride, padding=padding, dilation=dilation)
    assert max(found, 0) == fitting


@given(lengths, st.integers(1, 5), st.integers(1, 5), st.integers(0, 2), st.integers(1, 3))
def test_ceil_mode_adds_the_window_that_reaches_beyond_unless_it_starts_beyond(
    length: int, kernel_size: int, stride: int, padding: int, dilation: int
) -> None:
    """One more window if the last leaves pixels over, and if it starts on the left padding or the input."""
    floor = output_size(length, kernel_size, stride=stride, padding=padding, dilation=dilation)
    ceil = output_size(length, kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=True)
    left_over = (length + 2 * padding - dilation * (kernel_size - 1) - 1) % stride > 0
    candidate = floor + left_over
    assert ceil == candidate - ((candidate - 1) * stride >= length + padding)


@pytest.mark.parametrize(
    ("length", "kernel_size", "stride", "padding", "floor", "ceil"),
    [
        (5, 2, 2, 0, 2, 3),  # one pixel left over
        (4, 2, 2, 0, 2, 2),  # none
        (2, 1, 3, 1, 2, 1),  # the last would start on the right padding: dropped, even though it fits
        (1, 2, 2, 0, 0, 1),  # larger than the input, by less than a stride
        (1, 2, 1, 0, 0, 0),
    ],
)
def test_ceil_mode_by_hand(*, length: int, kernel_size: int, stride: int, padding: int, floor: int, ceil: int) -> None:
    assert output_size(length, kernel_size, stride=stride, padding=padding, dilation=1) == floor
    assert output_size(length, kernel_size, stride=stride, padding=padding, dilation=1, ceil_mode=True) == ceil


def windows(input_size: tuple[int, ...], kernel_size: Any, **options: Any) -> Windows:
    return Windows.of(input_size, kernel_size, **{"stride": 1, "padding": 0, "dilation": 1, **options})


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_one_integer_stands_for_all_axes(axes: int) -> None:
    single = windows((9,) * axes, 3, stride=2, padding=1, dilation=2)
    assert single == windows((9,) * axes, (3,) * axes, stride=(2,) * axes, padding=(1,) * axes, dilation=(2,) * axes)
    assert single.output_size == (4,) * axes


@given(
    st.lists(
        st.tuples(lengths, st.integers(1, 3), st.integers(1, 4), st.integers(0, 2), st.integers(1, 3)),
        min_size=1,
        max_size=3,
    ).filter(lambda axes: all(size + 2 * p > d * (k - 1) for size, k, _, p, d in axes))
)
def test_axes_are_independent(axes: list[tuple[int, int, int, int, int]]) -> None:
    """Windows in several axes are the product of the windows in each."""
    size, kernel_size, stride, padding, dilation = zip(*axes, strict=True)
    together = Windows.of(size, kernel_size, stride=stride, padding=padding, dilation=dilation)
    single = [Windows.of((size,), k, stride=s, padding=p, dilation=d) for size, k, s, p, d in axes]
    assert together.output_size == tuple(each.output_size[0] for each in single)
    assert together.padded_size == tuple(each.padded_size[0] for each in single)
    product = itertools.product(*(each.places() for each in single))
    assert list(together.places()) == [tuple(place for (place,) in places) for places in product]


@given(lengths, st.integers(1, 4), st.integers(1, 4), st.integers(0, 2), st.integers(1, 3))
def test_places_lie_in_the_padded_size_one_pixel_a_window(
    length: int, kernel_size: int, stride: int, padding: int, dilation: int
) -> None:
    if output_size(length, kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=True) < 1:
        return
    laid = windows((length,), kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=True)
    pixels = np.arange(laid.padded_size[0])
    for k, (place,) in enumerate(laid.places()):
        np.testing.assert_array_equal(pixels[place], k * dilation + stride * np.arange(laid.output_size[0]))
    assert len(pixels[laid.interior[0]]) == length
