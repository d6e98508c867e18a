"""Large options: they meet each other; and problems in which all is alike but one."""

from collections.abc import Callable
from functools import cache
from itertools import product
from math import prod

import pytest

from convgate.cases.case import array_shapes, case_rule
from convgate.cases.spec import format_spec, parse_spec
from convgate.problems.axis import AXIS_OPTIONS
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem, as_options
from convgate.sources import large_options
from convgate.sources.large_options import KERNELS, equal_but_one, large_option_cases, one_but_one, thin_images

cached = cache(large_option_cases)


@pytest.mark.parametrize("rounds", [0, 1])
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_case_is_valid_small_and_survives_its_spec(operator: str, rounds: int) -> None:
    cases = cached(operator, rounds)
    assert len(set(cases)) == len(cases) < (300, 500)[rounds]
    for case in cases:
        assert case.operator.broken_rule(case.problem) is None
        assert case_rule(case) is None
        assert case.operator.work(case.problem) <= large_options.MOST_WORK
        assert max(map(prod, array_shapes(case.problem).values())) <= large_options.MOST_ENTRIES
        assert parse_spec(format_spec(case)) == case


LARGE_KERNELS = ((6, 6), (7, 7), (11, 11), (13, 13), (1, 31), (21, 1))
LARGE_OTHERS: dict[str, Callable[[Problem], bool]] = {
    "stride of 4": lambda p: p.stride == (4, 4),
    "stride of 7": lambda p: p.stride == (7, 7),
    "more than two places": lambda p: max(p.output_size) > 2,
    "one channel a group": lambda p: p.channels == p.groups,
    "some channels": lambda p: p.channels > 1,
}
LARGE_DILATIONS: dict[str, Callable[[Problem], bool]] = {
    "dilation of 4": lambda p: p.dilation == (4, 4),
    "dilation of 8": lambda p: p.dilation == (8, 8),
    "dilation on one axis": lambda p: p.dilation[0] == 1 < p.dilation[1],
}


def beyond(problem: Problem) -> bool:
    """Whether padding reaches further than the kernel on both axes."""
    return all(axis.padding > axis.span for axis in problem.axes)


def others_of(operator: str) -> dict[str, Callable[[Problem], bool]]:
    found = LARGE_OTHERS | (LARGE_DILATIONS if "dilation" in OPERATORS[operator].options else {})
    return found if operator.endswith("pool2d") else found | {"padding beyond": beyond}


@pytest.mark.parametrize("rounds", [0, 1])
@pytest.mark.parametrize("operator", OPERATORS)
def test_large_kernels_meet_all_else_that_is_large(operator: str, rounds: int) -> None:
    problems = [case.problem for case in cached(operator, rounds)]
    for kernel in LARGE_KERNELS:
        mine = [problem for problem in problems if problem.kernel_size == kernel]
        lacking = {name for name, has in others_of(operator).items() if not any(map(has, mine))}
        assert lacking == set(), kernel


@pytest.mark.parametrize("rounds", [0, 1])
@pytest.mark.parametrize("operator", ["conv2d", "max_pool2d", "im2col", "col2im"])
def test_large_strides_meet_large_dilations(operator: str, rounds: int) -> None:
    problems = [case.problem for case in cached(operator, rounds)]
    for stride, dilation in product((4, 7), (4, 8)):
        assert any(p.stride == (stride,) * 2 and p.dilation == (dilation,) * 2 for p in problems), (stride, dilation)


@pytest.mark.parametrize("operator", ["conv2d", "im2col", "col2im"])
def test_one_pixel_comes_with_padding(operator: str) -> None:
    padded = [case.problem for case in cached(operator, 0) if case.problem.size == (1, 1)]
    assert any(min(problem.padding) > 0 and problem.taps > 1 for problem in padded)
    assert any(min(problem.padding) >= max(problem.kernel_size) for problem in padded)


@pytest.mark.parametrize("side", [6, 7, 11, 13])
def test_large_kernels_come_in_groups_and_depthwise(side: int) -> None:
    groups = [case.problem for case in cached("conv2d", 1) if case.problem.kernel_size == (side, side)]
    assert any(1 < problem.groups < problem.channels for problem in groups)
    assert any(1 < problem.groups == problem.channels for problem in groups)


@pytest.mark.parametrize("kernel", [(1, 31), (21, 1)])
def test_long_kernels_come_in_groups(kernel: tuple[int, int]) -> None:
    assert any(case.problem.groups > 1 for case in cached("conv2d", 0) if case.problem.kernel_size == kernel)


def test_every_kernel_comes() -> None:
    assert {case.problem.kernel_size for case in cached("conv2d", 1)} >= set(KERNELS)


@pytest.mark.parametrize("operator", OPERATORS)
def test_where_all_is_1_but_one_option_one_option_differs(operator: str) -> None:
    """Or two that belong together: a kernel and the size or padding that it needs, groups and channels."""
    plain = as_options(Problem(operator=operator))
    together = [{"size", "kernel_size"}, {"kernel_size", "padding"}, {"channels", "out_channels", "groups"}]
    seen: set[str] = set()
    for problem in one_but_one(operator):
        differing = {name for name, value in as_options(problem).items() if value != plain[name]}
        assert len(differing) == 1 or differing in together, problem
        seen |= differing
    numbers = {"batch", "channels", *AXIS_OPTIONS} & OPERATORS[operator].options
    assert seen >= numbers


@pytest.mark.parametrize("operator", OPERATORS)
def test_where_all_is_equal_but_one_pair_each_pair_is_unequal_once(operator: str) -> None:
    unequal = [
        tuple(name for name in AXIS_OPTIONS if getattr(problem, name)[0] != getattr(problem, name)[1])
        for problem in equal_but_one(operator)
    ]
    assert max(map(len, unequal)) == 1
    assert {names[0] for names in unequal if names} == set(AXIS_OPTIONS) & OPERATORS[operator].options
    assert () in unequal


def test_unequal_strides_come_either_way_with_all_else_square() -> None:
    strides = {p.stride for p in equal_but_one("conv2d") if p.kernel_size == (3, 3) and p.stride[0] != p.stride[1]}
    assert {(2, 1), (1, 2), (3, 2), (2, 3)} <= strides


@pytest.mark.parametrize("operator", OPERATORS)
def test_3x3_kernels_with_a_border_meet_one_row_one_column_and_one_pixel(operator: str) -> None:
    found = [p for p in thin_images(operator) if (p.kernel_size, p.padding, p.stride) == ((3, 3), (1, 1), (1, 1))]
    assert {problem.size for problem in found} == {(1, 7), (7, 1), (1, 1)}
    assert {case.problem for case in cached(operator, 0)} >= set(found)
    if operator == "avg_pool2d":
        assert {problem.count_include_pad for problem in found if problem.size == (1, 1)} == {True, False}
