"""Windows of an average pool: where they lie and what they are divided by, along one axis."""

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
