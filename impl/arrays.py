"""Which arrays are taken: their type, number of axes, sizes and dtype."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["DTYPES", "Array", "check_dtypes", "check_images", "check_rank", "check_shape", "contiguous", "in_order"]

Array: TypeAlias = NDArray[np.floating[Any]]

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def check_dtypes(**arrays: Array | None) -> None:
    """Check that all arrays (those that are not None) are float32, or all are float64.

    Raises
    ------
    TypeError
        If one is no NumPy array, has another dtype, or has not the dtype of the first.
    """
    given = {name: array for name, array in arrays.items() if array is not None}
    for name, array in given.items():
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name} must be a NumPy array, got {type(array).__name__}; convert with numpy.asarray")
        if array.dtype not in DTYPES:
            raise TypeError(f"{name} must be float32 or float64, got {array.dtype}; convert with {name}.astype")
    if len({array.dtype for array in given.values()}) > 1:
        found = ", ".join(f"{name} {array.dtype}" for name, array in given.items())
        raise TypeError(f"all arrays must have one dtype, got {found}; convert with astype")


def check_images(name: str, shape: tuple[int, ...]) -> None:
    """Check the shape of a batch of images, N x C x H x W: only the batch may be empty.

    Raises
    ------
    ValueError
        If the number of axes is not 4, or there is no channel, row or column.
    """
    check_rank(name, shape, "N x C x H x W")
    if min(shape[1:]) < 1:
        raise ValueError(f"{name} must have at least 1 channel, row and column, got {shape}; only N may be 0")


def check_rank(name: str, shape: tuple[int, ...], axes: str) -> None:
    """Check the number of axes, which `axes` lists, as in "N x C x H x W".

    Raises
    ------
    ValueError
        If there are more axes or fewer.
    """
    if len(shape) != len(axes.split(" x ")):
        raise ValueError(f"{name} must be {axes}, got shape {shape}; add or remove axes with reshape")


def check_shape(name: str, shape: tuple[int, ...], expected: tuple[int, ...], reason: str) -> None:
    """Check that a shape is the expected one, for the reason that the message gives.

    Raises
    ------
    ValueError
        If it is not.
    """
    if shape != expected:
        raise ValueError(f"{name} must have shape {expected}, {reason}, got {shape}")


def in_order(array: Array) -> bool:
    """Whether an array lies in memory row by row, aligned."""
    return array.flags.c_contiguous and array.flags.aligned


def contiguous(array: Array) -> Array:
    """The array itself if it lies in memory row by row, aligned; otherwise a copy.

    So every memory layout takes the same way through the matrix products, and rounds alike.
    """
    return array if in_order(array) else array.copy()
