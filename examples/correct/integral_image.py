"""Averages from an integral image: four entries of it give the sum of a window, however large.

A running sum over the image carries the rounding errors of all pixels before, so it is accurate in norm and not entry
by entry, and says so: see `error_factor`, derived in docs/normwise.md.
Run it from this folder: convgate gate --subject integral_image
"""

from math import sqrt
from typing import Any

import numpy as np
import valid
import windows
from valid import Array, Pair


def integral(x: Array) -> Array:
    """Sums over all pixels above and to the left, with a row and a column of zeros before."""
    sums = np.zeros((*x.shape[:2], x.shape[2] + 1, x.shape[3] + 1), x.dtype)
    sums[:, :, 1:, 1:] = x.cumsum(axis=2, dtype=x.dtype).cumsum(axis=3, dtype=x.dtype)
    return sums


def corners(x: Array, kernel_size: Pair, places: Pair, stride: Pair, padding: Pair) -> list[tuple[int, Any]]:
    """Signs and places in the integral image of the corners of each window, which is clipped to the image."""
    rows, columns = (
        windows.edges(*axis) for axis in zip(places, x.shape[2:], kernel_size, stride, padding, strict=True)
    )
    return [((-1) ** (i + j), (..., *np.ix_(rows[i], columns[j]))) for i in (1, 0) for j in (1, 0)]


def avg_pool2d(x: Array, kernel_size: Pair, *, stride: Pair, padding: Pair, ceil_mode: bool, **options: Any) -> Array:
    """Average."""
    places = valid.pool(x, kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode)
    divisors = windows.divisors(x.shape[2:], places, kernel_size, stride=stride, padding=padding, **options)
    sums, total = integral(x), np.zeros((*x.shape[:2], *places), x.dtype)
    for sign, corner in corners(x, kernel_size, places, stride, padding):
        total += sign * sums[corner]
    return np.asarray(total / divisors.astype(x.dtype))


def avg_pool2d_backward(
    grad_output: Array, x: Array, kernel_size: Pair, *, stride: Pair, padding: Pair, ceil_mode: bool, **options: Any
) -> Array:
    """Gradient of x: each share is written to the corners of its window, and running sums fill the windows."""
    places = valid.pool(x, kernel_size, grad_output, stride=stride, padding=padding, ceil_mode=ceil_mode)
    divisors = windows.divisors(x.shape[2:], places, kernel_size, stride=stride, padding=padding, **options)
    shares = grad_output / divisors.astype(x.dtype)
    marks = np.zeros((*x.shape[:2], x.shape[2] + 1, x.shape[3] + 1), x.dtype)
    for sign, corner in corners(x, kernel_size, places, stride, padding):
        np.add.at(marks, (slice(None), slice(None), *corner[1:]), sign * shares)
    return marks.cumsum(axis=2, dtype=x.dtype).cumsum(axis=3, dtype=x.dtype)[:, :, :-1, :-1].copy()


def error_factor(problem: Any) -> float:
    """Unit roundoffs of ||x|| * taps / divisor by which an output can be off."""
    height, width = problem.size
    out_height, out_width = problem.output_size
    pixels = max(height * width, out_height * out_width)
    overlaps = 4 * problem.kernel_size[0] * problem.kernel_size[1]
    roundings = 4 * (height + width + overlaps) + 12
    taps = problem.kernel_size[0] * problem.kernel_size[1]
    return max(1.0, float(1.01 * roundings * sqrt(pixels) / taps))
