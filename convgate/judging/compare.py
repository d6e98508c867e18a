"""Arrays in, mismatch or none out; and the bounds that say how far apart two numbers may be."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import inf, isfinite, nan
from typing import Any

import numpy as np

from convgate.cases.dtypes import DTYPES
from convgate.oracle_list import Certified
from convgate.problems.operators import Array
from convgate.problems.plain import type_name
from convgate.results.foreign_text import cut

__all__ = ["Bound", "Copied", "Mismatch", "compare", "describe"]

# An accumulator with an 8-bit significand (bfloat16) is the narrowest in use: what it could have produced is called
# inaccurate, what it could not is called wrong.
NARROWEST = Fraction(1, 2**8)


@dataclass(frozen=True)
class Mismatch:
    """Why two arrays differ.

    Parameters
    ----------
    symptom : str
        "wrong value", "inaccurate", "NaN mismatch", "wrong shape", "wrong dtype" or "wrong type".
    message : str
        One line for a person.
    index : tuple of int or None
        The first place where they differ, in row-major order, if it is the values.
    expected, actual : str
        What stands there, or the shapes or dtypes.
    """

    symptom: str
    message: str
    index: tuple[int, ...] | None = None
    expected: str = ""
    actual: str = ""


@dataclass(frozen=True)
class Bound:
    """What is needed to bound the error of each entry of an output; docs/numerics.md derives it.

    Parameters
    ----------
    magnitude : Certified, or ndarray of object
        The output computed from the absolute values of the data: sum |x| |w|. Certified, or exact numbers.
    roundings : int
        Largest number n of roundings on the way to one entry.
    dtype : str
        Of the accumulator: "f32" or "f64".
    subnormal : Certified, ndarray of object or None
        The part of `magnitude` that goes if subnormal data are taken as zero; None if there are none.
    divisor : int
        What an entry is divided by at most once it has been added up.
    """

    magnitude: Certified | Array
    roundings: int
    dtype: str
    subnormal: Certified | Array | None = None
    divisor: int = 1

    @cached_property
    def gamma(self) -> Fraction:
        """gamma(n + 1) with gamma(n) = n u / (1 - n u): the n roundings and the one to the output's dtype."""
        count = (self.roundings + 1) * Fraction(DTYPES[self.dtype].unit_roundoff)
        return count / (1 - count)

    @property
    def steps(self) -> Fraction:
        """How many unit roundoffs of the magnitude the error may be, to first order in u."""
        return Fraction(self.roundings + 1)

    @property
    def share(self) -> Fraction:
        """The share of the magnitude that the error may be."""
        return self.gamma

    @property
    def flushed(self) -> Fraction:
        """What may be lost in an entry where results that are subnormal are flushed to zero."""
        return (self.roundings + 1) * Fraction(DTYPES[self.dtype].smallest_normal)

    def at(self, index: tuple[int, ...]) -> Fraction:
        """Largest error, at one entry, of a subject that adds up the products of the definition in whatever order.

        gamma(n + 1) * magnitude (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1), and
        what is lost where subnormals are flushed to zero: of the data all that they make up, and of the results less
        than the smallest normal number a term.
        """
        data = Fraction(self.subnormal[index]) if self.subnormal is not None else 0
        return self.share * Fraction(self.magnitude[index]) + data + self.flushed

    def overflows_to(self, found: float, truth: Any, index: tuple[int, ...]) -> bool:
        """Whether an infinity or NaN may be what a sum in some order overflowed to, although the truth is a number.

        A partial sum is at most the sum P of all positive terms, and at least the sum -N of all negative ones;
        P + N is the magnitude and P - N the truth. NaN needs an overflow on both sides.
        """
        if truth == -inf:
            return False
        largest = Fraction(DTYPES[self.dtype].largest)
        sides = (Fraction(self.magnitude[index] + sign * truth) / 2 for sign in (1, -1))
        above, below = (side * self.divisor * (1 + self.gamma) > largest for side in sides)
        return (above or found == -inf) and (below or found == inf)


@dataclass(frozen=True)
class Copied:
    """An output that is only copied or chosen from the data, so that nothing may be lost, not even a zero's sign.

    Parameters
    ----------
    either_sign : ndarray of bool or None
        The entries where a zero of either sign will do.
    """

    either_sign: Array | None = None


