"""Fills: the rules that make the data of a case.

The random bits come straight from PCG64, whose stream NumPy keeps from version to version, so that a spec gives the
same arrays wherever it is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from math import isqrt, prod

import numpy as np
from numpy.typing import NDArray

from convgate.cases.thinning import kept, terms_met
from convgate.problems.operators import OPERATORS, Array, Arrays, Operator, Shape
from convgate.problems.problem import Problem

__all__ = [
    "DTYPES",
    "EXACT",
    "FILLS",
    "LEAST_MAGNITUDE",
    "MOST_MET",
    "MOST_VALUES",
    "Lattice",
    "lattice_of",
    "magnitude_of_points",
    "scale",
    "smallest_normal",
    "step_of",
    "unit_roundoff",
]

DTYPES: dict[str, type[np.floating]] = {"f32": np.float32, "f64": np.float64}

STREAMS = {"x": 0, "weight": 1, "bias": 2, "grad_output": 3, "columns": 4}

# Schwartz-Zippel: two bilinear forms that differ agree on a point with a probability of at most 2 / 2**21, as each
# coordinate has 2**21 values with its sign. More values would only make exact sums harder.
MOST_VALUES = 2**20

# Where more terms would force magnitudes below LEAST_MAGNITUDE, zeros are added so that at most MOST_MET terms that are
# not zero meet.
LEAST_MAGNITUDE = 2**6
MOST_MET = 16

WIDE_BINADES = {"f32": 20, "f64": 100}


@cache
def unit_roundoff(dtype: str) -> float:
    """Half the distance from 1 to the next larger number of a dtype."""
    return float(np.finfo(DTYPES[dtype]).eps) / 2


@cache
def smallest_normal(dtype: str) -> float:
    """Smallest positive normal number of a dtype: what flushing subnormals to zero can cost one operation."""
    return float(np.finfo(DTYPES[dtype]).smallest_normal)


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


Rule = Callable[[Operator, Problem, str, int, str, Shape, Lattice], Array]


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
    repeated = fill == "equal" or (repeated and not operator.name.endswith("pool2d"))
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
    division = 2 if operator.name == "avg_pool2d" else 0
    return min(roundings, met + division)


def largest_magnitude(operator: Operator, problem: Problem, dtype: str, roundings: int) -> int:
    """The same for so many roundings."""
    u, quantum = unit_roundoff(dtype), operator.quantum(problem)
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
    half = int(1 / (2 * unit_roundoff(dtype)))
    if operator.factors == 2:
        return (isqrt(most**2 + 4 * met * half) - most) // (2 * met) - 1
    divided = half * operator.least_divisor(problem) // (2 * (most + 4))
    return (min(half, divided) // operator.quantum(problem) - most) // met - 1


def magnitude_of_points(operator: Operator, problem: Problem, dtype: str, values: Arrays) -> int:
    """Largest multiplier of the quantum for data that are zero but for some entries, whatever rule made them."""
    met = terms_met(problem, {name: array != 0 for name, array in values.items()})
    return magnitude(operator, problem, dtype, max([1, *met.values()]))


def raw(seed: int, name: str, count: int, part: int = 0) -> NDArray[np.uint64]:
    """Random 64-bit words of one array of a case."""
    return stream(seed, name, part).random_raw(count)


def stream(seed: int, name: str, part: int) -> np.random.PCG64:
    """What the words of one array come from; another part is another stream."""
    return np.random.PCG64(np.random.SeedSequence([seed, STREAMS[name], part]))


def lattice(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice) -> Array:
    """Integers so small that every sum is exact; for the input of max, distinct and 4 apart."""
    del dtype
    count = int(np.prod(shape))
    words = raw(seed, name, count)
    if operator.name == "max_pool2d" and name == "x":
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


def sparse(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice) -> Array:
    """The lattice with a third of all entries zero, of every array but the bias: what skips zeros must be right too."""
    values = lattice(operator, problem, dtype, seed, name, shape, of)
    if name == "bias" or not values.size:
        return values
    words = raw(seed, name, values.size, part=4)
    zero = words % np.uint64(3) == 0
    # not the only one that is there
    nonzero = np.flatnonzero(values)
    zero[nonzero[int(words[0] % np.uint64(nonzero.size))]] = False
    return np.where(zero.reshape(shape), 0.0, values)


def real(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice) -> Array:
    """Uniform in [-1, 1), with every bit of the significand in use."""
    del operator, problem, dtype, of
    words = raw(seed, name, int(np.prod(shape)))
    return ((words >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0).reshape(shape)


def wide(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice) -> Array:
    """Real numbers spread over many binades."""
    binades = WIDE_BINADES[dtype]
    words = raw(seed, name, int(np.prod(shape)), part=1)
    exponents = (words % np.uint64(2 * binades + 1)).astype(np.int64).reshape(shape) - binades
    return np.ldexp(real(operator, problem, dtype, seed, name, shape, of), exponents)


def equal(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice) -> Array:
    """One lattice value everywhere: in a maximum all are equal, and the first of each window takes its gradient."""
    return np.full(shape, lattice(operator, problem, dtype, seed, name, (1,) * len(shape), of).ravel()[0])


def negative(
    operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice
) -> Array:
    """The lattice below zero; for the input of max distinct and 4 apart all the same."""
    values = lattice(operator, problem, dtype, seed, name, shape, of)
    of_max = operator.name == "max_pool2d" and name == "x"
    below: Array = values - (4.0 + max(values.max(initial=0.0), 0.0)) if of_max else 0.0 - abs(values)
    return below


def scale(operator: Operator, dtype: str, fill: str, name: str) -> int:
    """Exponent of the power of two by which the lattice is multiplied in one array: 0 but for huge and tiny.

    A power of two commutes with every rounding as long as nothing over- or underflows, so that sums stay exact. Huge
    data take half of the exponents above 1, which is 2**64 in float32: sums on the lattice are under 2**21, so that as
    much room is left for algorithms that add up more before they subtract. Tiny data take two thirds of those below 1,
    each factor of a product its share, which is 2**-42 in float32: a product is at least 2**-84, and the smallest
    normal number 2**-126. Gradients of the output stay where they are, and a bias goes with the products that it is
    added to.
    """
    limits = np.finfo(DTYPES[dtype])
    scaled = operator.terms["y"]
    if fill == "huge":
        return int(limits.maxexp) // 2 if name in {scaled[0], "bias"} else 0
    if fill == "tiny":
        share = 2 * int(limits.minexp) // (3 * len(scaled))
        return len(scaled) * share if name == "bias" else share if name in scaled else 0
    return 0


def step_of(operator: Operator, dtype: str, fill: str, output: str) -> int:
    """Exponent of the power of two that every entry of an output is a multiple of, on a fill of `EXACT`."""
    return sum(scale(operator, dtype, fill, name) for name in operator.terms[output])


def scaled(fill: str) -> Rule:
    """The lattice times a power of two."""

    def rule(
        operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice
    ) -> Array:
        return np.ldexp(lattice(operator, problem, dtype, seed, name, shape, of), scale(operator, dtype, fill, name))

    return rule


def ties(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice) -> Array:
    """The lattice, but the input has only two values."""
    if name != "x":
        return lattice(operator, problem, dtype, seed, name, shape, of)
    return (raw(seed, name, int(np.prod(shape))) >> np.uint64(63)).astype(np.float64).reshape(shape)


def special(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice) -> Array:
    """The lattice with NaN and infinities in each array, or in some of them, and zeros and subnormals strewn about.

    Which arrays have NaN and infinities is a matter of the seed: all of them, one, or the weight and the bias. An array
    that has them has one in each image and in each channel, but for a bias, of which some entries stay finite. Zero
    times NaN or infinity is NaN, so an implementation may leave out nothing because it is zero. What it may do with its
    padding, says `convgate.judging.determined`.

    Where an output is only copied or chosen (im2col, and y of max_pool2d) subnormals appear to the last bit and zeros
    with their sign; padding of im2col is 0 without a sign, and a maximum of zeros of both signs has either. Where
    numbers are added up neither is asked for: a sum that starts with 0 loses the sign of a zero, a processor that
    flushes subnormals to zero loses these, and both are within half a step of the lattice. Subnormals are never among
    the data that infinities are multiplied by: flushed to zero these would make NaN.
    """
    values = lattice(operator, problem, dtype, seed, name, shape, of)
    theme = theme_of(seed)
    not_finite = name in special_arrays(operator, theme)
    if operator.name in {"im2col", "max_pool2d"} and name == "x":
        return specially_copied(operator, dtype, seed, values)
    words = raw(seed, name, values.size, part=2)
    subnormal = smallest_normal(dtype) / 4
    alone = operator.factors == 1 or special_arrays(operator, theme) == {"x"}
    small = np.array([0.0, -0.0, subnormal, -subnormal] if alone and name in {"x", "columns"} else [0.0])
    if name != "bias":
        every = np.uint64(6 if name in {"x", "columns"} else 3)
        values = np.where((words % every == 0).reshape(shape), chosen_from(small, words).reshape(shape), values)
    if not not_finite:
        return values
    kinds = SPECIAL[theme // 4 % len(SPECIAL)]
    window = max(6, *operator.roundings(problem).values())
    rest = (words >> np.uint64(8)) % np.uint64(window) == 0
    chosen = in_each(problem, name, words, shape) | (rest.reshape(shape) if name in {"x", "columns"} else False)
    return np.where(chosen, chosen_from(np.array(kinds), words).reshape(shape), values)


# NaN hides infinities, and infinities of both signs give NaN: on most seeds there are infinities alone.
SPECIAL = ((np.nan, np.inf, -np.inf), (np.inf, -np.inf), (np.nan,), (np.inf, -np.inf))


@lru_cache(maxsize=2**10)
def theme_of(seed: int) -> int:
    """What the arrays of a case decide together."""
    return int(raw(seed, "x", 1, part=3)[0])


def special_arrays(operator: Operator, theme: int) -> set[str]:
    """The arrays that have NaN and infinities: all, the data alone, what is learnt, or the gradient of the output."""
    if operator.backward is None:
        return {"x", "columns"}
    choices = [{"x", "weight", "bias", "grad_output"}, {"x"}, {"grad_output"}]
    if operator.factors == 2:
        choices.append({"weight", "bias"})
    return choices[theme % len(choices)]


def chosen_from(kinds: Array, words: NDArray[np.uint64]) -> Array:
    """One of some values for each word, by bits that nothing else is decided by."""
    found: Array = kinds[((words >> np.uint64(32)) % np.uint64(kinds.size)).astype(np.int64)]
    return found


def in_each(problem: Problem, name: str, words: NDArray[np.uint64], shape: Shape) -> NDArray[np.bool_]:
    """Entries at random, such that each image and each channel has one: each filter and each channel of a weight."""
    if name == "bias":
        chosen: NDArray[np.bool_] = words % np.uint64(3) == 0
        chosen[int(words[0] % np.uint64(words.size))] = True
        return chosen
    if name == "columns":
        split = (problem.channels, problem.taps, problem.places, problem.batch)
        axes = (problem.batch, problem.channels, problem.taps, problem.places)
        return in_each(problem, "x", words, axes).transpose(1, 2, 3, 0).reshape(split).reshape(shape)
    chosen = np.zeros(shape, bool)
    if not words.size:
        return chosen
    turns = np.arange(max(shape[:2]))
    first = (turns + int(words[0] >> np.uint64(20)) % shape[0]) % shape[0]
    second = (turns + int(words[-1] >> np.uint64(20)) % shape[1]) % shape[1]
    pixels = words[: turns.size] >> np.uint64(16)
    rows, columns = pixels % np.uint64(shape[2]), pixels // np.uint64(shape[2]) % np.uint64(shape[3])
    chosen[first, second, rows.astype(np.int64), columns.astype(np.int64)] = True
    return chosen


def specially_copied(operator: Operator, dtype: str, seed: int, values: Array) -> Array:
    """Data of which nothing is added up, with special values of every kind in each channel of each image."""
    subnormal = smallest_normal(dtype) / 4
    strewn = np.array([np.nan, np.inf, -np.inf, -0.0, subnormal, -subnormal])
    if operator.name == "max_pool2d" and seed % 2:
        # whose the gradient is where there is NaN is not judged, but minus infinity is larger than padding
        strewn = strewn[1:]
    words = raw(seed, "x", values.size, part=2)
    planes = (words % np.uint64(6) == 0).reshape(prod(values.shape[:2]), prod(values.shape[2:]))
    without = np.flatnonzero(~planes.any(axis=1))
    if without.size:
        planes[without, (words[without] >> np.uint64(8)).astype(np.int64) % planes.shape[1]] = True
    found = np.where(planes.reshape(values.shape), chosen_from(strewn, words).reshape(values.shape), values)
    if values.size and np.isfinite(found).all():
        # by which these data are told from others
        found.flat[np.flatnonzero(planes)[0]] = np.inf
    return found


FILLS: dict[str, Rule] = {
    "lattice": lattice,
    "sparse": sparse,
    "real": real,
    "wide": wide,
    "special": special,
    "ties": ties,
    "negative": negative,
    "equal": equal,
    "huge": scaled("huge"),
    "tiny": scaled("tiny"),
}
# On these every result is a multiple of one power of two, and every sum is exact.
EXACT = frozenset({"lattice", "sparse", "ties", "negative", "equal", "huge", "tiny"})
