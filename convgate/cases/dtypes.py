"""Floating-point types."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["DTYPES", "WIDEST", "DType"]


@dataclass(frozen=True)
class DType:
    """A floating-point type.

    Parameters
    ----------
    name : str
        As in a spec.
    type : type
        NumPy's scalar type.
    wide_binades : int
        How many binades above and below 1 the fill ``wide`` spreads over: so few that a product of two such numbers,
        and a sum of many, neither overflows nor underflows.
    """

    name: str
    type: type[np.floating]
    wide_binades: int

    @cached_property
    def unit_roundoff(self) -> float:
        """Half the distance from 1 to the next larger number."""
        return float(np.finfo(self.type).eps) / 2

    @cached_property
    def smallest_normal(self) -> float:
        """Smallest positive normal number: what flushing subnormals to zero can cost one operation."""
        return float(np.finfo(self.type).smallest_normal)

    @cached_property
    def largest(self) -> float:
        """Largest finite number."""
        return float(np.finfo(self.type).max)


# From narrow to wide.
DTYPES = {
    dtype.name: dtype
    for dtype in (DType("f32", np.float32, wide_binades=20), DType("f64", np.float64, wide_binades=100))
}
# What takes the place of a dtype that is too narrow for a problem's lattice.
WIDEST = list(DTYPES)[-1]
