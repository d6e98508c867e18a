"""Fills: the rules that make the data of a case."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from convgate.cases.dtypes import DTYPES
from convgate.cases.lattice import Lattice, on_lattice, scale
from convgate.cases.layouts import LAYOUTS
from convgate.cases.random_bits import raw
from convgate.cases.special_data import special
from convgate.plugins import Table
from convgate.problems.operators import OPERATORS, Array, Operator, Shape
from convgate.problems.problem import Problem

__all__ = ["FILLS", "Fill", "fills_of"]

Rule = Callable[[Operator, Problem, str, int, str, Shape, Lattice], Array]


@dataclass(frozen=True)
class Fill:
    """A rule that makes the data of a case.

    Parameters
    ----------
    name : str
        As in a spec.
    rule : callable
        Makes one array of a case, in float64: from the operator, the problem, the dtype's name, the seed, the array's
        name, its shape and the case's lattice.
    exact : bool
        Whether every result is a multiple of one power of two, and every sum is exact.
    adds_lattice : bool
        Whether the finite ones among the data are on the lattice, so that their sums must be exact.
    operators : tuple of str
        Names of the operators that have it, beside those that list it themselves.
    """

    name: str
    rule: Rule
    exact: bool = False
    adds_lattice: bool = False
    operators: tuple[str, ...] = ()

    @property
    def on_lattice(self) -> bool:
        """Whether sums of finite data are exact."""
        return self.exact or self.adds_lattice


def sparse(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice) -> Array:
    """The lattice with a third of all entries zero, of every array but the bias: what skips zeros must be right too."""
    values = on_lattice(operator, problem, dtype, seed, name, shape, of)
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
    binades = DTYPES[dtype].wide_binades
    words = raw(seed, name, int(np.prod(shape)), part=1)
    exponents = (words % np.uint64(2 * binades + 1)).astype(np.int64).reshape(shape) - binades
    return np.ldexp(real(operator, problem, dtype, seed, name, shape, of), exponents)


def equal(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice) -> Array:
    """One lattice value everywhere: in a maximum all are equal, and the first of each window takes its gradient."""
    return np.full(shape, on_lattice(operator, problem, dtype, seed, name, (1,) * len(shape), of).ravel()[0])


def negative(
    operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice
) -> Array:
    """The lattice below zero; for the input of max distinct and 4 apart all the same."""
    values = on_lattice(operator, problem, dtype, seed, name, shape, of)
    of_max = operator.chooses and name == "x"
    below: Array = values - (4.0 + max(values.max(initial=0.0), 0.0)) if of_max else 0.0 - abs(values)
    return below


def scaled(fill: str) -> Rule:
    """The lattice times a power of two."""

    def rule(
        operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice
    ) -> Array:
        return np.ldexp(on_lattice(operator, problem, dtype, seed, name, shape, of), scale(operator, dtype, fill, name))

    return rule


def ties(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice) -> Array:
    """The lattice, but the input has only two values."""
    if name != "x":
        return on_lattice(operator, problem, dtype, seed, name, shape, of)
    return (raw(seed, name, int(np.prod(shape))) >> np.uint64(63)).astype(np.float64).reshape(shape)


# The simplest first. To add one, write a rule above, a row here, and its name in the `fills` of the operators that have
# it. Other packages add rows through the entry point group ``convgate.fills``, and name the operators in the row.
FILLS = Table(
    "convgate.fills",
    Fill,
    (
        Fill("lattice", on_lattice, exact=True),
        Fill("sparse", sparse, exact=True),
        Fill("negative", negative, exact=True),
        Fill("equal", equal, exact=True),
        Fill("ties", ties, exact=True),
        Fill("huge", scaled("huge"), exact=True),
        Fill("tiny", scaled("tiny"), exact=True),
        Fill("real", real),
        Fill("wide", wide),
        Fill("special", special, adds_lattice=True),
    ),
    taken=(*DTYPES, *LAYOUTS, "points", "broken"),
)


@cache
def fills_of(operator: str) -> tuple[str, ...]:
    """The names of the fills that an operator has."""
    return (*OPERATORS[operator].fills, *(fill.name for fill in FILLS.values() if operator in fill.operators))
