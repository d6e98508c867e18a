"""The lattice: data on which every sum is exact, whatever its order."""

from dataclasses import dataclass
from functools import lru_cache
from math import isqrt

import numpy as np

from convgate.cases.dtypes import DTYPES
from convgate.cases.random_bits import raw, stream
from convgate.cases.thinning import kept, terms_met
from convgate.problems.operators import OPERATORS, Array, Arrays, Operator, Shape
from convgate.problems.problem import Problem

__all__ = [
    "LEAST_MAGNITUDE",
    "MOST_MET",
    "MOST_VALUES",
    "Lattice",
    "lattice_of",
    "magnitude_of_points",
    "on_lattice",
    "scale",
    "step_of",
]

# Schwartz-Zippel: two bilinear forms that differ agree on a point with a probability of at most 2 / 2**21, as each
# coordinate has 2**21 values with its sign. More values would only make exact sums harder.
MOST_VALUES = 2**20

# Where more terms would force magnitudes below LEAST_MAGNITUDE, zeros are added so that at most MOST_MET terms that are
# not zero meet.
LEAST_MAGNITUDE = 2**6

MOST_MET = 16


@dataclass(frozen=True)
class Lattice:
    """How large lattice data are, and how many of them meet.

    Parameters
    ----------
    magnitude : int
        Largest multiplier of the quantum, 0 if the lattice does not fit the dtype.
    met : int or None
        How many terms that are not zero meet in an entry of an output, at most; None if no data are zero.
    """

    magnitude: int
    met: int | None = None


@lru_cache(maxsize=2**10)
def lattice_of(problem: Problem, dtype: str, fill: str = "lattice", *, repeated: bool = False) -> Lattice:
    """The lattice that a fill's data are on.

    It has no zeros where magnitudes are large enough so; otherwise as few terms as keep them large meet, 16 at most.
    Where one filter, one image's gradient or one value is repeated, what is left out of one is left out of all, and
    what stays meets itself; and zeros would make NaN of infinities. So magnitudes are smaller there.

    Parameters
    ----------
    problem : Problem
        A valid one.
    dtype, fill : str
        As in a case.
    repeated : bool
        Whether all entries of any array along its first axis are its first one.
    """
    operator = OPERATORS[problem.operator]
    dense = Lattice(magnitude(operator, problem, dtype, None))
    # images of a pool never meet
    repeated = fill == "equal" or (repeated and operator.joins_images)
    if dense.magnitude >= LEAST_MAGNITUDE or repeated or (fill == "special" and dense.magnitude):
        return dense
    for least in (LEAST_MAGNITUDE, dense.magnitude + 1):
        for met in range(MOST_MET, 0, -1):
            found = magnitude(operator, problem, dtype, met)
            if found >= least:
                return Lattice(found, met)
    return dense


def magnitude(operator: Operator, problem: Problem, dtype: str, met: int | None) -> int:
    """Largest multiplier of the quantum where so many terms that are not zero meet; None for all of them.

    With n roundings, magnitudes a * q in each of f factors and q the quantum, a sum of n terms stays under
    n * a**f * q, and any algorithm with an error under gamma(n + 2) times that, about (n + 2) * u * n * a**f * q,
    finds the right integer if this is under 1/2. We ask for 1/8: linearity doubles the data of one argument, finite
    differences move all data by a quantum, and the rest is left to algorithms that are not exact on integers (Winograd,
    FFT).
    The terms of an average are divided, by d or more, and so is their error; added up before they are divided,
    they must stay exact even if they are doubled.

    Zeros add nothing and round nothing, but a finite difference moves them too, by a quantum: see docs/numerics.md.
    """
    roundings = operator.roundings(problem)
    counts = roundings if met is None else {output: fewer(operator, count, met) for output, count in roundings.items()}
    found = largest_magnitude(operator, problem, dtype, max(1, *counts.values()))
    most = max(1, *roundings.values())
    if met is None or met >= most:
        return found
    return max(0, min(found, largest_moved(operator, problem, dtype, met, most)))


def fewer(operator: Operator, roundings: int, met: int) -> int:
    """Roundings where no more than so many terms meet; two of those of an average are of its division."""
    division = 2 if operator.divides else 0
    return min(roundings, met + division)


