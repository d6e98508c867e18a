"""avg_pool2d: average pooling."""

from fractions import Fraction
from itertools import product
from math import lcm, prod

from convgate.problems.axis import clipped_window
from convgate.problems.operators.base import Array, Arrays, Call, Operator
from convgate.problems.operators.ceilings import largest, of_fourier, of_running_sums
from convgate.problems.operators.classes import BATCH, CEIL_AXES, CHANNELS, Block, Feature, flag
from convgate.problems.operators.pooling import pool_rule, pool_shapes, pool_work
from convgate.problems.problem import Problem

__all__ = ["AVG_POOL2D"]

OPTIONS = frozenset(
    {
        "batch",
        "channels",
        "size",
        "kernel_size",
        "stride",
        "padding",
        "ceil_mode",
        "count_include_pad",
        "divisor_override",
    }
)


def broken_rule(problem: Problem) -> str | None:
    """Rules of pooling, and a divisor that is not zero."""
    if problem.divisor_override is not None and problem.divisor_override == 0:
        return "divisor_override must not be 0"
    return pool_rule(problem, OPTIONS)


def options(problem: Problem) -> dict[str, object]:
    """Keyword arguments of both calls."""
    names = ("stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    return {name: getattr(problem, name) for name in names}


def forward(problem: Problem) -> Call:
    """The forward call."""
    return Call("avg_pool2d", ("x", problem.kernel_size), options(problem), ("y",))


def backward(problem: Problem) -> Call:
    """The backward call."""
    return Call("avg_pool2d_backward", ("grad_output", "x", problem.kernel_size), options(problem), ("grad_input",))


def divisors(problem: Problem) -> set[int]:
    """The magnitudes of the divisors that occur."""
    if problem.divisor_override is not None:
        return {abs(problem.divisor_override)}
    extents = [
        {clipped_window(axis, place, real=not problem.count_include_pad) for place in range(places)}
        for axis, places in zip(problem.axes, problem.output_size, strict=True)
    ]
    return {prod(extent) for extent in product(*extents)}


def quantum(problem: Problem) -> int:
    """Least common multiple of the divisors that occur: averages of its multiples are integers."""
    return lcm(*divisors(problem))


def norms(problem: Problem, euclidean: Arrays, sums: Arrays) -> dict[str, Array]:
    """Of a convolution of each channel with a kernel of reciprocals of the smallest divisor."""
    del sums
    kernel = Fraction(problem.taps, min(divisors(problem)))
    return {"y": euclidean["x"] * kernel, "grad_input": euclidean["grad_output"] * kernel}


def ceiling(problem: Problem) -> dict[str, float]:
    """What an integral image can need, or a convolution of each channel with reciprocals."""
    factor = largest(of_fourier(problem, 1), of_running_sums(problem))
    return {"y": factor, "grad_input": factor}


def roundings(problem: Problem) -> dict[str, int]:
    """One an addition, and two for the division: a reciprocal rounds, and so does the product with it."""
    return {"y": problem.taps + 2, "grad_input": problem.taps + 2}


DIVISOR = Block(
    (
        Feature(
            "divisor_override",
            ("no divisor_override", "divisor_override"),
            lambda problem: int(problem.divisor_override is not None),
        ),
    ),
    tuple({"divisor_override": divisor} for divisor in (None, 2, 3, 5, -2)),
)

AVG_POOL2D = Operator(
    name="avg_pool2d",
    options=OPTIONS,
    shapes=pool_shapes,
    broken_rule=broken_rule,
    forward=forward,
    backward=backward,
    gradients={"grad_input": "x"},
    linear_in=frozenset({"x", "grad_output"}),
    roundings=roundings,
    terms={"y": ("x",), "grad_input": ("grad_output",)},
    quantum=quantum,
    least_divisor=lambda problem: min(divisors(problem)),
    fills=("lattice", "sparse", "real", "wide", "special", "huge", "tiny"),
    work=pool_work,
    axis_features=CEIL_AXES,
    axis_mode="ceil_mode",
    blocks=(
        BATCH,
        CHANNELS,
        flag("ceil_mode"),
        flag("count_include_pad"),
        DIVISOR,
    ),
    padding_shows=lambda _: True,
    usual_test=("n2c3h8w8k2s2", "n2c3h9w9k3s2p1", "n1c2h7w7k3s2+ceil", "n2c3h8w8k2s2p1+nopad"),
    weight=10,
    half_padding=True,
    divides=True,
    norms=norms,
    ceiling=ceiling,
)
