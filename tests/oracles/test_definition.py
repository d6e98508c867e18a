"""The definition on examples small enough to be worked out by hand, and in exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from oracles import definition


def image(*rows: list[float]) -> np.ndarray:
    """One image of one channel, in float64."""
    return np.array(rows, dtype=np.float64)[None, None]


def integers(*shape: int) -> np.ndarray:
    """1, 2, 3 ... in that shape, exact."""
    return np.arange(1, math.prod(shape) + 1).reshape(shape)


NAN, INF = math.nan, math.inf


# Counting windows


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "floor", "ceil"),
    [
        pytest.param(5, 2, 2, 0, 1, 2, 3, id="the ceil window hangs over"),
        pytest.param(4, 2, 2, 0, 1, 2, 2, id="all fit, ceil adds none"),
        pytest.param(3, 2, 2, 1, 1, 2, 2, id="the ceil window would start in the right padding: dropped"),
        pytest.param(4, 2, 2, 1, 1, 3, 3, id="the last window starts at the last element"),
        pytest.param(2, 1, 3, 0, 1, 1, 1, id="the ceil window would start beyond the input: dropped"),
        pytest.param(5, 3, 1, 0, 2, 1, 1, id="dilation widens the window"),
        pytest.param(3, 3, 1, 1, 1, 3, 3, id="same padding"),
    ],
)
def test_output_size(
    *, size: int, kernel: int, stride: int, padding: int, dilation: int, floor: int, ceil: int
) -> None:
    assert definition.output_size(size, kernel, stride, padding, dilation=dilation) == floor
    assert definition.output_size(size, kernel, stride, padding, dilation=dilation, ceil_mode=True) == ceil


def test_a_window_larger_than_the_input_fits_only_by_hanging_over() -> None:
    assert definition.output_size(5, 9, 5, ceil_mode=True) == 1
    with pytest.raises(ValueError, match="no window fits"):
        definition.output_size(5, 9, 4, ceil_mode=True)
    with pytest.raises(ValueError, match=r"no window fits: it spans 9 .* only 5"):
        definition.output_size(5, 9, 5)


def test_taps_leave_padding_out() -> None:
    assert definition.taps(0, 5, 3, 2, 1) == [(1, 0), (2, 1)]
    assert definition.taps(1, 5, 3, 2, 1) == [(0, 1), (1, 2), (2, 3)]
    assert definition.taps(0, 2, 3, 1, 1, dilation=2) == [(1, 1)]
    assert definition.taps(0, 3, 2, 1, 1, dilation=4) == []


# Convolution


def test_a_convolution_by_hand() -> None:
    x = integers(1, 1, 3, 3)
    weight = np.array([[[[1, 0], [0, -1]]]])
    assert definition.conv2d(x, weight).tolist() == [[[[-4, -4], [-4, -4]]]]
    assert definition.conv2d(x, weight, np.array([10]), stride=(2, 2), padding=(1, 1)).tolist() == [[[[9, 7], [3, 6]]]]


def test_a_convolution_gradient_by_hand() -> None:
    x, weight, bias = integers(1, 1, 2, 2), np.array([[[[5, 7]]]]), np.array([0])
    grad_output = np.array([[[[1], [10]]]])
    grad_input, grad_weight, grad_bias = definition.conv2d_backward(grad_output, x, weight, bias)
    assert grad_input.tolist() == [[[[5, 7], [50, 70]]]]
    assert grad_weight.tolist() == [[[[1 * 1 + 10 * 3, 1 * 2 + 10 * 4]]]]
    assert grad_bias is not None
    assert grad_bias.tolist() == [11]
    assert definition.conv2d_backward(grad_output, x, weight)[2] is None


def test_each_group_sees_its_own_channels() -> None:
    x, weight = integers(1, 4, 1, 1), np.ones((2, 2, 1, 1), dtype=int)
    assert definition.conv2d(x, weight, groups=2).ravel().tolist() == [1 + 2, 3 + 4]


def test_nothing_is_multiplied_with_padding() -> None:
    y = definition.conv2d(image([1.0]), np.full((1, 1, 3, 3), INF), padding=(1, 1))
    assert y.item() == INF


# Averages


def test_the_divisor_counts_padding_but_not_the_overhang() -> None:
    # Size 4, kernel 3, stride 2, padding 1: the third window starts at 3 and ends at 5, the padded input at 4.
    x = image([6.0, 6.0, 6.0, 6.0])
    options = {"stride": (1, 2), "padding": (0, 1), "ceil_mode": True}
    assert definition.avg_pool2d(x, (1, 3), **options).ravel().tolist() == [4.0, 6.0, 3.0]  # type: ignore[arg-type]
    bare = definition.avg_pool2d(x, (1, 3), count_include_pad=False, **options)  # type: ignore[arg-type]
    assert bare.ravel().tolist() == [6.0, 6.0, 6.0]


def test_the_overhang_is_not_counted_without_padding() -> None:
    x = image([2.0, 4.0, 8.0])
    assert definition.avg_pool2d(x, (1, 2), ceil_mode=True).ravel().tolist() == [3.0, 8.0]
    gradient = definition.avg_pool2d_backward(image([2.0, 8.0]), x, (1, 2), ceil_mode=True)
    assert gradient.ravel().tolist() == [1.0, 1.0, 8.0]


@pytest.mark.parametrize("count_include_pad", [True, False])
def test_divisor_override_wins(count_include_pad: bool) -> None:
    x = image([6.0, 6.0, 6.0])
    y = definition.avg_pool2d(
        x, (1, 2), padding=(0, 1), divisor_override=3, count_include_pad=count_include_pad, ceil_mode=True
    )
    assert y.ravel().tolist() == [2.0, 4.0]
    gradient = definition.avg_pool2d_backward(
        image([3.0, 6.0]), x, (1, 2), padding=(0, 1), divisor_override=3, count_include_pad=count_include_pad
    )
    assert gradient.ravel().tolist() == [1.0, 2.0, 2.0]


def test_averages_of_integers_are_fractions() -> None:
    y = definition.avg_pool2d(integers(1, 1, 1, 3), (1, 2), stride=(1, 1), divisor_override=3)
    assert y.ravel().tolist() == [1, Fraction(5, 3)]
    assert [type(v) for v in y.ravel().tolist()] == [int, Fraction]


# Maxima


def test_the_first_of_equal_maxima_takes_the_gradient() -> None:
    x = image([3.0, 5.0], [5.0, 5.0])
    assert definition.max_pool2d_backward(image([7.0]), x, (2, 2)).tolist() == image([0, 7], [0, 0]).tolist()


def test_overlapping_windows_add_up() -> None:
    gradient = definition.max_pool2d_backward(image([1.0, 10.0]), image([1.0, 9.0, 2.0]), (1, 2), stride=(1, 1))
    assert gradient.ravel().tolist() == [0.0, 11.0, 0.0]


@pytest.mark.parametrize(
    ("window", "place"),
    [
        ([1.0, NAN, 2.0, 9.0], 1),
        ([NAN, 5.0, NAN, 9.0], 2),
        ([NAN, INF, 1.0, 1.0], 0),
        ([-INF] * 4, 0),
        ([0.0, -0.0], 0),
    ],
)
def test_nan_wins_and_the_last_of_them(window: list[float], place: int) -> None:
    assert definition.winner(window) == place
    x = image(window)
    y = definition.max_pool2d(x, (1, len(window)))
    np.testing.assert_array_equal(y.ravel(), [window[place]])
    gradient = definition.max_pool2d_backward(image([1.0]), x, (1, len(window)))
    assert gradient.ravel().tolist() == np.eye(len(window))[place].tolist()


def test_padding_never_wins_against_minus_infinity() -> None:
    x = image([-INF, -INF])
    assert definition.max_pool2d(x, (1, 2), padding=(0, 1)).ravel().tolist() == [-INF, -INF]
    assert definition.max_pool2d_backward(image([1.0, 2.0]), x, (1, 2), padding=(0, 1)).ravel().tolist() == [1.0, 2.0]


def test_a_window_wholly_in_padding_is_minus_infinity_and_has_no_gradient() -> None:
    for x in (image([1.0, 2.0, 3.0]), integers(1, 1, 1, 3)):
        y = definition.max_pool2d(x, (1, 2), padding=(0, 1), dilation=(1, 4))
        assert y.ravel().tolist() == [-INF]
        gradient = definition.max_pool2d_backward(
            np.ones_like(y, dtype=x.dtype), x, (1, 2), padding=(0, 1), dilation=(1, 4)
        )
        assert gradient.ravel().tolist() == [0, 0, 0]


def test_maxima_of_integers_beyond_the_floats_are_exact() -> None:
    x = np.array([2**2000, 2**2000 + 1], dtype=object).reshape(1, 1, 1, 2)
    assert definition.max_pool2d(x, (1, 2)).item() == 2**2000 + 1


# Columns


def test_columns_have_images_fastest() -> None:
    x = integers(2, 1, 1, 3)
    columns = definition.im2col(x, (1, 2), stride=(1, 2), padding=(0, 1))
    assert columns.tolist() == [[0, 0, 2, 5], [1, 4, 3, 6]]
    assert definition.col2im(columns, (2, 1, 1, 3), (1, 2), stride=(1, 2), padding=(0, 1)).tolist() == x.tolist()


def test_col2im_adds_overlaps() -> None:
    columns = np.array([[1, 2], [10, 20]])
    assert definition.col2im(columns, (1, 1, 1, 3), (1, 2)).ravel().tolist() == [1, 12, 20]


# Arithmetic and arguments


def test_exact_results_beyond_the_floats() -> None:
    x, weight = np.array([[[[2**60 + 1]]]]), np.array([[[[2**60 - 1]]]])
    assert definition.conv2d(x, weight).item() == 2**120 - 1
    fractions = np.array([[[[Fraction(1, 3)]]]], dtype=object)
    assert definition.conv2d(fractions, np.array([[[[6]]]])).tolist() == [[[[2]]]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_keep_the_dtype_of_x(dtype: str) -> None:
    x = np.ones((1, 1, 2, 2), dtype)
    results = [
        definition.conv2d(x, x),
        *definition.conv2d_backward(x[:, :, :1, :1], x, x, x[0, 0, 0, :1])[:2],
        definition.avg_pool2d(x, (2, 2)),
        definition.max_pool2d(x, (2, 2)),
        definition.im2col(x, (2, 2)),
    ]
    assert {result.dtype for result in results} == {np.dtype(dtype)}


def test_too_large_for_the_dtype_is_infinity() -> None:
    x = np.full((1, 1, 1, 1), 3e38, np.float32)
    assert definition.conv2d(x, x).item() == INF


def test_an_empty_batch_gives_an_empty_batch() -> None:
    x, weight = np.zeros((0, 2, 3, 3)), np.ones((4, 2, 2, 2))
    y = definition.conv2d(x, weight, np.ones(4))
    assert y.shape == (0, 4, 2, 2)
    grad_input, grad_weight, grad_bias = definition.conv2d_backward(y, x, weight, np.ones(4))
    assert grad_input.shape == x.shape
    assert not grad_weight.any()
    assert grad_bias is not None
    assert not grad_bias.any()
    assert definition.avg_pool2d(x, (2, 2)).shape == definition.max_pool2d(x, (2, 2)).shape == (0, 2, 1, 1)
    assert definition.im2col(x, (2, 2)).shape == (8, 0)
    assert definition.col2im(np.zeros((8, 0)), (0, 2, 3, 3), (2, 2)).shape == x.shape


def test_floats_and_exact_numbers_do_not_mix() -> None:
    with pytest.raises(ValueError, match="dtypes are float64, int64"):
        definition.conv2d(image([1.0]), np.array([[[[1]]]]))
