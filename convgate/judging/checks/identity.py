"""The check of metamorphic relations: batches, shifts, groups, linearity."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from convgate.cases.case import Case
from convgate.judging.checks.check import IDENTITIES, Check
from convgate.judging.checks.relational import judge_relations
from convgate.judging.relations import Data, Function, Relation, Relations, turn
from convgate.oracle_list import identities
from convgate.problems.axis import padding_as_pixels
from convgate.problems.operators import OPERATORS, Call
from convgate.problems.problem import Problem, replace_axis

__all__ = ["IDENTITY", "identity", "one_identity"]

SIDES = ("height", "width")


def identity(case: Case) -> Iterator[Relation]:
    """The metamorphic relations that hold for a problem."""
    problem, operator = case.problem, case.operator
    forward = operator.forward(problem)
    data = next(iter(operator.shapes(problem)))
    if not operator.chooses:
        yield Relation(
            name=f"linearity in {data}",
            helper=identities.linearity,
            given=(Function(forward, (data,), "y"), Data(data)),
            named={"bias": Data("bias")} if problem.bias else {},
        )
    if operator.backward is not None:
        yield from of_images(case, forward)
    if operator.convolves:
        yield from of_convolution(case, forward)
    if operator.half_padding:
        yield from of_pools(problem, forward)
    summed = problem.count_include_pad and problem.divisor_override is None and not problem.ceil_mode
    if data == "x" and summed and not operator.chooses:
        yield from padding_by_hand(case)


def one_identity(case: Case) -> Iterator[Relation]:
    """One of the metamorphic relations, selected by the case's seed and sizes."""
    listed = list(identity(case))
    if listed:
        yield listed[turn(case) % len(listed)]


def of_images(case: Case, forward: Call) -> Iterator[Relation]:
    """A batch gives the results of its images, and a shifted image gives shifted outputs."""
    problem = case.problem
    if problem.batch > 1:
        alone = (replace(problem, batch=1),)
        image = case.seed % problem.batch
        yield Relation(
            name="a batch gives what its images give",
            helper=identities.image_of_batch,
            given=(Function(forward, ("x",), "y"), image, Data("x")),
            also=alone,
        )
        if case.operator.backward is not None:
            backward = Function(case.operator.backward(problem), ("grad_output", "x"), "grad_input")
            yield Relation(
                name="grad_input of a batch is that of its images",
                helper=identities.image_of_batch,
                given=(backward, image, Data("grad_output"), Data("x")),
                also=alone,
            )
    for side, axis in enumerate(problem.axes):
        if axis.padded_size == axis.size and problem.output_size[side] > 1 and problem.batch:
            shorter = replace(axis, size=axis.size - axis.stride)
            yield Relation(
                name=f"shifting x by one stride along {SIDES[side]} shifts y by one place",
                helper=identities.shift,
                given=(Function(forward, ("x",), "y"), Data("x"), side + 2, axis.stride),
                also=(replace_axis(problem, side, shorter),),
            )


def of_convolution(case: Case, forward: Call) -> Iterator[Relation]:
    """A 1x1 kernel is a matrix product; groups are separate convolutions."""
    problem = case.problem
    bias = Data("bias") if problem.bias else None
    if problem.taps == 1 and not any(problem.padding):
        yield Relation(
            name="a 1x1 convolution is a matrix product",
            helper=identities.pointwise,
            given=(Function(forward), Data("x"), Data("weight"), bias),
            named={"stride": problem.stride, "groups": problem.groups},
        )
    if problem.groups > 1:
        channels, out_channels = (n // problem.groups for n in (problem.channels, problem.out_channels))
        alone = replace(problem, groups=1, channels=channels, out_channels=out_channels)
        names = ("x", "weight", "bias") if problem.bias else ("x", "weight")
        yield Relation(
            name="groups are a split",
            helper=identities.group_of_convolution,
            given=(
                Function(forward),
                Function(case.operator.forward(alone), names, "y"),
                problem.groups,
                case.seed % problem.groups,
                *map(Data, names),
            ),
            also=(alone,),
        )


def of_pools(problem: Problem, forward: Call) -> Iterator[Relation]:
    """Relations for pools of constants, and of data with a constant added."""
    function = Function(forward, ("x",), "y")
    if OPERATORS[problem.operator].chooses:
        yield Relation(
            name="max of x + 8 is max of x, plus 8",
            helper=identities.max_translation,
            given=(function, Data("x"), 8),
        )
        constant = not any(problem.padding) or max(problem.dilation) == 1
    else:
        real = not any(problem.padding) or not problem.count_include_pad
        constant = real and problem.divisor_override is None
    if constant and problem.batch:
        yield Relation(
            name="a pool of a constant is the constant",
            helper=identities.constant_pool,
            given=(function, Data("x"), -5),
        )


def padding_by_hand(case: Case) -> Iterator[Relation]:
    """Padding equals zeros added around the image."""
    problem, forward = case.problem, case.operator.forward
    if any(problem.padding):
        bare = replace(problem, axes=tuple(map(padding_as_pixels, problem.axes)))
        yield Relation(
            name="padding is zeros around x",
            helper=identities.padding_is_zeros,
            given=(
                Function(forward(problem), ("x",), "y"),
                Function(forward(bare), ("x",), "y"),
                Data("x"),
                problem.padding,
            ),
            also=(bare,),
        )


RELATIONS = Relations(identity, identity, one_identity)
IDENTITY = Check(
    name="identity",
    judge=partial(judge_relations, "identity", RELATIONS),
    oracle=IDENTITIES,
    asks="linearity, shifts, batches, groups",
    short="id",
    relations=RELATIONS,
)
