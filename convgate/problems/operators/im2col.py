"""im2col and col2im: the columns of a convolution, and their adjoint."""

from math import prod

from convgate.problems.operators.base import Call, Operator, Shape, common_rule
from convgate.problems.operators.classes import BATCH, CHANNELS, DILATED_AXES
from convgate.problems.problem import Problem

__all__ = ["COL2IM", "IM2COL"]

USUAL_TEST = ("n2c3h8w8k3p1", "n2c3h8w8k3s2p1", "n1c2h7w7k1")
OPTIONS = frozenset({"batch", "channels", "size", "kernel_size", "stride", "padding", "dilation"})


def columns_shape(problem: Problem) -> Shape:
    """(channels * taps) x (places * batch)."""
    places = prod(max(0, each) for each in problem.output_size)
    return problem.channels * problem.taps, places * problem.batch


def image_shape(problem: Problem) -> Shape:
    """N x C x H x W."""
    return problem.batch, problem.channels, *problem.size


def broken_rule(problem: Problem) -> str | None:
    """Rules of every operator."""
    return common_rule(problem, OPTIONS)


def options(problem: Problem) -> dict[str, object]:
    """Keyword arguments of both functions."""
    return {name: getattr(problem, name) for name in ("stride", "padding", "dilation")}


def im2col(problem: Problem) -> Call:
    """The call of im2col."""
    return Call("im2col", ("x", problem.kernel_size), options(problem), ("y",))


def col2im(problem: Problem) -> Call:
    """The call of col2im."""
    return Call("col2im", ("columns", image_shape(problem), problem.kernel_size), options(problem), ("y",))


def work(problem: Problem) -> int:
    """Entries of the column matrix."""
    return prod(columns_shape(problem))


IM2COL = Operator(
    name="im2col",
    options=OPTIONS,
    shapes=lambda problem: {"x": image_shape(problem)},
    broken_rule=broken_rule,
    forward=im2col,
    backward=None,
    gradients={},
    linear_in=frozenset({"x"}),
    roundings=lambda _: {"y": 0},
    terms={"y": ("x",)},
    quantum=lambda _: 1,
    fills=("lattice", "sparse", "real", "special", "huge", "tiny"),
    work=work,
    axis_features=DILATED_AXES,
    axis_mode="",
    blocks=(BATCH, CHANNELS),
    padding_shows=lambda _: False,
    usual_test=USUAL_TEST,
    weight=3,
    joins_images=True,
    adjoint_name="col2im",
)

COL2IM = Operator(
    name="col2im",
    options=OPTIONS,
    shapes=lambda problem: {"columns": columns_shape(problem)},
    broken_rule=broken_rule,
    forward=col2im,
    backward=None,
    gradients={},
    linear_in=frozenset({"columns"}),
    roundings=lambda problem: {"y": problem.taps},
    terms={"y": ("columns",)},
    quantum=lambda _: 1,
    fills=("lattice", "sparse", "real", "wide", "special", "huge", "tiny"),
    work=work,
    axis_features=DILATED_AXES,
    axis_mode="",
    blocks=(BATCH, CHANNELS),
    padding_shows=lambda _: False,
    usual_test=USUAL_TEST,
    weight=3,
    joins_images=True,
    shape_given=True,
)
