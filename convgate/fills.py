"""Fills: the rules that make the data of a case.

The random bits come straight from PCG64, whose stream NumPy keeps from version to version, so that a spec gives the
same arrays wherever it is read.
"""

from collections.abc import Callable
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from convgate.operators import Array, Operator, Shape
from convgate.problem import Problem

__all__ = [
    "DTYPES",
    "EXACT",
    "FILLS",
    "MOST_VALUES",
    "lattice_magnitude",
    "scale",
    "smallest_normal",
    "step_of",
    "unit_roundoff",
]

Rule = Callable[[Operator, Problem, str, int, str, Shape], Array]

DTYPES: dict[str, type[np.floating]] = {"f32": np.float32, "f64": np.float64}

STREAMS = {"x": 0, "weight": 1, "bias": 2, "grad_output": 3, "columns": 4}

# Schwartz-Zippel: two bilinear forms that differ agree on a point with a probability of at most 2 / 2**21, as each
# coordinate has 2**21 values with its sign. More values would only make exact sums harder.
MOST_VALUES = 2**20

WIDE_BINADES = {"f32": 20, "f64": 100}


def unit_roundoff(dtype: str) -> float:
    """Half the distance from 1 to the next larger number of a dtype."""
    return float(np.finfo(DTYPES[dtype]).eps) / 2


def smallest_normal(dtype: str) -> float:
    """Smallest positive normal number of a dtype: what flushing subnormals to zero can cost one operation."""
    return float(np.finfo(DTYPES[dtype]).smallest_normal)


def lattice_magnitude(operator: Operator, problem: Problem, dtype: str) -> int:
    """Largest multiplier of the quantum on the lattice, 0 if the lattice does not fit the dtype.

    With n roundings, magnitudes a * q in each of f factors and q the quantum, a sum of n terms stays under
    n * a**f * q, and any algorithm with an error under gamma(n + 2) times that, about (n + 2) * u * n * a**f * q,
    finds the right integer if this is under 1/2. We ask for 1/8: finite differences and linearity double the data
    of one argument, and the rest is left to algorithms that are not exact on integers (Winograd, FFT).
    """
    n = max(1, *operator.roundings(problem).values())
    budget = int(1 / (8 * unit_roundoff(dtype) * n * (n + 2) * operator.quantum(problem)))
    return min(MOST_VALUES, isqrt(budget) if operator.factors == 2 else budget)


def raw(seed: int, name: str, count: int, part: int = 0) -> NDArray[np.uint64]:
    """Random 64-bit words of one array of a case."""
    return np.random.PCG64(np.random.SeedSequence([seed, STREAMS[name], part])).random_raw(count)


def lattice(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape) -> Array:
    """Integers so small that every sum is exact; for the input of max, distinct and 4 apart."""
    count = int(np.prod(shape))
    words = raw(seed, name, count)
    if operator.name == "max_pool2d" and name == "x":
        ranks = np.argsort(np.argsort(words, kind="stable"), kind="stable")
        # never 0, and now and then all of one sign: padding with 0 shows only beside negative numbers
        below = int(words[0] % np.uint64(count + 1)) if count else 0
        return (4.0 * (ranks - below) + 2.0).reshape(shape)
    most = np.uint64(lattice_magnitude(operator, problem, dtype))
    # 1 .. most, and a sign from the top bit: never 0, which would hide a pixel
    magnitudes = (words & np.uint64(2**62 - 1)) % most + np.uint64(1)
    signs = np.where(words >> np.uint64(63), -1.0, 1.0)
    return (signs * magnitudes.astype(np.float64) * operator.quantum(problem)).reshape(shape)


def real(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape) -> Array:
    """Uniform in [-1, 1), with every bit of the significand in use."""
    del operator, problem, dtype
    words = raw(seed, name, int(np.prod(shape)))
    return ((words >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0).reshape(shape)


def wide(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape) -> Array:
    """Real numbers spread over many binades."""
    binades = WIDE_BINADES[dtype]
    words = raw(seed, name, int(np.prod(shape)), part=1)
    exponents = (words % np.uint64(2 * binades + 1)).astype(np.int64).reshape(shape) - binades
    return np.ldexp(real(operator, problem, dtype, seed, name, shape), exponents)


def equal(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape) -> Array:
    """One lattice value everywhere: in a maximum all are equal, and the first of each window takes its gradient."""
    return np.full(shape, lattice(operator, problem, dtype, seed, name, (1,) * len(shape)).ravel()[0])


def negative(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape) -> Array:
    """The lattice below zero; for the input of max distinct and 4 apart all the same."""
    values = lattice(operator, problem, dtype, seed, name, shape)
    of_max = operator.name == "max_pool2d" and name == "x"
    below: Array = values - (4.0 + max(values.max(initial=0.0), 0.0)) if of_max else -abs(values)
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

    def rule(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape) -> Array:
        return np.ldexp(lattice(operator, problem, dtype, seed, name, shape), scale(operator, dtype, fill, name))

    return rule


def ties(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape) -> Array:
    """The lattice, but the input has only two values."""
    if name != "x":
        return lattice(operator, problem, dtype, seed, name, shape)
    return (raw(seed, name, int(np.prod(shape))) >> np.uint64(63)).astype(np.float64).reshape(shape)


def special(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape) -> Array:
    """The lattice with NaN, infinities, negative zeros and subnormals strewn into the data, and zeros into the weights.

    Weights stay finite: a padding of zeros times infinity would be NaN where an implementation multiplies by its
    padding, and the definition does not say that it may not. Zero times NaN or infinity is NaN, so an implementation
    may not leave out weights that are zero.

    Where an output is only copied or chosen (im2col, and y of max_pool2d) subnormals appear to the last bit and zeros
    with their sign; padding of im2col is 0 without a sign, and a maximum of zeros of both signs has either. Where
    numbers are added up neither is asked for: a sum that starts with 0 loses the sign of a zero, a processor that
    flushes subnormals to zero loses these, and both are within half a step of the lattice.
    """
    values = lattice(operator, problem, dtype, seed, name, shape)
    if name == "weight":
        return np.where((raw(seed, name, values.size, part=2) % np.uint64(6) == 0).reshape(shape), 0.0, values)
    if name not in {"x", "columns"}:
        return values
    subnormal = smallest_normal(dtype) / 4
    strewn = np.array([np.nan, np.inf, -np.inf, -0.0, subnormal, -subnormal])
    if operator.name == "max_pool2d" and seed % 2:
        # whose the gradient is where there is NaN is not judged, but minus infinity is larger than padding
        strewn = strewn[1:]
    words = raw(seed, name, values.size, part=2)
    chosen = (words % np.uint64(6) == 0).reshape(shape)
    if values.size and not chosen.any():
        chosen.flat[int(words[0] % np.uint64(values.size))] = True
    kinds = strewn[((words >> np.uint64(32)) % np.uint64(strewn.size)).astype(np.int64)].reshape(shape)
    return np.where(chosen, kinds, values)


FILLS: dict[str, Rule] = {
    "lattice": lattice,
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
EXACT = frozenset({"lattice", "ties", "negative", "equal", "huge", "tiny"})
