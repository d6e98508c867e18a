"""Hypothesis strategies of problems and cases, biased to the boundaries where implementations go wrong.

Sizes are drawn backwards: first kernel, stride, padding and dilation, then how many places the kernel has and how many
pixels remain, and from these the size. So every remainder is as likely as none, and small outputs are common.
"""

from dataclasses import replace
from functools import lru_cache
from math import prod
from typing import TypeVar

from hypothesis import assume
from hypothesis import strategies as st

from convgate.cases.case import Case, array_shapes, wide_enough
from convgate.cases.dtypes import DTYPES
from convgate.cases.fills import fills_of
from convgate.cases.layouts import LAYOUTS
from convgate.cases.rules import invalid_problems_near, invalid_problems_on_both_axes, rules_of
from convgate.problems.axis import Axis, with_options
from convgate.problems.block_sizes import BLOCKS, FEW, LEAST_BLOCK
from convgate.problems.operators import OPERATORS
from convgate.problems.operators.classes import AXIS_NAMES
from convgate.problems.problem import Problem, replace_axis

__all__ = ["cases", "invalid_cases", "invalid_problems", "problems"]

# Terms of a forward pass. On whole arrays the truth of so many takes less than a millisecond, little more than what any
# case costs; it leaves room for a block of channels in and out under a kernel of 3 x 3, in some places.
MOST_WORK = 20_000

Value = TypeVar("Value")

# Whole blocks, and one more than the width of a vector or a block.
WHOLE = [block for block in BLOCKS if block >= LEAST_BLOCK]
PAST = [block + 1 for block in WHOLE if block >= FEW]
# Few, and now and then large ones or whole blocks.
KERNELS = st.sampled_from([1, 2, 3, 3, 4, 5] * 4 + [6, 7, 8, 11])
DILATIONS = st.sampled_from([1, 1, 2, 3] * 4 + [4, 6])
PLACES = st.sampled_from([1, 2, 3, 4, 5] * 8 + PAST + WHOLE[1:3])
CHANNELS = st.sampled_from([1, 2, 3] * 10 + PAST + WHOLE[:4])
GROUPS = st.sampled_from([2, 3, 4] * 4 + [8, 9])


@lru_cache(maxsize=None, typed=True)  # typed, as True is equal to 1
def choice(*values: Value) -> st.SearchStrategy[Value]:
    """One of some values; made once, as Hypothesis takes longer to make a strategy than to draw from it."""
    return st.sampled_from(values)


@st.composite
def axes(draw: st.DrawFn, *, operator: str, ceil_mode: bool) -> Axis:
    """One axis whose options fit together."""
    found = OPERATORS[operator]
    pool, dilated = found.half_padding, "dilation" in found.options
    kernel = draw(KERNELS)
    stride = draw(st.integers(1, kernel + 2))
    if pool and dilated and draw(choice(*[False] * 23, True)):
        # the one window of a pool that can lie wholly in padding: its two taps on either side of the input
        apart = draw(st.integers(2, 3))
        return with_options(Axis(), size=apart - 1, kernel_size=2, stride=stride, padding=1, dilation=apart)
    dilation = draw(DILATIONS) if dilated else 1
    most_padding = kernel // 2 if pool else kernel + 1
    padding = draw(choice(*[0] * (most_padding + 1), *range(most_padding + 1)))
    remainder = draw(st.integers(0, stride - 1))
    places = draw(PLACES)
    # with ceil_mode a kernel may reach beyond the padded input at its only place
    places -= 1 if ceil_mode and remainder and places == 1 and draw(st.booleans()) else 0
    axis = with_options(Axis(), kernel_size=kernel, stride=stride, padding=padding, dilation=dilation)
    size = axis.size_for(places) + remainder
    while size < 1:
        size += stride
    return replace(axis, size=size)


@st.composite
def problems(draw: st.DrawFn, operator: str) -> Problem:
    """Valid problems of one operator, small enough to cost little.

    Parameters
    ----------
    operator : str
        Name of the operator.
    """
    options = OPERATORS[operator].options
    ceil_mode = "ceil_mode" in options and draw(st.booleans())
    sides = [draw(axes(operator=operator, ceil_mode=ceil_mode)) for _ in AXIS_NAMES]
    if draw(choice(False, False, False, True)):
        sides = sides[:1] * len(sides)
    problem = Problem(
        operator=operator,
        batch=draw(choice(*[1, 2, 3] * 4, 0)),
        axes=tuple(sides),
        ceil_mode=ceil_mode,
        channels=draw(CHANNELS),
    )
    if "groups" in options:
        problem = draw(convolutions(problem))
    if "divisor_override" in options:
        problem = replace(
            problem,
            count_include_pad=draw(st.booleans()),
            divisor_override=draw(choice(*[None] * 6, 1, 2, 3, 5, 7, -2)),
        )
    problem = within_work(problem)
    assume(OPERATORS[operator].broken_rule(problem) is None)
    return problem


