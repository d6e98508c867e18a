"""Whole blocks and tails, jointly: counts meet each other, every option and every layout."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations, product
from types import SimpleNamespace
from typing import Any

import pytest
from numpy.typing import NDArray

import impl
from convgate.cases.case import Case, case_rule
from convgate.cases.spec import format_spec, parse_spec
from convgate.judging.checks import judge
from convgate.problems.block_sizes import BLOCKS, is_past_block, is_whole
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.results.verdicts import primary_failure
from convgate.shapes.features import data_choices
from convgate.sources import whole_blocks
from convgate.sources.whole_blocks import CHANNELS, FEW_CHANNELS, FEW_WIDTHS, WIDTHS, whole_block_cases

Array = NDArray[Any]
cached = cache(whole_block_cases)
ROUNDS = (0, 1)


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_case_is_valid_small_and_survives_its_spec(operator: str, rounds: int) -> None:
    cases = cached(operator, rounds)
    assert len(set(cases)) == len(cases) < (120, 330)[rounds]
    for case in cases:
        assert case.operator.broken_rule(case.problem) is None
        assert case_rule(case) is None
        assert case.operator.work(case.problem) <= whole_blocks.MOST_WORK
        assert parse_spec(format_spec(case)) == case


@pytest.mark.parametrize("operator", OPERATORS)
def test_widths_of_the_output_are_those_that_were_asked_for(operator: str) -> None:
    """With ceil_mode and pixels that are left over too."""
    assert {case.problem.output_size[1] for case in cached(operator, 0)} == set(FEW_WIDTHS)
    assert {case.problem.output_size[1] for case in cached(operator, 1)} == set(WIDTHS)


@pytest.mark.parametrize("operator", OPERATORS)
def test_whole_blocks_of_channels_meet_every_layout(operator: str) -> None:
    whole = {case.layout for case in cached(operator, 1) if is_whole(case.problem.channels)}
    past = {case.layout for case in cached(operator, 1) if is_past_block(case.problem.channels)}
    assert whole == past == set(data_choices(operator)["layout"])


def per_group(problem: Problem) -> tuple[int, int]:
    return problem.channels // problem.groups, problem.out_channels // problem.groups


def test_channels_in_and_out_of_a_group_are_blocks_together() -> None:
    few, most = ({per_group(case.problem) for case in cached("conv2d", rounds)} for rounds in ROUNDS)
    assert few >= set(FEW_CHANNELS)
    assert most >= set(CHANNELS)
    assert most >= {(4, 4), (8, 8), (16, 16), (16, 17), (24, 24), (32, 64)}


OPTIONS: dict[str, Callable[[Problem], bool]] = {
    "padding": lambda p: max(p.padding) > 0,
    "dilation": lambda p: max(p.dilation) > 1,
    "stride": lambda p: max(p.stride) > 1,
    "groups": lambda p: 1 < p.groups < p.channels,
    "bias": lambda p: p.bias,
    "a width that is whole": lambda p: is_whole(p.output_size[1]),
    "a width with a tail": lambda p: is_past_block(p.output_size[1]),
    "images that are whole": lambda p: is_whole(p.batch),
    "1x1": lambda p: p.taps == 1,
    "rows alone": lambda p: p.size[0] == 1,
}


@pytest.mark.parametrize("block", [block for block in BLOCKS if is_whole(block) and block < max(BLOCKS)])
@pytest.mark.parametrize("option", OPTIONS)
def test_channels_that_are_both_whole_meet_every_option(option: str, block: int) -> None:
    """In the profile of pull requests each block size does so, but for the largest, which has no room for some."""
    problems = [case.problem for case in cached("conv2d", 1)]
    whole = [p for p in problems if all(count % block == 0 for count in per_group(p))]
    met = [OPTIONS[option](problem) for problem in whole]
    assert any(met)
    assert not all(met)


def test_in_the_quick_profile_channels_that_are_both_whole_meet_every_option() -> None:
    whole = [case.problem for case in cached("conv2d", 0) if all(map(is_whole, per_group(case.problem)))]
    assert {option for option, has in OPTIONS.items() if any(map(has, whole))} >= OPTIONS.keys() - {
        "a width with a tail"
    }
    assert any(problem.output_size[1] == 17 for problem in whole)


@pytest.mark.parametrize("operator", ["avg_pool2d", "max_pool2d"])
def test_whole_channels_of_pools_meet_ceil_mode_with_an_overhang_and_without(operator: str) -> None:
    whole = [case.problem for case in cached(operator, 0) if is_whole(case.problem.channels)]
    assert {problem.ceil_mode for problem in whole} == {False, True}


def test_depthwise_layers_have_whole_blocks_of_groups() -> None:
    groups = {p.groups for p in (case.problem for case in cached("conv2d", 1)) if p.groups == p.channels}
    assert groups >= {block for block in BLOCKS if is_whole(block)}


def test_rounds_are_other_company() -> None:
    once, twice = cached("im2col", 1), whole_block_cases("im2col", 2)
    assert twice[: len(once)] == once
    further = {case.problem for case in twice[len(once) :]}
    assert len(further & {case.problem for case in once}) < len(further) / 4


def test_the_same_cases_come_every_time() -> None:
    assert whole_block_cases("conv2d", 0) == cached("conv2d", 0)


def faulty(condition: Callable[[Array, Array], bool]) -> SimpleNamespace:
    """A convolution whose last column is zero under some condition."""

    def conv2d(x: Array, weight: Array, *arguments: Any, **options: Any) -> Array:
        y = impl.conv2d(x, weight, *arguments, **options)
        if condition(x, weight):
            y[..., -1] = 0
        return y

    return SimpleNamespace(conv2d=conv2d)


def failing(subject: SimpleNamespace, cases: list[Case]) -> Iterator[Case]:
    return (case for case in cases if primary_failure(judge(case, subject, ["forward"])))


@pytest.mark.parametrize("block", [4, 8, 16, 32])
def test_a_fast_path_for_whole_blocks_is_looked_at_in_the_quick_profile(block: int) -> None:
    subject = faulty(lambda x, weight: x.shape[1] % block == 0 == weight.shape[0] % block)
    small = [case for case in cached("conv2d", 0) if case.operator.work(case.problem) < 50_000]
    assert next(failing(subject, small), None) is not None


@pytest.mark.parametrize(("block", "images"), list(product([4, 8], [4, 8])))
def test_so_is_one_for_channels_and_images_that_are_whole(block: int, images: int) -> None:
    subject = faulty(lambda x, weight: x.shape[1] % block == 0 == len(weight) % block and len(x) % images == 0 < len(x))
    small = [case for case in cached("conv2d", 0) if case.operator.work(case.problem) < 50_000]
    assert next(failing(subject, small), None) is not None


def test_pairs_of_all_factors_are_there() -> None:
    """Of what was chosen, not of what came of it; a pair may be missing only where it would be too large."""
    factors = whole_blocks.factors_of("max_pool2d", few=True)
    cases = cached("max_pool2d", 0)
    for one, other in combinations(("layout", "dtype", "fill"), 2):
        met = {(getattr(case, one), getattr(case, other)) for case in cases}
        assert met == set(product(factors[one], factors[other]))