def compare(
    actual: Any, expected: Certified | Array, dtype: str, bound: Bound | Copied | None = None, *, step: int = 0
) -> Mismatch | None:
    """Compare what a subject returned with what is true.

    Parameters
    ----------
    actual : Any
        What the subject returned.
    expected : Certified or ndarray
        The true values: certified numbers, exact ones in an object array, or floats.
    dtype : str
        The dtype that `actual` must have.
    bound : Bound, Copied or None
        How far from the truth an entry may be. None for the lattice, where the truth is a multiple of a step, and the
        multiple nearest to `actual` must be it: no rounding of a sound algorithm gets as far as half a step.
    step : int
        Exponent of that step, a power of two: 0 for integers.

    Returns
    -------
    Mismatch or None
        None if they agree.
    """
    if type(actual) is not np.ndarray:
        name = type_name(actual)
        return Mismatch("wrong type", f"must be numpy.ndarray itself, got {name}", expected="ndarray", actual=name)
    if actual.shape != expected.shape:
        message = f"must have the shape {expected.shape}, got {actual.shape}"
        return Mismatch("wrong shape", message, None, str(expected.shape), str(actual.shape))
    wanted = np.dtype(DTYPES[dtype].type)
    if actual.dtype != wanted:
        message = f"must be of dtype {wanted}, got {actual.dtype}"
        return Mismatch("wrong dtype", message, None, str(wanted), str(actual.dtype))
    if isinstance(bound, Copied):
        return compare_copies(actual, np.asarray(expected), bound)
    if bound is None and np.array_equal(actual, expected):
        return None
    return (
        compare_to_half_a_step(actual, np.asarray(expected), step)
        if bound is None
        else compare_to_bound(actual, expected, bound)
    )


def compare_copies(actual: Array, expected: Array, copied: Copied) -> Mismatch | None:
    """All entries must be the same: NaN for NaN, subnormal numbers to the last bit, zeros with their signs."""
    truth, found = as_floats(expected), actual.astype(np.float64)
    wrong = np.isnan(found) != np.isnan(truth)
    if wrong.any():
        return mismatch_at(first(wrong), wrong, "NaN mismatch", actual, expected)
    other_sign = (truth == 0) & (np.signbit(found) != np.signbit(truth))
    if copied.either_sign is not None:
        other_sign &= ~copied.either_sign
    wrong = (found != truth) & ~np.isnan(truth) | other_sign
    if not wrong.any():
        return None
    with np.errstate(all="ignore"):
        # one rounding to the narrowest dtype, where it does not over- or underflow
        rounded = np.isfinite(truth) & (np.abs(found - truth) <= float(NARROWEST) * np.abs(truth))
    narrow = bool((rounded & ~other_sign | ~wrong).all())
    return mismatch_at(first(wrong), wrong, "inaccurate" if narrow else "wrong value", actual, expected)


def compare_to_half_a_step(actual: Array, expected: Array, step: int) -> Mismatch | None:
    """Entries that are NaN or infinite must be the same; the others must round to the same multiple of the step."""
    with np.errstate(over="ignore", under="ignore"):
        truth = np.ldexp(expected.astype(np.float64), -step)
        found = np.ldexp(actual.astype(np.float64), -step)
    wrong_nan = np.isnan(found) != np.isnan(truth)
    if wrong_nan.any():
        return mismatch_at(first(wrong_nan), wrong_nan, "NaN mismatch", actual, expected)
    comparable = ~np.isnan(truth)
    finite = np.isfinite(truth) & np.isfinite(found)
    gap = np.zeros(truth.shape)
    np.subtract(found, truth, out=gap, where=finite)
    wrong = comparable & np.where(finite, np.abs(gap) >= 0.5, found != truth)
    return mismatch_at(first(wrong), wrong, "wrong value", actual, expected) if wrong.any() else None


def compare_to_bound(actual: Array, expected: Certified | Array, bound: Bound) -> Mismatch | None:
    """Every entry must be within its error bound of the truth; exact arithmetic decides where floats do not."""
    wrong, finite = np.isnan(actual), keeps_finite(expected, bound)
    for index in indices(wrong & ~finite):
        wrong[index] = not bound.overflows_to(nan, expected[index], index)
    if wrong.any():
        return mismatch_at(first(wrong), wrong, "NaN mismatch", actual, expected)
    sides = sides_of(actual, expected, bound)
    infinite = np.isinf(actual) & finite
    wrong |= sides.outside | infinite
    narrow = not ((sides.outside & sides.broad) | infinite).any()
    for index in indices(~sides.inside & ~infinite & ~(sides.outside & (sides.broad | sides.narrow))):
        truth, found = expected[index], float(actual[index])
        if not isfinite(found) or truth == -inf:
            # minus infinity is the maximum of a window wholly in padding
            wrong[index] = found != truth and not bound.overflows_to(found, truth, index)
            narrow = narrow and not wrong[index]
            continue
        error = abs(Fraction(found) - Fraction(truth))
        if error > bound.at(index):
            wrong[index] = True
            narrow = narrow and error <= bound.steps * NARROWEST * Fraction(bound.magnitude[index])
    if not wrong.any():
        return None
    return mismatch_at(first(wrong), wrong, "inaccurate" if narrow else "wrong value", actual, expected)


@dataclass(frozen=True)
class Sides:
    """On which side of its bounds each error is seen to be, without exact arithmetic; neither side is in doubt.

    Parameters
    ----------
    inside, outside : ndarray of bool
        Whether it is at most the bound, and whether it is more.
    narrow, broad : ndarray of bool
        The same of what the narrowest accumulator could have produced.
    """

    inside: Array
    outside: Array
    narrow: Array
    broad: Array


