"""im2col and col2im: the worked example, the order of rows and columns, and that each is the other's adjoint."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl import col2im, conv2d, im2col

X = np.array(
    [
        [[0, 1, 2], [0, 1, 3], [0, 2, 3]],
        [[2, 1, 0], [3, 1, 0], [3, 2, 0]],
        [[1, 2, 0], [1, 3, 0], [2, 3, 0]],
    ],
    dtype=np.float64,
)[np.newaxis]

COLUMNS = np.array(
    [
        [0, 1, 0, 1],
        [1, 2, 1, 3],
        [0, 1, 0, 2],
        [1, 3, 2, 3],
        [2, 1, 3, 1],
        [1, 0, 1, 0],
        [3, 1, 3, 2],
        [1, 0, 2, 0],
        [1, 2, 1, 3],
        [2, 0, 3, 0],
        [1, 3, 2, 3],
        [3, 0, 3, 0],
    ],
    dtype=np.float64,
)

WEIGHT = np.array(
    [
        [[[1, 1], [1, 1]], [[2, 2], [2, 2]], [[3, 3], [3, 3]]],
        [[[0, 1], [0, 1]], [[1, 2], [1, 2]], [[2, 3], [2, 3]]],
    ],
    dtype=np.float64,
)

WEIGHT_MATRIX = np.array(
    [
        [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3],
        [0, 1, 0, 1, 1, 2, 1, 2, 2, 3, 2, 3],
    ],
    dtype=np.float64,
)

# Added up by hand from the two matrices above, row by column; by place, row-major.
PRODUCT = np.array([[37, 26, 48, 33], [30, 17, 39, 21]], dtype=np.float64)


def test_worked_example_columns() -> None:
    np.testing.assert_array_equal(im2col(X, (2, 2)), COLUMNS)


def test_worked_example_weight_matrix() -> None:
    np.testing.assert_array_equal(WEIGHT.reshape(2, 12), WEIGHT_MATRIX)


def test_worked_example_product() -> None:
    np.testing.assert_array_equal(WEIGHT_MATRIX @ COLUMNS, PRODUCT)
    np.testing.assert_array_equal(conv2d(X, WEIGHT), PRODUCT.reshape(1, 2, 2, 2))


def test_worked_example_back_to_the_image() -> None:
    """Every pixel comes back as often as a 2x2 window sees it: 1, 2 or 4 times."""
    times = np.outer([1, 2, 1], [1, 2, 1])
    np.testing.assert_array_equal(col2im(COLUMNS, X.shape, (2, 2)), X * times)


@dataclass(frozen=True)
class Problem:
    """Sizes and options of a call."""

    n: int
    channels: int
    size: tuple[int, int]
    kernel_size: tuple[int, int]
    options: dict[str, Any]

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """N, C, H, W."""
        return (self.n, self.channels, *self.size)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Draw any problem in which a window fits, the empty batch included."""

    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    kernel_size, dilation, padding = pair(1, 3), pair(1, 3), pair(0, 2)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel_size, strict=True)]
    least = [max(1, span - 2 * p) for span, p in zip(spans, padding, strict=True)]
    size = (least[0] + draw(st.integers(0, 4)), least[1] + draw(st.integers(0, 4)))
    options = {"stride": pair(1, 3), "padding": padding, "dilation": dilation}
    return Problem(draw(st.integers(0, 3)), draw(st.integers(1, 3)), size, kernel_size, options)


@given(problems())
def test_each_entry_is_where_the_docstring_says(problem: Problem) -> None:
    """Row (c, u, v) and column (i*w_out + j)*N + n hold the padded pixel (i*s + u*d, j*s + v*d) of image n."""
    (n, channels, height, width), (kh, kw) = problem.input_shape, problem.kernel_size
    (sh, sw), (ph, pw), (dh, dw) = (problem.options[name] for name in ("stride", "padding", "dilation"))
    x = np.arange(1.0, 1 + n * channels * height * width).reshape(problem.input_shape)
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    columns = im2col(x, (kh, kw), **problem.options)
    h_out = (height + 2 * ph - dh * (kh - 1) - 1) // sh + 1
    w_out = (width + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    assert columns.shape == (channels * kh * kw, h_out * w_out * n)
    for row, (c, u, v) in enumerate(itertools.product(range(channels), range(kh), range(kw))):
        for column, (i, j, image) in enumerate(itertools.product(range(h_out), range(w_out), range(n))):
            assert columns[row, column] == padded[image, c, i * sh + u * dh, j * sw + v * dw]


@given(problems(), st.integers(0, 2**32 - 1))
def test_col2im_is_the_adjoint_of_im2col(problem: Problem, seed: int) -> None:
    """<im2col(x), c> = <x, col2im(c)>, exactly, as all sums of such integers are exact."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-100, 101, problem.input_shape).astype(np.float64)
    columns = im2col(x, problem.kernel_size, **problem.options)
    c = rng.integers(-100, 101, columns.shape).astype(np.float64)
    back = col2im(c, problem.input_shape, problem.kernel_size, **problem.options)
    assert back.shape == x.shape
    assert np.sum(columns * c) == np.sum(x * back)


def test_images_are_fastest() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).reshape(3, 1, 1, 2)
    np.testing.assert_array_equal(im2col(x, (1, 1)), [[1, 3, 5, 2, 4, 6]])


@pytest.mark.parametrize("kernel_size", [2, np.int32(2), (2, 2), [2, 2], np.array([2, 2])])
def test_a_size_is_an_integer_or_a_pair(kernel_size: Any) -> None:
    np.testing.assert_array_equal(im2col(X, kernel_size), COLUMNS)
