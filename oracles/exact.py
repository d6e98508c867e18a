"""Floating numbers as exact integers."""

from __future__ import annotations

import numpy as np

__all__ = ["as_integers", "exact_dot"]


def as_integers(*arrays: np.ndarray) -> tuple[tuple[np.ndarray, ...], int]:
    """Write floating numbers as integers times one common power of two, exactly.

    Every finite floating number is an integer times a power of two, so a common exponent always exists; the largest
    such exponent that is not positive is taken.

    Parameters
    ----------
    *arrays : array
        Of any floating or integer dtype.

    Returns
    -------
    integers : tuple of object arrays of int
        Of the same shapes.
    exponent : int
        At most 0, and 0 for integers; ``arrays[k] == integers[k] * 2**exponent``.

    Raises
    ------
    ValueError
        If a value is NaN or infinite.
    """
    for array in arrays:
        if not np.isfinite(array).all():
            raise ValueError("a value is NaN or infinite, so it is no integer at any scale; give finite values only")
    if all((np.rint(array) == array).all() for array in arrays):
        return tuple(_objects([int(v) for v in array.ravel().tolist()], array.shape) for array in arrays), 0
    ratios = [[v.as_integer_ratio() for v in array.ravel().tolist()] for array in arrays]
    scale = max(denominator for ratio in ratios for _, denominator in ratio)  # denominators are powers of two
    integers = (
        _objects([numerator * (scale // denominator) for numerator, denominator in ratio], array.shape)
        for ratio, array in zip(ratios, arrays, strict=True)
    )
    return tuple(integers), 1 - scale.bit_length()


def exact_dot(a: np.ndarray, b: np.ndarray) -> int:
    """Sum the products of two arrays of the same shape in exact integers, each element rounded to the nearest first.

    Raises
    ------
    ValueError
        If the shapes differ, or a value is NaN or infinite.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        raise ValueError(f"shapes are {a.shape} and {b.shape}; an inner product needs them equal")
    left, right = (np.rint(array.astype(np.float64)).ravel() for array in (a, b))
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise ValueError("a value is NaN or infinite; an exact inner product needs finite values")
    # with no sum of magnitudes beyond 2**53 no partial sum is rounded, in whatever order; half of that, as this one is
    magnitude = float(np.abs(left) @ np.abs(right))
    if magnitude < 2.0**52:
        return int(left @ right)
    if a.dtype.kind == b.dtype.kind == "f" and max(np.abs(left).max(), np.abs(right).max()) < 2.0**62:
        # in limbs of 22 bits, of whose products 2**18 are summed up in 64 bits
        limbs = [[v & 0x3FFFFF, (v >> 22) & 0x3FFFFF, v >> 44] for v in (left.astype(np.int64), right.astype(np.int64))]
        starts = range(0, a.size, 2**18)
        products = {
            (i, j): sum(int(p[start : start + 2**18] @ q[start : start + 2**18]) for start in starts)
            for i, p in enumerate(limbs[0])
            for j, q in enumerate(limbs[1])
        }
        return sum(product << 22 * (i + j) for (i, j), product in products.items())
    return sum(round(p) * round(q) for p, q in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))


def _objects(values: list[int], shape: tuple[int, ...]) -> np.ndarray:
    return np.array(values, dtype=object).reshape(shape)