# Each of the few operations that lead to a comparison rounds by 2**-53 at most, relatively: far below this in all.
ROUNDED = 2.0**-40


def sides_of(actual: Array, expected: Certified | Array, bound: Bound) -> Sides:
    """See in floats which entries are right and which are wrong: exact arithmetic is slow, and this tells nearly all.

    The truth and its magnitude are known up to a bound of their own, exact numbers up to one rounding to a float, so
    that the error of an entry lies between two floats, and so does what it may be. What overflows compares as False.
    """
    truth, magnitude = certified(expected), certified(bound.magnitude)
    with np.errstate(all="ignore"):
        found = np.where(np.isfinite(actual), actual.astype(np.float64), nan)
        gap = np.abs(found - truth.high - truth.low)
        least, most = gap * (1 - ROUNDED) - truth.error, gap * (1 + ROUNDED) + truth.error
        below, above = magnitude.high - magnitude.error, magnitude.high + magnitude.error
        share, widest = float(bound.share), float(bound.steps * NARROWEST)
        flushed = lost = float(bound.flushed)
        if bound.subnormal is not None:
            subnormal = certified(bound.subnormal)
            lost = lost + subnormal.high + subnormal.error
        return Sides(
            inside=most <= (share * below + flushed) * (1 - ROUNDED),
            outside=least > (share * above + lost) * (1 + ROUNDED),
            narrow=most <= widest * below * (1 - ROUNDED),
            broad=least > widest * above * (1 + ROUNDED),
        )


def keeps_finite(expected: Certified | Array, bound: Bound) -> Array:
    """Entries on the way to which surely nothing overflows, so that neither NaN nor an infinity is excused.

    Half of the magnitude and the truth together is the sum of the terms of either sign: see `Bound.overflows_to`.
    """
    truth, magnitude = certified(expected), certified(bound.magnitude)
    with np.errstate(all="ignore"):
        largest = magnitude.high + magnitude.error + np.abs(truth.high) + np.abs(truth.low) + truth.error
        most = largest / 2 * float(bound.divisor) * (1 + float(bound.gamma)) * (1 + ROUNDED)
        return np.asarray(most <= DTYPES[bound.dtype].largest)


def certified(numbers: Certified | Array) -> Certified:
    """Exact numbers as floats, each off by half a unit of its last place at most; of infinities nothing is known."""
    if isinstance(numbers, Certified):
        return numbers
    floats = as_floats(numbers)
    with np.errstate(all="ignore"):
        error = np.where(np.isfinite(floats), np.abs(floats) * 2.0**-53 + DTYPES["f64"].smallest_normal, nan)
    return Certified(floats, np.zeros_like(floats), error, lambda index: Fraction(numbers[index]))


def as_floats(numbers: Array) -> Array:
    """The nearest floats; infinite where a number is too large for one."""
    try:
        return numbers.astype(np.float64)
    except OverflowError:
        return np.array([as_float(number) for number in numbers.ravel()]).reshape(numbers.shape)


def as_float(number: Any) -> float:
    """The nearest float; infinite if the number is too large for one."""
    try:
        return float(number)
    except OverflowError:
        return inf if number > 0 else -inf


def indices(chosen: Array) -> Iterator[tuple[int, ...]]:
    """Indices of the chosen entries in row-major order."""
    for index in np.argwhere(chosen):
        yield tuple(int(i) for i in index)


def first(wrong: Array) -> tuple[int, ...]:
    """Index of the first wrong entry in row-major order."""
    return next(indices(wrong))


def mismatch_at(
    index: tuple[int, ...], wrong: Array, symptom: str, actual: Array, expected: Certified | Array
) -> Mismatch:
    """Describe the wrong entries by one of them."""
    truth, found = describe(expected[index]), describe(actual[index])
    message = f"must be {truth}, got {found} ({int(wrong.sum())} of {wrong.size} wrong)"
    return Mismatch(symptom, message, index, truth, found)


# Characters of a value that is no number.
MOST_SHOWN = 200


def in_python(value: Any) -> str:
    """What Python shows of it; only its type if it cannot be shown."""
    try:
        return cut(repr(value), MOST_SHOWN)
    except Exception:  # noqa: BLE001 - foreign code
        return type_name(value)


def describe(value: Any) -> str:
    """A number as a person would write it: integers without a point, fractions as such, floats in full; or words."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Fraction):
        short = value.denominator < 1000
        if short and value.denominator > 1:
            return f"{value.numerator}/{value.denominator}"
        return describe(float(value) if isfinite(as_float(value)) else round(value))
    try:
        number = float(value)
    except Exception:  # noqa: BLE001 - what a subject returns may raise whatever it likes
        return in_python(value)
    if number == 0 and np.signbit(number):
        return "-0"
    if number.is_integer() and abs(number) < 2**53:
        return str(int(number))
    return f"{value:.17g}" if isinstance(value, float) else str(value)
