"""Large problems are cut into tiles: every window is in one of them, and the results are those of the whole."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import impl
from impl.tiles import TILE, blocks, tiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

sizes = st.integers(1, 3000)


@given(st.integers(0, 500), st.integers(1, 2 * TILE))
def test_blocks_are_consecutive_and_alike(count: int, each_bytes: int) -> None:
    parts = blocks(count, each_bytes)
    lengths = [part.stop - part.start for part in parts]
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(count))
    assert max(lengths, default=0) <= max(1, TILE // each_bytes)
    assert max(lengths, default=0) - min(lengths, default=0) <= 1


@given(st.integers(1, 500), sizes)
def test_two_threads_share_blocks_evenly(count: int, each_bytes: int) -> None:
    """One block, an even number of them, or each thing by itself."""
    parts = blocks(count, each_bytes * TILE // 3000)
    assert len(parts) in {1, count} or len(parts) % 2 == 0


@given(st.integers(0, 9), st.integers(1, 40), st.integers(1, 2 * TILE))
def test_tiles_hold_every_row_of_every_image_once(images: int, rows: int, row_bytes: int) -> None:
    cut = tiles(images, rows, row_bytes)
    held = [(i, r) for one, some in cut for i in range(one.start, one.stop) for r in range(some.start, some.stop)]
    assert sorted(held) == [(i, r) for i in range(images) for r in range(rows)]
    assert held == sorted(held)
    for one, some in cut:
        taken = (one.stop - one.start) * (some.stop - some.start)
        assert taken * row_bytes <= TILE or taken == 1


def integers(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    return rng.integers(-9, 10, shape).astype(np.float64)


def pair(draw: st.DrawFn, low: int, high: int) -> tuple[int, int]:
    return draw(st.integers(low, high)), draw(st.integers(low, high))


@st.composite
def convolutions(draw: st.DrawFn) -> Callable[[], list[NDArray[Any] | None]]:
    """Forward and backward of a convolution of integers, on which every order of summation gives the same."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups, (channels, filters) = draw(st.integers(1, 3)), pair(draw, 1, 3)
    kernel, dilation, padding, stride = (pair(draw, *limits) for limits in ((1, 3), (1, 2), (0, 3), (1, 3)))
    size = tuple(d * (k - 1) + draw(st.integers(1, 9)) for k, d in zip(kernel, dilation, strict=True))
    x = integers(rng, (draw(st.integers(0, 4)), channels * groups, *size))
    weight = integers(rng, (filters * groups, channels, *kernel))
    bias = integers(rng, weight.shape[:1]) if draw(st.booleans()) else None
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

    def both() -> list[NDArray[Any] | None]:
        y = impl.conv2d(x, weight, bias, **options)
        return [y, *impl.conv2d_backward(y, x, weight, bias, **options)]

    return both


@st.composite
def pools(draw: st.DrawFn) -> Callable[[], list[NDArray[Any] | None]]:
    """Forward and backward of a pool of integers; averages divide by a power of two."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kernel, stride = pair(draw, 1, 4), pair(draw, 1, 3)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = tuple(2 * k + draw(st.integers(0, 9)) for k in kernel)
    x = integers(rng, (draw(st.integers(0, 4)), draw(st.integers(1, 4)), *size))
    options: dict[str, Any] = {"stride": stride, "padding": padding, "ceil_mode": draw(st.booleans())}
    average = draw(st.booleans())
    options |= {"divisor_override": 4} if average else {"dilation": pair(draw, 1, 2)}
    forward, backward = (
        (impl.avg_pool2d, impl.avg_pool2d_backward) if average else (impl.max_pool2d, impl.max_pool2d_backward)
    )

    def both() -> list[NDArray[Any] | None]:
        y = forward(x, kernel, **options)
        return [y, backward(y, x, kernel, **options)]

    return both


@given(
    st.one_of(convolutions(), pools()), st.sampled_from([1, 300, 4096]), st.integers(1, 4), st.sampled_from([0, 9, 128])
)
def test_neither_tiles_nor_threads_change_a_sum_that_is_exact(
    both: Callable[[], list[NDArray[Any] | None]], tile: int, threads: int, few: int
) -> None:
    whole = both()
    with pytest.MonkeyPatch.context() as settings:
        settings.setattr("impl.conv.FEW", few)
        settings.setattr("impl.tiles.TILE", tile)
        settings.setattr("impl.threads.WORTH_SHARING", 0)
        settings.setattr("impl.threads.number_of_threads", lambda: threads)
        in_pieces = both()
    for one, other in zip(whole, in_pieces, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("shape", "filters", "kernel", "stride", "most"),
    [
        ((1, 64, 56, 56), 64, 3, 1, 2**24),
        ((64, 64, 56, 56), 64, 3, 1, 2**26),
        ((64, 64, 56, 56), 64, 3, 2, 2**26),
        ((64, 256, 3, 3), 256, 3, 2, 2**26),
        ((256, 256, 1, 1), 256, 1, 1, 2**26),
    ],
    ids=str,
)
def test_columns_of_a_large_batch_are_never_there_at_once(
    shape: tuple[int, ...], filters: int, kernel: int, stride: int, most: int
) -> None:
    """What is there beside the results is bounded, whatever the batch: the columns of the second would take 460 MB."""
    x, weight = np.ones(shape, np.float32), np.ones((filters, shape[1], kernel, kernel), np.float32)
    options: dict[str, Any] = {"stride": stride, "padding": kernel // 2}
    tracemalloc.start()
    y = impl.conv2d(x, weight, **options)
    gradients = impl.conv2d_backward(y, x, weight, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    results = y.nbytes + sum(each.nbytes for each in gradients if each is not None)
    assert peak - results <= most
