"""Memory layouts: the same values, placed in memory in another way.

Each function stands on its own, as its source is copied into scripts that reproduce a failure.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAYOUTS"]


def contiguous(values: NDArray[Any]) -> NDArray[Any]:
    """Row-major, writeable, aligned."""
    return np.array(values, order="C")


def fortran(values: NDArray[Any]) -> NDArray[Any]:
    """Column-major."""
    return np.array(values, order="F")


def transposed(values: NDArray[Any]) -> NDArray[Any]:
    """Channels last: the second axis is the fastest in memory."""
    if values.ndim < 2:
        return np.array(values)
    return np.moveaxis(np.array(np.moveaxis(values, 1, -1), order="C"), -1, 1)


def sliced(values: NDArray[Any]) -> NDArray[Any]:
    """Every second element of a larger array whose other elements would show up as nonsense."""
    larger = np.full(tuple(2 * length for length in values.shape), 77, values.dtype)
    every_second = tuple(slice(None, None, 2) for _ in values.shape)
    larger[every_second] = values
    return larger[every_second]


def reversed_strides(values: NDArray[Any]) -> NDArray[Any]:
    """Negative strides on every axis."""
    backwards = tuple(slice(None, None, -1) for _ in values.shape)
    return np.array(values[backwards], order="C")[backwards]


def offset(values: NDArray[Any]) -> NDArray[Any]:
    """A view that starts one element into its buffer."""
    buffer = np.full(values.size + 1, 77, values.dtype)
    buffer[1:] = values.ravel()
    return buffer[1:].reshape(values.shape)


def window(values: NDArray[Any]) -> NDArray[Any]:
    """The inside of a larger array: it starts inside its buffer, and on each axis its neighbours are nonsense."""
    larger = np.full(tuple(length + 3 for length in values.shape), 77, values.dtype)
    inside = tuple(slice(1, 1 + length) for length in values.shape)
    larger[inside] = values
    return larger[inside]


def channel_slice(values: NDArray[Any]) -> NDArray[Any]:
    """Some of the channels of a channels-last array: neighbours are one apart, pixels more than all of them.

    Of two axes these are the columns, of one its entries.
    """
    axis = min(1, values.ndim - 1)
    last = np.moveaxis(values, axis, -1)
    larger = np.full((*last.shape[:-1], last.shape[-1] + 3), 77, values.dtype)
    larger[..., 1:-2] = last
    return np.moveaxis(larger[..., 1:-2], -1, axis)


def odd_ones(values: NDArray[Any]) -> NDArray[Any]:
    """Row-major, but axes of length 1 have strides that nobody may step by: zero, or far too large.

    Negative ones they have where all strides are.
    """
    plain = np.array(values, order="C")
    strides = tuple(
        (0, 2**40)[axis % 2] if length == 1 else stride
        for axis, (length, stride) in enumerate(zip(plain.shape, plain.strides, strict=True))
    )
    return np.lib.stride_tricks.as_strided(plain, plain.shape, strides)


def broadcast(values: NDArray[Any]) -> NDArray[Any]:
    """Stride 0 on the first axis: every image is the first one."""
    return np.broadcast_to(np.array(values[:1]), values.shape)


def read_only(values: NDArray[Any]) -> NDArray[Any]:
    """Row-major, and not to be written to."""
    frozen = np.array(values, order="C")
    frozen.flags.writeable = False
    return frozen


LAYOUTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "contiguous": contiguous,
    "fortran": fortran,
    "transposed": transposed,
    "sliced": sliced,
    "reversed": reversed_strides,
    "offset": offset,
    "window": window,
    "channelslice": channel_slice,
    "oddones": odd_ones,
    "broadcast": broadcast,
    "readonly": read_only,
}
