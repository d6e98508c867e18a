"""max_pool2d: max pooling."""

from convgate.problems.operators.base import Call, Operator
from convgate.problems.operators.classes import BATCH, CEIL_AXES, CHANNELS, DILATION, EMPTY_WINDOW, flag
from convgate.problems.operators.pooling import pool_rule, pool_shapes, pool_work
from convgate.problems.problem import Problem

__all__ = ["MAX_POOL2D"]

OPTIONS = frozenset({"batch", "channels", "size", "kernel_size", "stride", "padding", "dilation", "ceil_mode"})


def broken_rule(problem: Problem) -> str | None:
    """Rules of pooling."""
    return pool_rule(problem, OPTIONS)


def options(problem: Problem) -> dict[str, object]:
    """Keyword arguments of both calls."""
    return {name: getattr(problem, name) for name in ("stride", "padding", "dilation", "ceil_mode")}


def forward(problem: Problem) -> Call:
    """The forward call."""
    return Call("max_pool2d", ("x", problem.kernel_size), options(problem), ("y",))


def backward(problem: Problem) -> Call:
    """The backward call."""
    return Call("max_pool2d_backward", ("grad_output", "x", problem.kernel_size), options(problem), ("grad_input",))


def roundings(problem: Problem) -> dict[str, int]:
    """A maximum is not rounded; a pixel can win as many windows as the kernel has taps."""
    return {"y": 0, "grad_input": problem.taps}


MAX_POOL2D = Operator(
    name="max_pool2d",
    options=OPTIONS,
    shapes=pool_shapes,
    broken_rule=broken_rule,
    forward=forward,
    backward=backward,
    gradients={"grad_input": "x"},
    linear_in=frozenset({"grad_output"}),
    roundings=roundings,
    terms={"y": ("x",), "grad_input": ("grad_output",)},
    quantum=lambda _: 1,
    fills=("lattice", "sparse", "ties", "real", "special", "negative", "equal", "huge", "tiny"),
    work=pool_work,
    axis_features=(*CEIL_AXES, DILATION, EMPTY_WINDOW),
    axis_mode="ceil_mode",
    blocks=(BATCH, CHANNELS, flag("ceil_mode")),
    padding_shows=lambda _: True,  # minus infinity
    usual_test=("n2c3h8w8k2s2", "n2c3h9w9k3s2p1", "n1c2h7w7k3s2+ceil", "n2c3h9w9k3d2"),
    weight=10,
    half_padding=True,
    chooses=True,
)
