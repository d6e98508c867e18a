"""Sums to twice the precision of float64, with a bound of what is still unknown.

On real data the loops of :mod:`oracles.definition` need exact numbers, which are slow. Here every output is a sum of
terms, each known as an unevaluated sum of two floats, and is added up with the rounding errors carried along
(:func:`add_up`). The result is certified: beside it stands a bound of its own error, by which nearly every entry of a
subject is seen to be right or wrong at once. An entry for which this does not do is worked out exactly
(:attr:`Certified.exact`).

Sources: Knuth, The Art of Computer Programming, vol. 2, section 4.2.2 (the error of a sum); Dekker, A floating-point
technique for extending the available precision, 1971 (the error of a product); Ogita, Rump and Oishi, Accurate sum and
dot product, 2005 (carrying both along).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

__all__ = ["Certified", "add_up", "product_error"]

U = 2.0**-53
"""Unit roundoff of float64."""
SMALLEST = 2.0**-1022
"""Smallest normal number of float64: no operation loses more than that to underflow."""
SPLITTER = 2.0**27 + 1
"""Dekker's constant: splits 53 bits into two halves whose products are exact."""


@dataclass(frozen=True)
class Certified:
    """An array of real numbers, each known as a sum of two floats up to a bound, and exactly where that is asked for.

    Parameters
    ----------
    high, low : float64 arrays
        The numbers, as an unevaluated sum.
    error : float64 array
        No number is farther than this from that sum. NaN where something overflowed, so that nothing is known.
    exact : callable
        Index of an entry to the number itself, as a Fraction.
    """

    high: np.ndarray
    low: np.ndarray
    error: np.ndarray
    exact: Callable[[tuple[int, ...]], Fraction]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.high.shape

    @property
    def dtype(self) -> np.dtype:
        """That of the two parts."""
        return self.high.dtype

    def __getitem__(self, index: tuple[int, ...]) -> Fraction:
        return self.exact(index)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        """The nearest floats, nearly always."""
        return np.array(self.high + self.low, dtype, copy=copy)


def product_error(a: np.ndarray, b: np.ndarray, product: np.ndarray) -> np.ndarray:
    """What rounding took from a product of two arrays: ``a * b == product + error``, if nothing over- or underflows."""
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    return np.asarray(((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low)


def add_up(terms: np.ndarray, errors: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add up terms along the first axis, with all rounding errors carried along.

    Terms are added pairwise, in ceil(log2(n)) = L levels. A level's sums lose at most u (1 + u)**L M together, where M
    is the sum of the terms' magnitudes, so all levels lose L u (1 + u)**L M, and what `errors` holds is u M at most, as
    rounding errors of the terms. Every one of these losses is known exactly (Knuth), and they are added up in turn: at
    most 2 n numbers, with an error under gamma(2 n) times the sum of their magnitudes, which is at most
    (L + 1) u (1 + u)**L M. We take 3 n u for gamma(2 n) and 1.1 M for the rest, M being rounded itself.

    Parameters
    ----------
    terms : float64 array (n, ...)
        The terms.
    errors : float64 array (n, ...), optional
        A small part of each term, at most u times its magnitude; none if the terms are exact.

    Returns
    -------
    high, low, bound : float64 arrays
        The sums as unevaluated sums of two floats, and how far these may be from the truth. Where a sum overflowed the
        bound is NaN.
    """
    count = len(terms)
    magnitude = np.abs(terms).sum(axis=0)
    carried = np.zeros(terms.shape[1:]) if errors is None else errors.sum(axis=0)
    levels = 0
    while len(terms) > 1:
        half = len(terms) // 2
        left, right = terms[:half], terms[half : 2 * half]
        total = left + right
        added = total - left
        carried = carried + ((left - (total - added)) + (right - added)).sum(axis=0)
        terms = np.concatenate([total, terms[2 * half :]]) if len(terms) % 2 else total
        levels += 1
    high = terms[0] if count else np.zeros(terms.shape[1:])
    # where nothing is rounded nothing is lost: a single exact term
    lost = 0.0 if count <= 1 and errors is None else 3.3 * count * U * (levels + 1) * U
    bound = lost * magnitude + count * SMALLEST * (errors is not None)
    return high, carried, np.where(np.isfinite(high + carried), bound, np.nan)


def _halves(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split numbers into two of half as many bits each."""
    scaled = SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high
