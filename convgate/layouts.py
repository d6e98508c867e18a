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
    "broadcast": broadcast,
    "readonly": read_only,
}
