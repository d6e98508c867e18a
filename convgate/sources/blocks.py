"""Cases in which one count stands at the edge of a block: implementations take 8, 16, 32 or 64 of something at a time.

What is left over of a block, or taken twice, is a matter of one count and of next to nothing else, so the other options
stay small, and these cases cost little. They are the same for every seed.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from convgate.cases.case import Case, wide_enough
from convgate.problems.axis import make_axes, with_options
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem, replace_axis, with_axes

__all__ = ["SIZES", "block_cases"]

# Strides 1 and 2 take turns along these, so that what is left over of a block meets both: 9 and 17 are one past blocks
# of 8, 33 and 65 of 32. Of 64 there is no larger multiple here to do so; 64 and 65 come twice.
SIZES = (7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 65, 64)
# Where a count is not one that is often taken in blocks, the sizes just past one will do.
PAST = (9, 17, 33, 65, 65)

Make = Callable[[Problem, int, int], Problem]


def channels(problem: Problem, count: int, stride: int) -> Problem:
    """So many channels a group."""
    return with_axes(replace(problem, channels=problem.groups * count), stride=stride)


def outputs(problem: Problem, count: int, stride: int) -> Problem:
    """So many channels of the output a group."""
    return with_axes(replace(problem, out_channels=problem.groups * count), stride=stride)


def grouped(problem: Problem, count: int, stride: int) -> Problem:
    """Two groups of so many channels, with one output each."""
    return with_axes(replace(problem, groups=2, channels=2 * count, out_channels=2), stride=stride)


def depthwise(problem: Problem, count: int, stride: int) -> Problem:
    """So many groups of one channel each."""
    return with_axes(replace(problem, groups=count, channels=count, out_channels=count), stride=stride)


def images(problem: Problem, count: int, stride: int) -> Problem:
    """So many images, of one channel."""
    return with_axes(replace(problem, batch=count, channels=1, out_channels=1), stride=stride)


def output_width(problem: Problem, count: int, stride: int) -> Problem:
    """So many places in a row."""
    return with_places(problem, -1, count, stride)


def output_width_with_rest(problem: Problem, count: int, stride: int) -> Problem:
    """So many places in a row, and as many pixels after them as a longer stride leaves unseen at most."""
    return with_places(problem, -1, count, stride + 1, rest=stride)


def output_height(problem: Problem, count: int, stride: int) -> Problem:
    """So many places in a column."""
    return with_places(problem, -2, count, stride)


def with_places(problem: Problem, number: int, count: int, stride: int, rest: int = 0) -> Problem:
    """So many places along one axis, and so many pixels after them."""
    axis = replace(problem.axes[number], stride=stride)
    return replace_axis(problem, number, replace(axis, size=axis.size_for(count) + rest))


def input_width(problem: Problem, count: int, stride: int) -> Problem:
    """So many pixels in a row, with padding: the first window starts off the block."""
    return replace_axis(problem, -1, with_options(problem.axes[-1], size=count, stride=stride, padding=1))


def kernel_width(problem: Problem, count: int, stride: int) -> Problem:
    """So many taps in a row."""
    higher = with_places(problem, -2, 2, 1)
    return replace_axis(higher, -1, replace(problem.axes[-1], size=count + stride, kernel_size=count, stride=stride))


COUNTS: tuple[tuple[Make, tuple[int, ...]], ...] = (
    (channels, SIZES),
    (output_width, SIZES),
    (input_width, SIZES),
    (output_width_with_rest, PAST),
    (output_height, PAST),
    (images, PAST),
    (kernel_width, PAST),
)
OF_A_CONVOLUTION: tuple[tuple[Make, tuple[int, ...]], ...] = (
    (outputs, SIZES),
    (depthwise, SIZES),
    (grouped, PAST),
)


def block_cases(operator: str) -> list[Case]:
    """The cases of an operator."""
    return list(list_cases(operator))


def list_cases(operator: str) -> Iterator[Case]:
    """The same one by one: stride, dtype and where the arrays start in memory change from one to the next."""
    convolution = OPERATORS[operator].convolves
    small = Problem(operator=operator, channels=2, axes=make_axes(size=(3, 4), kernel_size=(2, 3)))
    if convolution:
        small = replace(small, out_channels=2, bias=True)
    number = 0
    for make, sizes in COUNTS + (OF_A_CONVOLUTION if convolution else ()):
        for count in sizes:
            number += 1
            problem = make(small, count, 1 + number % 2)
            if OPERATORS[operator].broken_rule(problem) is None:
                layout = ("contiguous", "contiguous", "offset")[number % 3]
                dtype = ("f32", "f32", "f64")[number // 2 % 3]
                case = Case(problem=problem, dtype=dtype, layout=layout, seed=number)
                yield wide_enough(case)
