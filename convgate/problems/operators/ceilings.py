"""How large an ``error_factor`` is believed: what algorithms that are accurate in norm can need.

docs/normwise.md derives the bounds and says why they stop where they do.
"""

from collections.abc import Iterable
from math import ceil, prod, sqrt

from convgate.problems.problem import Problem

__all__ = ["largest", "of_fourier", "of_running_sums", "of_winograd"]

# Terms of second order in u.
SECOND = 1.01
# Transforms of a length that is no power of two are made of three of twice that length (Bluestein), and roots of unity
# that are made by recurrence are a little less accurate.
THREE_FOR_ONE = 4


def of_fourier(problem: Problem, terms: int) -> float:
    """Unit roundoffs of a convolution by the fast Fourier transform that adds up so many products of transforms.

    12 a doubling of the length in three transforms, and 4 for the product and the bias: 12 t + 4 + terms for a power of
    two that holds the padded image and the kernel.
    """
    lengths = (axis.padded_size + axis.span - 1 for axis in problem.axes)
    return SECOND * (THREE_FOR_ONE * (12 * doublings(lengths) + 4) + terms)


def doublings(lengths: Iterable[int]) -> int:
    """Binary logarithm of the size of a transform along all axes, each rounded up to a power of two."""
    return sum(max(0, length - 1).bit_length() for length in lengths)


def of_winograd(problem: Problem, terms: int) -> float:
    """Unit roundoffs of Winograd's F(2 x 2, 3 x 3) and F(3 x 3, 2 x 2); 0 where they do not apply.

    8 times the roundings on the way: 9 an axis for the three small products, constants included, one for the product
    and one for each addition of channels and for the bias.
    """
    plain = all(axis.stride == axis.dilation == 1 for axis in problem.axes)
    apply = plain and 1 < max(problem.kernel_size) <= 3
    return SECOND * 8 * (2 * 9 + 1 + terms) if apply else 0.0


def of_running_sums(problem: Problem) -> float:
    """Unit roundoffs of an average from an integral image.

    An entry of the integral image is off by at most H + W roundings of the sum of all magnitudes, which is at most the
    square root of the number of pixels times the norm. Four entries make a window; in the gradient the shares of up to
    as many windows as a kernel has taps meet in a corner.
    """
    pixels = max(prod(problem.size), problem.places)
    roundings = 4 * (sum(problem.size) + 4 * problem.taps) + 12
    return SECOND * roundings * sqrt(pixels) / problem.taps


def largest(*factors: float) -> float:
    """The largest of several bounds, as a number that reads well."""
    return float(ceil(max(factors)))
