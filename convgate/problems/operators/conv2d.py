"""conv2d: two-dimensional convolution (cross-correlation, as the field calls it)."""

from itertools import product

import numpy as np

from convgate.problems.operators.base import Array, Arrays, Call, Operator, Shape, common_rule
from convgate.problems.operators.ceilings import largest, of_fourier, of_winograd
from convgate.problems.operators.classes import (
    BATCH,
    DILATED_AXES,
    Block,
    Feature,
    count_class,
    count_classes,
    flag,
)
from convgate.problems.problem import Problem

__all__ = ["CONV2D"]

OPTIONS = frozenset(
    {"batch", "channels", "size", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias"}
)


def shapes(problem: Problem) -> dict[str, Shape]:
    """x, weight, bias if there is one, and grad_output."""
    groups = max(1, problem.groups)
    found: dict[str, Shape] = {
        "x": (problem.batch, problem.channels, *problem.size),
        "weight": (problem.out_channels, problem.channels // groups, *problem.kernel_size),
    }
    if problem.bias:
        found["bias"] = (problem.out_channels,)
    found["grad_output"] = (problem.batch, problem.out_channels, *(max(0, each) for each in problem.output_size))
    return found


def broken_rule(problem: Problem) -> str | None:
    """Rules of conv2d: those of every operator, and channels that the groups divide."""
    if problem.groups < 1 or problem.out_channels < 1:
        return f"groups and out_channels must be at least 1, got {problem.groups} and {problem.out_channels}"
    for name, count in (("channels", problem.channels), ("out_channels", problem.out_channels)):
        if count % problem.groups:
            return f"groups must divide {name}, got {problem.groups} and {count}"
    return common_rule(problem, OPTIONS)


def options(problem: Problem) -> dict[str, object]:
    """Keyword arguments of both calls."""
    names = ("stride", "padding", "dilation", "groups")
    return {name: getattr(problem, name) for name in names}


def forward(problem: Problem) -> Call:
    """The forward call."""
    return Call("conv2d", ("x", "weight", "bias" if problem.bias else None), options(problem), ("y",))


def backward(problem: Problem) -> Call:
    """The backward call; grad_bias is None where there is no bias."""
    arguments = ("grad_output", "x", "weight", "bias" if problem.bias else None)
    return Call("conv2d_backward", arguments, options(problem), ("grad_input", "grad_weight", "grad_bias"))


def roundings(problem: Problem) -> dict[str, int]:
    """Each of n terms is rounded once as a product and once at all but one addition; the bias adds one more."""
    groups = problem.groups
    places = problem.batch * problem.places
    return {
        "y": problem.channels // groups * problem.taps + problem.bias,
        "grad_input": problem.out_channels // groups * problem.taps,
        "grad_weight": places,
        "grad_bias": places,
    }


def norms(problem: Problem, euclidean: Arrays, sums: Arrays) -> dict[str, Array]:
    """The sum of ||x|| sum |w| over a group's channels, and likewise for the gradients; a bias is a term of its own."""

    def grouped(array: Array) -> Array:
        return array.reshape(len(array), problem.groups, array.shape[1] // problem.groups)

    x, weight = grouped(euclidean["x"]), sums["weight"].reshape(problem.groups, -1, sums["weight"].shape[1])
    gradient, gradient_sums = grouped(euclidean["grad_output"]), grouped(sums["grad_output"])
    y = np.einsum("ngc,goc->ngo", x, weight).reshape(euclidean["grad_output"].shape)
    return {
        "y": y + sums["bias"] if problem.bias else y,
        "grad_input": np.einsum("ngo,goc->ngc", gradient, weight).reshape(euclidean["x"].shape),
        "grad_weight": np.einsum("ngc,ngo->goc", x, gradient_sums).reshape(sums["weight"].shape),
    }


def ceiling(problem: Problem) -> dict[str, float]:
    """What transforms can need, which add up the products of a group's channels, or of all images in grad_weight."""
    terms = {
        "y": problem.channels // problem.groups,
        "grad_input": problem.out_channels // problem.groups,
        "grad_weight": problem.batch,
    }
    return {
        output: largest(of_fourier(problem, each + 1), of_winograd(problem, each + 1)) for output, each in terms.items()
    }


def work(problem: Problem) -> int:
    """Products of a forward pass."""
    return problem.batch * problem.out_channels * problem.places * (problem.channels // problem.groups) * problem.taps


def groups_class(problem: Problem) -> int:
    """One group, some, or as many as channels."""
    if problem.groups == 1:
        return 0
    return 1 + (problem.groups == problem.channels)


GROUPS = Block(
    (
        Feature("groups", ("groups = 1", "1 < groups < channels", "groups = channels > 1"), groups_class),
        Feature(
            "channels_per_group",
            count_classes("channels_per_group"),
            lambda problem: count_class(problem.channels // problem.groups),
        ),
        Feature(
            "outputs_per_group",
            count_classes("outputs_per_group"),
            lambda problem: count_class(problem.out_channels // problem.groups),
        ),
    ),
    tuple(
        {"groups": groups, "channels": groups * channels, "out_channels": groups * outputs}
        for groups, channels, outputs in product((1, 2, 3), (1, 2, 3, 4, 9), (1, 2, 3, 4, 9))
    ),
)

CONV2D = Operator(
    name="conv2d",
    options=OPTIONS,
    shapes=shapes,
    broken_rule=broken_rule,
    forward=forward,
    backward=backward,
    gradients={"grad_input": "x", "grad_weight": "weight", "grad_bias": "bias"},
    linear_in=frozenset({"x", "weight", "bias", "grad_output"}),
    roundings=roundings,
    terms={
        "y": ("x", "weight"),
        "grad_input": ("grad_output", "weight"),
        "grad_weight": ("grad_output", "x"),
        "grad_bias": ("grad_output",),
    },
    quantum=lambda _: 1,
    fills=("lattice", "sparse", "real", "wide", "special", "huge", "tiny"),
    work=work,
    axis_features=DILATED_AXES,
    axis_mode="bias",
    blocks=(BATCH, GROUPS, flag("bias")),
    padding_shows=lambda problem: problem.bias,
    usual_test=("n2c3h8w8o4k3p1", "n2c3h8w8o4k3s2p1+bias", "n1c4h7w7o8k1", "n2c4h8w8o4k3g2", "n2c3h9w9o2k3d2+bias"),
    weight=20,
    joins_images=True,
    norms=norms,
    ceiling=ceiling,
)