def largest_magnitude(operator: Operator, problem: Problem, dtype: str, roundings: int) -> int:
    """Largest multiplier of the quantum for so many roundings."""
    u, quantum = DTYPES[dtype].unit_roundoff, operator.quantum(problem)
    budget = int(operator.least_divisor(problem) / (8 * u * roundings * (roundings + 2) * quantum))
    if operator.factors == 2:
        return min(MOST_VALUES, isqrt(budget))
    return min(MOST_VALUES, budget, int(1 / (2 * u * roundings * quantum)))


def largest_moved(operator: Operator, problem: Problem, dtype: str, met: int, most: int) -> int:
    """Largest multiplier at which sums stay exact when all data, zeros too, are moved by a quantum.

    Of n terms so many that meet are at most (a + 1)**f * q, the others (a + 1)**(f - 1) * q. Their sum may take half of
    the significand's integers. A convolution does no more than add. An average is also divided, by a rounded reciprocal
    of each term at worst, so that its error, under (n + 4) * u * sum / d, must be at most 1/4.
    """
    half = int(1 / (2 * DTYPES[dtype].unit_roundoff))
    if operator.factors == 2:
        return (isqrt(most**2 + 4 * met * half) - most) // (2 * met) - 1
    divided = half * operator.least_divisor(problem) // (2 * (most + 4))
    return (min(half, divided) // operator.quantum(problem) - most) // met - 1


def magnitude_of_points(operator: Operator, problem: Problem, dtype: str, values: Arrays) -> int:
    """Largest multiplier of the quantum for data that are zero but for some entries, whatever rule made them."""
    met = terms_met(problem, {name: array != 0 for name, array in values.items()})
    return magnitude(operator, problem, dtype, max([1, *met.values()]))


def scale(operator: Operator, dtype: str, fill: str, name: str) -> int:
    """Exponent of the power of two by which the lattice is multiplied in one array: 0 but for huge and tiny.

    A power of two commutes with every rounding as long as nothing over- or underflows, so that sums stay exact. Huge
    data take half of the exponents above 1, which is 2**64 in float32: sums on the lattice are under 2**21, so that as
    much room is left for algorithms that add up more before they subtract. Tiny data take two thirds of those below 1,
    each factor of a product its share, which is 2**-42 in float32: a product is at least 2**-84, and the smallest
    normal number 2**-126. Gradients of the output stay where they are, and a bias goes with the products that it is
    added to.
    """
    limits = np.finfo(DTYPES[dtype].type)
    scaled = operator.terms["y"]
    if fill == "huge":
        return int(limits.maxexp) // 2 if name in {scaled[0], "bias"} else 0
    if fill == "tiny":
        share = 2 * int(limits.minexp) // (3 * len(scaled))
        return len(scaled) * share if name == "bias" else share if name in scaled else 0
    return 0


def step_of(operator: Operator, dtype: str, fill: str, output: str) -> int:
    """Exponent of the power of two that every entry of an output is a multiple of, of a fill that is exact."""
    return sum(scale(operator, dtype, fill, name) for name in operator.terms[output])


def on_lattice(
    operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice
) -> Array:
    """Integers so small that every sum is exact; for the input of max, distinct and 4 apart."""
    del dtype
    count = int(np.prod(shape))
    words = raw(seed, name, count)
    if operator.chooses and name == "x":
        ranks = np.argsort(np.argsort(words, kind="stable"), kind="stable")
        # never 0, and now and then all of one sign: padding with 0 shows only beside negative numbers
        below = int(words[0] % np.uint64(count + 1)) if count else 0
        return (4.0 * (ranks - below) + 2.0).reshape(shape)
    most = np.uint64(of.magnitude)
    # 1 .. most, and a sign from the top bit: 0, which would hide a pixel, only where fewer terms must meet
    magnitudes = (words & np.uint64(2**62 - 1)) % most + np.uint64(1)
    signs = np.where(words >> np.uint64(63), -1.0, 1.0)
    values = (signs * magnitudes.astype(np.float64) * operator.quantum(problem)).reshape(shape)
    if of.met is None:
        return values
    mask = kept(problem, name, shape, of.met, stream(seed, name, part=5).random_raw)
    return values if mask is None else np.where(mask, values, 0.0)
