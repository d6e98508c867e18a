"""Counts at the edges of blocks: all of them in every run, and each case small."""

from collections.abc import Callable
from math import prod
from types import SimpleNamespace
from typing import Any

import pytest
from numpy.typing import NDArray

import impl
from convgate.cases.case import array_shapes, case_rule
from convgate.judging.checks import judge
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.results.verdicts import primary_failure
from convgate.sources.blocks import PAST, SIZES, block_cases

Array = NDArray[Any]
COUNTS: dict[str, tuple[Callable[[Problem], int], tuple[int, ...]]] = {
    "channels per group": (lambda p: p.channels // p.groups, SIZES),
    "output width": (lambda p: p.output_size[1], SIZES),
    "input width": (lambda p: p.size[1], SIZES),
    "output height": (lambda p: p.output_size[0], PAST),
    "batch": (lambda p: p.batch, PAST),
    "kernel width": (lambda p: p.kernel_size[1], PAST),
}
OF_A_CONVOLUTION: dict[str, tuple[Callable[[Problem], int], tuple[int, ...]]] = {
    "outputs per group": (lambda p: p.out_channels // p.groups, SIZES),
    "groups": (lambda p: p.groups, SIZES),
    "channels of one of two groups": (lambda p: p.channels // 2 if p.groups == 2 else 0, PAST),
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_count_takes_every_size(operator: str) -> None:
    problems = [case.problem for case in block_cases(operator)]
    counts = COUNTS | (OF_A_CONVOLUTION if operator == "conv2d" else {})
    for name, (count, sizes) in counts.items():
        assert set(sizes) <= {count(problem) for problem in problems}, name


@pytest.mark.parametrize("operator", OPERATORS)
def test_cases_are_few_small_and_valid(operator: str) -> None:
    cases = block_cases(operator)
    assert len(cases) < 100
    for case in cases:
        assert case_rule(case) is None
        assert case.operator.broken_rule(case.problem) is None
        assert case.operator.work(case.problem) <= 5_000
        assert max(prod(shape) for shape in array_shapes(case.problem).values()) <= 2_500


@pytest.mark.parametrize("operator", OPERATORS)
def test_strides_dtypes_and_starts_in_memory_vary(operator: str) -> None:
    cases = block_cases(operator)
    assert {case.dtype for case in cases} == {"f32", "f64"}
    assert {case.layout for case in cases} == {"contiguous", "offset"}
    assert {max(case.problem.stride) for case in cases} == {1, 2, 3}


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("block", [8, 16, 32, 64])
def test_what_is_left_over_of_a_block_meets_both_strides(operator: str, block: int) -> None:
    """One, and for the counts that take every size none as well."""
    problems = [case.problem for case in block_cases(operator)]
    counts = COUNTS | (OF_A_CONVOLUTION if operator == "conv2d" else {})
    for name, (count, sizes) in counts.items():
        for left_over in (1,) if sizes == PAST else (0, 1):
            concerned = [p for p in problems if count(p) >= block and count(p) % block == left_over]
            assert {max(p.stride) for p in concerned} >= {1, 2}, (name, left_over)


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_size_of_a_row_comes_with_pixels_that_no_window_sees(operator: str) -> None:
    problems = [case.problem for case in block_cases(operator)]
    with_rest = [p for p in problems if (p.size[1] + 2 * p.padding[1] - p.kernel_size[1]) % p.stride[1]]
    assert {p.output_size[1] for p in with_rest} >= set(PAST)
    assert {p.stride[1] for p in with_rest} == {2, 3}


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_a_tail_left_out_of_any_block_is_found(size: int) -> None:
    """Channels past whole blocks are forgotten, as by a loop that has no remainder."""

    def conv2d(x: Array, weight: Array, *arguments: Any, groups: int, **options: Any) -> Array:
        whole = weight.shape[1] // size * size
        if whole:
            weight = weight.copy()
            weight[:, whole:] = 0
        return impl.conv2d(x, weight, *arguments, groups=groups, **options)

    judged = SimpleNamespace(conv2d=conv2d)
    failing = [case for case in block_cases("conv2d") if primary_failure(judge(case, judged, ["forward"]))]
    found = {case.problem.channels // case.problem.groups for case in failing}
    assert found >= {each for each in SIZES if each > size and each % size}
    assert min(found) > size