@st.composite
def convolutions(draw: st.DrawFn, problem: Problem) -> Problem:
    """Add groups, channels and a bias: one group, some, or depthwise."""
    kind = draw(choice("one", "some", "depthwise", "one"))
    groups = 1 if kind == "one" else draw(GROUPS)
    per_group = 1 if kind == "depthwise" else draw(CHANNELS)
    multiplier = draw(CHANNELS)
    return replace(
        problem,
        channels=groups * per_group,
        out_channels=groups * multiplier,
        groups=groups,
        bias=draw(st.booleans()),
    )


def within_work(problem: Problem) -> Problem:
    """Take images, then channels, then pixels away until there are at most `MOST_WORK` terms and entries of x."""
    if work(problem) > MOST_WORK:
        problem = replace(problem, batch=min(problem.batch, 1))
    while work(problem) > MOST_WORK:
        smaller = fewer_channels(problem)
        problem = fewer_pixels(problem) if smaller == problem else smaller
    return problem


def work(problem: Problem) -> int:
    """Terms of a forward pass, and entries of the input."""
    return OPERATORS[problem.operator].work(problem) + problem.batch * problem.channels * prod(problem.size)


def fewer_channels(problem: Problem) -> Problem:
    """Halve the largest of input channels a group, output channels a group, and groups; the same if all are 1."""
    per_group, multiplier = problem.channels // problem.groups, problem.out_channels // problem.groups
    groups = problem.groups
    most = max(per_group, multiplier, groups)
    if most == per_group:
        per_group = -(-per_group // 2)
    elif most == multiplier:
        multiplier = -(-multiplier // 2)
    else:
        groups = -(-groups // 2)
    if not OPERATORS[problem.operator].convolves:
        return replace(problem, channels=per_group)
    return replace(problem, channels=groups * per_group, out_channels=groups * multiplier, groups=groups)


def fewer_pixels(problem: Problem) -> Problem:
    """Take four strides from the longest axis of the output."""
    longest = problem.output_size.index(max(problem.output_size))
    axis = problem.axes[longest]
    return replace_axis(problem, longest, replace(axis, size=axis.size - 4 * axis.stride))


@st.composite
def invalid_problems(draw: st.DrawFn, operator: str) -> Problem:
    """Problems that break one rule, which every implementation must reject."""
    problem = replace(draw(problems(operator)), batch=draw(st.integers(1, 3)))
    sides = len(problem.axes)
    number = draw(st.integers(0, sides))
    near = invalid_problems_near(problem, number) if number < sides else invalid_problems_on_both_axes(problem)
    found = draw(st.sampled_from(list(near)))
    assume(OPERATORS[operator].broken_rule(found) is not None)
    return found


@st.composite
def invalid_cases(draw: st.DrawFn, operator: str) -> Case:
    """Cases that break one rule: of their options, or with one of their arrays."""
    if draw(st.booleans()):
        return Case(problem=draw(invalid_problems(operator)))
    problem = replace(draw(problems(operator)), batch=draw(st.integers(1, 3)))
    rules = rules_of(problem, array_shapes(problem))
    return Case(problem=problem, dtype=draw(choice(*sorted(DTYPES))), broken=draw(choice(*rules)))


@st.composite
def cases(draw: st.DrawFn, operator: str) -> Case:
    """Cases of one operator: mostly lattice data in contiguous memory, and some of everything else."""
    if draw(choice(*[False] * 11, True)):
        return draw(invalid_cases(operator))
    fills = fills_of(operator)
    case = Case(
        problem=draw(problems(operator)),
        dtype=draw(choice(*sorted(DTYPES))),
        layout=draw(choice(*["contiguous"] * len(LAYOUTS), *LAYOUTS)),
        fill=draw(choice(*["lattice"] * len(fills), *fills)),
        seed=draw(st.integers(0, 2**16)),
    )
    shapes = array_shapes(case.problem)
    if case.layout != "contiguous" and len(shapes) > 1 and draw(st.booleans()):
        case = replace(case, laid_out=draw(choice(*sorted(shapes))))
    return wide_enough(case)
