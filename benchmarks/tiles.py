"""Winograd's algorithm for tiles of any size, and how large its errors are (docs/normwise.md).

``python benchmarks/normwise.py`` writes the table. The matrices are those of Toom and Cook: interpolation at the points
0, 1, -1, 2, -2, 1/2, -1/2 and infinity (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray

__all__ = ["TILES", "Matrices", "amplification", "largest_error", "matrices", "most_roundings"]

POINTS = tuple(map(Fraction, ("0", "1", "-1", "2", "-2", "1/2", "-1/2")))
# Outputs and taps of a tile along each axis.
TILES = ((2, 3), (4, 3), (6, 3), (2, 5), (4, 5))
TRIALS = 3_000
WIDE_BINADES = 20

Rows = Sequence[Sequence[Fraction]]


@dataclass(frozen=True)
class Matrices:
    """y = A^T [(G g) * (B^T d)], each as rows: A^T of outputs, G and B^T of the points."""

    a: Rows
    g: Rows
    b: Rows


def matrices(outputs: int, taps: int) -> Matrices:
    """The matrices of F(outputs, taps)."""
    points = POINTS[: outputs + taps - 2]
    a = [[*(point**i for point in points), Fraction(i == outputs - 1)] for i in range(outputs)]
    g, b = [], []
    for point in points:
        others = [other for other in points if other != point]
        scale = prod((point - other for other in others), start=Fraction(1))
        g.append([point**k / scale for k in range(taps)])
        b.append([*coefficients(others), Fraction(0)])
    g.append([Fraction(k == taps - 1) for k in range(taps)])
    b.append(coefficients(points))
    return Matrices(a, g, b)


def coefficients(roots: Sequence[Fraction]) -> list[Fraction]:
    """Of the product of (t - root), from the constant on."""
    found = [Fraction(1)]
    for root in roots:
        found = [
            before - root * here for before, here in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)
        ]
    return found


def amplification(outputs: int, taps: int) -> float:
    """The formula with magnitudes, over the norm of the tile and the sum of the magnitudes of the taps, on one axis."""
    found = matrices(outputs, taps)
    of_point = [
        float(max(map(abs, g))) * sqrt(sum(float(each) ** 2 for each in b))
        for g, b in zip(found.g, found.b, strict=True)
    ]
    return max(sum(float(abs(a)) * each for a, each in zip(row, of_point, strict=True)) for row in found.a)


def most_roundings(outputs: int, taps: int) -> int:
    """Roundings on the way to an output on one axis: one for each entry of a row, and one for a constant of G."""
    found = matrices(outputs, taps)
    return sum(max(sum(each != 0 for each in row) for row in rows) for rows in (found.a, found.g, found.b)) + 1


def largest_error(outputs: int, taps: int, channels: int = 1) -> float:
    """Largest error of float32 tiles of real and of wide data, in units of u N."""
    found = matrices(outputs, taps)
    a, g, b = (np.array([[float(each) for each in row] for row in rows], np.float32) for rows in vars(found).values())
    size, worst = outputs + taps - 1, 0.0
    for binades in (0, WIDE_BINADES):
        stream = np.random.PCG64(0)
        images = drawn(stream, (TRIALS, channels, size, size), binades)
        kernels = drawn(stream, (TRIALS, channels, taps, taps), binades)
        products = (g @ kernels @ g.T) * (b @ images @ b.T)
        y = a @ products.sum(axis=1, dtype=np.float32) @ a.T
        exact, weights = images.astype(np.float64), kernels.astype(np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(exact, (taps, taps), axis=(2, 3))
        truth = np.einsum("ncijkl,nckl->nij", windows, weights)
        norms = (np.sqrt((exact**2).sum(axis=(2, 3))) * abs(weights).sum(axis=(2, 3))).sum(axis=1)
        worst = max(worst, float((abs(y - truth) / norms[:, None, None]).max() * 2**24))
    return worst


def drawn(stream: np.random.PCG64, shape: tuple[int, ...], binades: int) -> NDArray[np.float32]:
    """Numbers in [-1, 1), times powers of two from so many binades to either side."""
    count = int(np.prod(shape))
    words = (stream.random_raw(count) >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
    exponents = (stream.random_raw(count) % np.uint64(2 * binades + 1)).astype(np.int64) - binades
    return np.ldexp(words, exponents).reshape(shape).astype(np.float32)
