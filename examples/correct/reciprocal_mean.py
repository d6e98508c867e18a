"""Averages by multiplication with the reciprocal of the divisor, which rounds once more than a division.

Run it from this folder: convgate gate --subject reciprocal_mean
"""

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


def avg_pool2d(x: Array, kernel_size: Pair, *, stride: Pair, padding: Pair, ceil_mode: bool, **options: Any) -> Array:
    """Average."""
    places = valid.pool(x, kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode)
    factors = reciprocals(x, kernel_size, places, stride=stride, padding=padding, ceil_mode=ceil_mode, **options)
    sums = np.zeros((*x.shape[:2], *places), x.dtype)
    for _, inside, pixels in windows.taps(x.shape[2:], places, kernel_size, stride=stride, padding=padding):
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
    for _, inside, pixels in windows.taps(x.shape[2:], places, kernel_size, stride=stride, padding=padding):
        grad_input[pixels] += shares[inside]
    return grad_input
