"""Two oracles that share no code agree, on every operator, forward and backward, under every option.

Data are integers small enough that both are exact, so equal means equal. For averages they are multiples of every
divisor that occurs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import definition, torch_oracle

exhaustively = settings(max_examples=250, derandomize=True, deadline=None)

DIVISORS = 3600
"""A multiple of every product of two numbers up to 5, and of every divisor_override drawn."""


def pairs(least: int, most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(least, most), st.integers(least, most))


dtypes = st.sampled_from(["float32", "float64"])
batches = st.sampled_from([1, 2, 2, 3, 0])
seeds = st.integers(0, 2**32 - 1)


@st.composite
def windows(draw: st.DrawFn) -> tuple[Any, Any, dict[str, Any]]:
    """Draw an image size and a window of convolution that fits into it, padded: (H, W), (kh, kw), options."""
    axes = []
    for _ in range(2):
        kernel, stride, padding, dilation = (draw(st.integers(*limits)) for limits in ((1, 4), (1, 4), (0, 3), (1, 3)))
        least = max(dilation * (kernel - 1) + 1 - 2 * padding, 1)
        axes.append((draw(st.integers(least, least + 6)), kernel, stride, padding, dilation))
    size, kernel_size, *steps = zip(*axes, strict=True)
    return size, kernel_size, dict(zip(("stride", "padding", "dilation"), steps, strict=True))


@st.composite
def pools(draw: st.DrawFn) -> tuple[Any, Any, dict[str, Any]]:
    """Draw an image size and a pool without dilation, whose windows fit: (H, W), (kh, kw), options."""
    axes = []
    for _ in range(2):
        kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 5))
        padding = draw(st.integers(0, kernel // 2))
        least = max(kernel - 2 * padding, 1)
        axes.append((draw(st.integers(least, least + 6)), kernel, stride, padding))
    size, kernel_size, *steps = zip(*axes, strict=True)
    options: dict[str, Any] = dict(zip(("stride", "padding"), steps, strict=True))
    if draw(st.booleans()) and draw(st.booleans()):
        del options["stride"]
    return size, kernel_size, {**options, "ceil_mode": draw(st.booleans())}


def integers(seed: int, dtype: str, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.integers(-9, 10, shape).astype(dtype) for shape in shapes]


def assert_same(actual: np.ndarray | None, expected: np.ndarray | None) -> None:
    """Equal in shape, dtype and every element, NaN being equal to NaN."""
    if actual is None or expected is None:
        assert actual is expected
        return
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected, strict=True)


@exhaustively
@given(
    window=windows(),
    batch=batches,
    groups=st.integers(1, 3),
    channels=pairs(1, 3),
    with_bias=st.booleans(),
    dtype=dtypes,
    seed=seeds,
)
def test_conv2d(
    *, window: Any, batch: int, groups: int, channels: tuple[int, int], with_bias: bool, dtype: str, seed: int
) -> None:
    size, kernel_size, options = window
    options = {**options, "groups": groups}
    x, weight, bias = integers(
        seed,
        dtype,
        (batch, groups * channels[0], *size),
        (groups * channels[1], channels[0], *kernel_size),
        (groups * channels[1],),
    )
    arguments = (x, weight, bias if with_bias else None)
    y = definition.conv2d(*arguments, **options)
    assert_same(torch_oracle.conv2d(*arguments, **options), y)
    (grad_output,) = integers(seed + 1, dtype, y.shape)
    expected = definition.conv2d_backward(grad_output, *arguments, **options)
    actual = torch_oracle.conv2d_backward(grad_output, *arguments, **options)
    for one, other in zip(actual, expected, strict=True):
        assert_same(one, other)


@exhaustively
@given(windows(), batches, st.integers(1, 3), dtypes, seeds)
def test_columns(window: Any, batch: int, channels: int, dtype: str, seed: int) -> None:
    size, kernel_size, options = window
    (x,) = integers(seed, dtype, (batch, channels, *size))
    columns = definition.im2col(x, kernel_size, **options)
    assert_same(torch_oracle.im2col(x, kernel_size, **options), columns)
    (columns,) = integers(seed + 1, dtype, columns.shape)
    image = definition.col2im(columns, x.shape, kernel_size, **options)
    assert_same(torch_oracle.col2im(columns, x.shape, kernel_size, **options), image)


@exhaustively
@given(
    pool=pools(),
    batch=batches,
    channels=st.integers(1, 3),
    count_include_pad=st.booleans(),
    divisor_override=st.sampled_from([None, None, 1, 2, 3, 25, -4]),
    dtype=dtypes,
    seed=seeds,
)
def test_avg_pool2d(
    *,
    pool: Any,
    batch: int,
    channels: int,
    count_include_pad: bool,
    divisor_override: int | None,
    dtype: str,
    seed: int,
) -> None:
    size, kernel_size, options = pool
    options = {**options, "count_include_pad": count_include_pad, "divisor_override": divisor_override}
    (x,) = integers(seed, dtype, (batch, channels, *size))
    x *= DIVISORS
    y = definition.avg_pool2d(x, kernel_size, **options)
    assert_same(torch_oracle.avg_pool2d(x, kernel_size, **options), y)
    (grad_output,) = integers(seed + 1, dtype, y.shape)
    grad_output *= DIVISORS
    expected = definition.avg_pool2d_backward(grad_output, x, kernel_size, **options)
    assert_same(torch_oracle.avg_pool2d_backward(grad_output, x, kernel_size, **options), expected)


values: dict[str, list[float]] = {
    "integers": list(range(-9, 10)),
    "ties": [0, 1],
    "special": [0, 1, -0.0, np.nan, np.inf, -np.inf],
    "minus infinity": [-np.inf],
}


@exhaustively
@given(
    window=st.one_of(windows(), pools()),
    ceil_mode=st.booleans(),
    batch=batches,
    channels=st.integers(1, 3),
    fill=st.sampled_from(list(values)),
    dtype=dtypes,
    seed=seeds,
)
def test_max_pool2d(
    *, window: Any, ceil_mode: bool, batch: int, channels: int, fill: str, dtype: str, seed: int
) -> None:
    size, kernel_size, options = window
    padding = tuple(min(p, k // 2) for p, k in zip(options["padding"], kernel_size, strict=True))
    dilation = options.get("dilation", (1, 1))
    options = {**options, "ceil_mode": ceil_mode, "padding": padding}
    size = tuple(
        max(s, d * (k - 1) + 1 - 2 * p) for s, k, d, p in zip(size, kernel_size, dilation, padding, strict=True)
    )
    x = np.random.default_rng(seed).choice(values[fill], (batch, channels, *size)).astype(dtype)
    y = definition.max_pool2d(x, kernel_size, **options)
    assert_same(torch_oracle.max_pool2d(x, kernel_size, **options), y)
    (grad_output,) = integers(seed + 1, dtype, y.shape)
    expected = definition.max_pool2d_backward(grad_output, x, kernel_size, **options)
    try:
        actual = torch_oracle.max_pool2d_backward(grad_output, x, kernel_size, **options)
    except NotImplementedError:
        # No opinion, and rightly so only if a window is wholly in padding.
        assert (definition.max_pool2d(np.ones_like(x), kernel_size, **options) == -np.inf).any() or batch == 0
    else:
        assert_same(actual, expected)


@exhaustively
@given(windows(), seeds)
def test_exact_numbers_give_what_floats_give(window: Any, seed: int) -> None:
    size, kernel_size, options = window
    x, weight = integers(seed, "int64", (2, 2, *size), (2, 2, *kernel_size))
    y = definition.conv2d(x, weight, **options)
    assert y.dtype == object
    assert {type(v) for v in y.ravel().tolist()} == {int}
    np.testing.assert_array_equal(
        y.astype(float), torch_oracle.conv2d(x.astype(float), weight.astype(float), **options)
    )
