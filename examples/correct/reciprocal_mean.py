"""Averages by multiplication with the reciprocal of the divisor, which rounds once more than a division.

Run it from this folder: convgate gate --subject reciprocal_mean
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import valid
import windows
from valid import Array, Pair


def reciprocals(x: Array, kernel_size: Pair, places: Pair, *, ceil_mode: bool, **options: Any) -> Array:
    """1 / divisor of each window, in the dtype of x."""
    del ceil_mode
    one = np.ones((), x.dtype)
    return np.asarray(one / windows.divisors(x.shape[2:], places, kernel_size, **options).astype(x.dtype))


def views(x: Array, kernel_size: Pair, places: Pair, stride: Pair, padding: Pair) -> Iterator[tuple[Any, Any]]:
    """For each tap, the windows in which it lies in the image and the pixels that it looks at, as index tuples."""
    for tap in np.ndindex(*kernel_size):
        inside, pixels = [], []
        for axis in (0, 1):
            positions = np.arange(places[axis]) * stride[axis] - padding[axis] + tap[axis]
            real = np.flatnonzero((positions >= 0) & (positions < x.shape[2 + axis]))
            inside.append(real)
            pixels.append(positions[real])
        yield (..., *np.ix_(*inside)), (..., *np.ix_(*pixels))


def avg_pool2d(x: Array, kernel_size: Pair, *, stride: Pair, padding: Pair, ceil_mode: bool, **options: Any) -> Array:
    """Average."""
    places = valid.pool(x, kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode)
    factors = reciprocals(x, kernel_size, places, stride=stride, padding=padding, ceil_mode=ceil_mode, **options)
    sums = np.zeros((*x.shape[:2], *places), x.dtype)
    for inside, pixels in views(x, kernel_size, places, stride, padding):
        sums[inside] += x[pixels]
    return sums * factors


def avg_pool2d_backward(
    grad_output: Array, x: Array, kernel_size: Pair, *, stride: Pair, padding: Pair, ceil_mode: bool, **options: Any
) -> Array:
    """Gradient of x."""
    places = valid.pool(x, kernel_size, grad_output, stride=stride, padding=padding, ceil_mode=ceil_mode)
    factors = reciprocals(x, kernel_size, places, stride=stride, padding=padding, ceil_mode=ceil_mode, **options)
    grad_input = np.zeros_like(x, order="C")
    shares = grad_output * factors
    for inside, pixels in views(x, kernel_size, places, stride, padding):
        grad_input[pixels] += shares[inside]
    return grad_input
