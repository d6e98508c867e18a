"""The windows' geometry, in any number of axes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import impl
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


def test_options_that_are_equal_but_not_the_same_are_not_taken_for_one_another() -> None:
    """What was checked is remembered, but 1 is remembered as 1, and not as True or 1.0."""
    x, weight = np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3))
    assert impl.conv2d(x, weight, stride=(1, 1)).shape == (1, 1, 2, 2)
    for stride in ((True, True), (1.0, 1.0)):
        with pytest.raises(TypeError):
            impl.conv2d(x, weight, stride=stride)  # type: ignore[arg-type] # what is to be refused
    with pytest.raises(TypeError):
        impl.conv2d(x, weight, groups=True)
    assert impl.conv2d(x, weight, stride=1).shape == (1, 1, 2, 2)
    with pytest.raises(TypeError):
        impl.conv2d(x, weight, stride=True)


def test_a_sequence_that_changes_is_looked_at_again() -> None:
    class Pair(Sequence[int]):
        def __init__(self, *entries: int) -> None:
            self.entries = entries

        def __getitem__(self, index: Any) -> Any:
            return self.entries[index]

        def __len__(self) -> int:
            return 2

    stride, x, weight = Pair(1, 1), np.ones((1, 1, 7, 7)), np.ones((1, 1, 2, 2))
    assert impl.conv2d(x, weight, stride=stride).shape == (1, 1, 6, 6)
    stride.entries = (2, 3)
    assert impl.conv2d(x, weight, stride=stride).shape == (1, 1, 3, 2)
    assert impl.conv2d(x, weight, stride=[2, 3]).shape == (1, 1, 3, 2)
