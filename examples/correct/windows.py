"""Windows over an image: which pixels they see, and what an average over them is divided by."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from valid import Pair, require

Array = NDArray[Any]
Ints = NDArray[np.int64]


def edges(count: int, size: int, kernel: int, stride: int, padding: int) -> tuple[Ints, Ints]:
    """First pixel of each window, and the one after its last, clipped to the image."""
    starts = np.arange(count) * stride - padding
    return np.clip(starts, 0, size), np.clip(starts + kernel, 0, size)


def taps(
    size: Pair, places: Pair, kernel_size: Pair, *, stride: Pair, padding: Pair, dilation: Pair = (1, 1)
) -> Iterator[tuple[Pair, Any, Any]]:
    """Each tap of a kernel, with the places where it lies in the image and the pixels that it sees there, as slices."""
    for tap in np.ndindex(*kernel_size):
        offsets = (index * step - pad for index, step, pad in zip(tap, dilation, padding, strict=True))
        rows, columns = (seen(*axis) for axis in zip(places, size, offsets, stride, strict=True))
        yield (tap[0], tap[1]), (..., rows[0], columns[0]), (..., rows[1], columns[1])


def seen(count: int, size: int, offset: int, stride: int) -> tuple[slice, slice]:
    """The places along one axis whose pixel is in the image, and these pixels; `offset` is that of the first place."""
    first = max(0, -(offset // stride))
    end = max(first, min(count, (size - 1 - offset) // stride + 1))
    start = offset + first * stride
    return slice(first, end), slice(start, start + (end - first) * stride, stride)


def divisors(
    size: Pair,
    places: Pair,
    kernel_size: Pair,
    *,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    """What the sum of each window is divided by, height x width."""
    require(divisor_override != 0, "divisor_override must not be 0")
    if divisor_override is not None:
        return np.full(places, divisor_override)
    extents = []
    for count, length, kernel, step, pad in zip(places, size, kernel_size, stride, padding, strict=True):
        starts = np.arange(count) * step - pad
        most, least = (length + pad, -pad) if count_include_pad else (length, 0)
        extents.append(np.minimum(starts + kernel, most) - np.maximum(starts, least))
    return np.asarray(extents[0][:, None] * extents[1])
