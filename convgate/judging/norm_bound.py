"""The other error bound: for subjects that do not add up the products of the definition, but are accurate in norm.

A transform (FFT, Winograd, a running sum over the image) spreads each rounding error over the whole image, so its error
is small beside the norm of the image, not beside the few pixels that one output looks at. docs/normwise.md derives it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

import numpy as np

from convgate.cases.dtypes import DTYPES
from convgate.judging.compare import Bound
from convgate.oracle_list import as_integers
from convgate.problems.operators import OPERATORS, Array, Arrays, Shape
from convgate.problems.problem import Problem

__all__ = ["NormBound", "believed", "norm_bound", "relations_may_round"]


@dataclass(frozen=True)
class NormBound(Bound):
    """The bound of a subject that is accurate in norm.

    Parameters
    ----------
    magnitude : ndarray of object
        The norm that belongs to each entry.
    factor : float
        How many unit roundoffs of it the error may be, by what the subject claims and is believed.
    """

    factor: float = 1.0

    @property
    def steps(self) -> Fraction:
        """How many unit roundoffs of the magnitude the error may be."""
        return Fraction(self.factor)

    @property
    def share(self) -> Fraction:
        """The share of the norm that the error may be."""
        return self.steps * Fraction(DTYPES[self.dtype].unit_roundoff)

    @property
    def flushed(self) -> Fraction:
        """What is lost to underflow is part of the norm."""
        return Fraction(0)


def norm_bound(problem: Problem, values: Arrays, output: str, dtype: str, factor: float) -> NormBound | None:
    """The bound of an output of a subject whose error is at most `factor` unit roundoffs of its norms.

    No more is believed than algorithms of this kind can need: beyond the operator's ceiling a claim would excuse what
    is simply wrong.

    Parameters
    ----------
    problem : Problem
        What is computed.
    values : dict of str to array
        Its data, all finite.
    output : str
        Name of the output.
    dtype : str
        "f32" or "f64".
    factor : float
        What the subject's ``error_factor`` says of the problem.

    Returns
    -------
    NormBound or None
        None if no norm is known for the output: it is bound to be accurate entry by entry.
    """
    operator = OPERATORS[problem.operator]
    if operator.norms is None:
        return None
    # Where an operation underflows, up to the smallest normal number is lost. A transform of fewer than 1/u**2
    # entries adds up fewer than 1/u**2 such losses in an entry, as if the data had been off by so much.
    lost = Fraction(DTYPES[dtype].smallest_normal) / Fraction(DTYPES[dtype].unit_roundoff) ** 2
    integers, exponent = as_integers(*values.values())
    scale = Fraction(2) ** exponent
    rows = {name: flat(array) for name, array in zip(values, integers, strict=True)}
    euclidean = {name: square_roots((row * row).sum(axis=-1)) * scale + lost for name, row in rows.items()}
    sums = {name: abs(row).sum(axis=-1) * scale + lost for name, row in rows.items()}
    found = operator.norms(problem, euclidean, sums).get(output)
    if found is None:
        return None
    spread = np.broadcast_to(found.reshape(*found.shape, *(1 for _ in problem.axes)), shape_of(problem, output))
    return NormBound(spread, operator.roundings(problem)[output], dtype, factor=believed(problem, factor, output))


def believed(problem: Problem, factor: float, output: str = "") -> float:
    """As much of a claimed error factor as an algorithm that is accurate in norm can need, for an output or for any."""
    ceiling = OPERATORS[problem.operator].ceiling
    if ceiling is None:
        return factor
    most = ceiling(problem)
    return min(factor, most[output] if output else max(most.values()))


def flat(array: Array) -> Array:
    """Images and kernels as rows; a bias as rows of one number."""
    leading = array.shape[:2]
    return array.reshape(*leading, int(np.prod(array.shape[len(leading) :])))


def square_roots(squares: Array) -> Array:
    """Square roots of integers, rounded up to integers, which is never too small."""
    roots = [isqrt(int(square) - 1) + 1 if square else 0 for square in squares.ravel()]
    return np.array(roots, object).reshape(squares.shape)


def shape_of(problem: Problem, output: str) -> Shape:
    """Shape of an output: of y that of its gradient, of a gradient that of its array."""
    operator = OPERATORS[problem.operator]
    shapes = operator.shapes(problem)
    if output != "y":
        return shapes[operator.gradients[output]]
    return (problem.batch, shapes["grad_output"][1], *problem.output_size)


def relations_may_round(problem: Problem, values: Arrays, dtype: str, factor: float, steps: Mapping[str, int]) -> bool:
    """Whether a relation between lattice results may fail although every result is as accurate as the subject claims.

    Relations round results to the nearest multiple of the lattice's step, a power of two whose exponent `steps` has for
    each output, so errors must stay under half of it. They ask for results on other data than the case's: twice these
    at most, or these moved by one quantum, or a constant of 5.
    """
    operator = OPERATORS[problem.operator]
    constant = 5 * operator.quantum(problem)
    moved = {name: np.maximum(2 * abs(array), abs(array) + constant) for name, array in values.items()}
    for output in ("y", *operator.gradients):
        bound = norm_bound(problem, moved, output, dtype, factor)
        half = Fraction(2) ** steps[output] / 2
        if bound is not None and any(bound.at(index) >= half for index in np.ndindex(bound.magnitude.shape)):
            return True
    return False
