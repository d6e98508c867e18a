"""Large problems are cut into tiles: every window is in one of them, and the results are those of the whole."""

from __future__ import annotations

import math
import tracemalloc
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import impl
from impl.tiles import TILE, Tile, blocks, tiles

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


@given(st.integers(0, 5), st.integers(1, 5), st.integers(1, 20), st.integers(1, 2 * TILE))
def test_tiles_hold_every_row_of_every_group_once(images: int, groups: int, rows: int, row_bytes: int) -> None:
    cut = tiles(images, groups, rows, row_bytes)
    held = [each for tile in cut for each in product(*(range(part.start, part.stop) for part in tile))]
    assert held == list(product(range(images), range(groups), range(rows)))
    for tile in cut:
        taken = math.prod(part.stop - part.start for part in tile)
        assert taken * row_bytes <= TILE or taken == 1


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 20), st.integers(1, 2 * TILE))
def test_rows_are_cut_only_where_a_group_is_too_large(images: int, groups: int, rows: int, row_bytes: int) -> None:
    cut = tiles(images, groups, rows, row_bytes)
    assert (cut[0].rows != slice(0, rows)) == (rows > 1 and rows * row_bytes > TILE)
    assert (cut[0].groups != slice(0, groups)) == (groups > 1 and groups * rows * row_bytes > TILE)


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


def in_channels_last(x: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def with_nan(x: NDArray[Any]) -> NDArray[Any]:
    x[0, 0, 5, 5] = np.nan
    return x


def beside_the_results(compute: Callable[[], list[Any]]) -> int:
    """The most bytes that are there beside the results, with two threads."""
    with pytest.MonkeyPatch.context() as settings:
        settings.setattr("impl.threads.number_of_threads", lambda: 2)
        tracemalloc.start()
        results = compute()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return int(peak - sum(each.nbytes for each in results if each is not None))


@pytest.mark.parametrize(
    ("shape", "filters", "kernel", "options", "layout"),
    [
        ((64, 64, 56, 56), 64, 3, {"padding": 1}, None),
        ((64, 64, 56, 56), 64, 3, {"padding": 1, "stride": 2}, None),
        ((64, 64, 56, 56), 64, 3, {"padding": 1, "groups": 64}, None),
        ((64, 64, 56, 56), 64, 3, {"padding": 1}, in_channels_last),
        ((64, 64, 56, 56), 64, 1, {}, in_channels_last),
        ((64, 64, 56, 56), 64, 3, {"padding": 1}, with_nan),
        ((2048, 64, 3, 3), 64, 3, {"padding": 1, "stride": 2}, None),  # side by side
        ((4096, 1, 5, 5), 256, 3, {"padding": 1}, None),
        ((128, 64, 56, 56), 64, 1, {"stride": 28}, None),
        ((2, 8, 1024, 1024), 8, 1, {"stride": 512}, None),  # few places, but of large images
        ((1024, 1, 6, 6), 512, 3, {"padding": 1}, in_channels_last),  # gradients by adding
        ((1024, 512, 6, 6), 1, 3, {"padding": 1}, in_channels_last),  # by turning the kernel around
        ((1, 8, 1024, 1024), 8, 3, {"stride": 2}, None),
    ],
)
def test_what_a_convolution_takes_beside_its_results_does_not_grow_with_the_batch(
    shape: tuple[int, ...],
    filters: int,
    kernel: int,
    options: dict[str, Any],
    layout: Callable[[NDArray[Any]], NDArray[Any]] | None,
) -> None:
    """All columns would take 460 MB in the first case; two tiles, and what goes with them, take far less."""
    laid_out = layout or (lambda array: array)
    x = laid_out(np.ones(shape, np.float32))
    weight = np.ones((filters, shape[1] // options.get("groups", 1), kernel, kernel), np.float32)
    bias = np.ones(filters, np.float32)
    grad_output = laid_out(np.ones_like(impl.conv2d(x, weight, **options), order="C"))

    def both() -> list[Any]:
        y = impl.conv2d(x, weight, bias, **options)
        return [y, *impl.conv2d_backward(grad_output, x, weight, bias, **options)]

    assert beside_the_results(both) <= 2**25


@pytest.mark.parametrize("layout", [None, in_channels_last])
@pytest.mark.parametrize("operator", ["avg_pool2d", "max_pool2d"])
def test_what_a_pool_takes_beside_its_results_does_not_grow_with_the_batch(
    operator: str, layout: Callable[[NDArray[Any]], NDArray[Any]] | None
) -> None:
    x = np.ones((64, 64, 56, 56), np.float32)
    x = x if layout is None else layout(x)

    def both() -> list[Any]:
        y = getattr(impl, operator)(x, 3, stride=2, padding=1)
        return [y, getattr(impl, f"{operator}_backward")(y, x, 3, stride=2, padding=1)]

    assert beside_the_results(both) <= 2**25


def test_tiles_that_add_to_the_same_pixels_are_done_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[list[Tile]] = []

    def alone(work: Callable[[list[list[Tile]]], Any], parts: list[list[Tile]], *, entries: int) -> list[Any]:
        assert entries > 0
        pieces.extend(parts)
        return [work(parts)]

    monkeypatch.setattr("impl.conv.FEW", 0)
    monkeypatch.setattr("impl.tiles.TILE", 200)
    monkeypatch.setattr("impl.conv.share", alone)
    x, weight = np.ones((3, 4, 12, 12)), np.ones((2, 2, 3, 3))
    impl.conv2d_backward(np.ones((3, 2, 5, 5)), x, weight, stride=2, groups=2)
    assert len(pieces) == 3 * 2
    assert all(len(piece) > 1 and len({(str(t.images), str(t.groups)) for t in piece}) == 1 for piece in pieces)
