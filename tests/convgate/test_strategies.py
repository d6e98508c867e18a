"""Strategies: what they promise, and that the boundaries where implementations go wrong do turn up."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convgate.cases.case import Case, array_shapes, case_rule, values_of
from convgate.cases.dtypes import DTYPES
from convgate.cases.layouts import LAYOUTS
from convgate.problems.axis import Axis, overhang
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem, as_options
from convgate.sources.strategies import MOST_WORK, cases, invalid_problems, problems, work
from oracles import definition


def drawn(strategy: st.SearchStrategy[Any]) -> Iterator[Any]:
    """Draws without end, the same each time: Hypothesis is given the bytes that it chooses by."""
    found: list[Any] = []

    @settings(database=None)
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    stream = np.random.PCG64(1)
    while True:
        collect.hypothesis.fuzz_one_input(stream.random_raw(64).astype("<u8").tobytes())  # type: ignore[attr-defined]
        yield from found
        found.clear()


@pytest.fixture(scope="module")
def draws() -> dict[str, list[Case]]:
    """Cases by operator."""
    return {operator: list(islice(drawn(cases(operator)), 300)) for operator in OPERATORS}


light = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
operators = st.sampled_from(sorted(OPERATORS))


@light
@given(operators.flatmap(problems))
def test_a_drawn_problem_is_valid(problem: Problem) -> None:
    assert OPERATORS[problem.operator].broken_rule(problem) is None


@light
@given(operators.flatmap(invalid_problems))
def test_a_drawn_invalid_problem_is_invalid(problem: Problem) -> None:
    assert OPERATORS[problem.operator].broken_rule(problem) is not None


@settings(light, max_examples=40)
@given(operators.flatmap(invalid_problems))
def test_the_definition_rejects_a_drawn_invalid_problem(problem: Problem) -> None:
    """So a check that asks subjects to reject it asks for nothing that the statement of record allows."""
    call = OPERATORS[problem.operator].forward(problem)
    arguments: list[Any] = [values_of(Case(problem=problem)).get(str(each), each) for each in call.arguments]
    function = getattr(definition, call.function)
    with pytest.raises(ValueError, match=r"."):
        function(*arguments, **call.options)


@light
@given(operators.flatmap(problems))
def test_a_drawn_problem_is_small(problem: Problem) -> None:
    assert work(problem) <= MOST_WORK
    assert OPERATORS[problem.operator].work(problem) <= MOST_WORK


@light
@given(operators.flatmap(problems))
def test_a_drawn_problem_has_no_options_that_its_operator_has_not(problem: Problem) -> None:
    options, defaults = as_options(problem), as_options(Problem(operator=problem.operator))
    others = set(defaults) - OPERATORS[problem.operator].options
    assert {name for name in others if options[name] != defaults[name]} == set()


@light
@given(operators.flatmap(cases))
def test_a_drawn_case_keeps_the_rules(case: Case) -> None:
    assert case_rule(case) is None
    assert set(values_of(case)) == set(array_shapes(case.problem))


def valid(problem: Problem) -> bool:
    """Whether it breaks no rule of its operator."""
    return OPERATORS[problem.operator].broken_rule(problem) is None


def room(axis: Axis) -> int:
    """Pixels between the first and the last possible start of a window."""
    return axis.padded_size - axis.span


OF_AN_AXIS: dict[str, Callable[[Axis], bool]] = {
    "kernel of 1": lambda a: a.kernel_size == 1,
    "even kernel": lambda a: a.kernel_size % 2 == 0,
    "odd kernel": lambda a: a.kernel_size > 1 and a.kernel_size % 2 == 1,
    "stride 1": lambda a: a.stride == 1,
    "stride below the kernel": lambda a: 1 < a.stride < a.kernel_size,
    "stride of the kernel": lambda a: a.stride == a.kernel_size > 1,
    "stride above the kernel": lambda a: a.stride > a.kernel_size,
    "large kernel": lambda a: a.kernel_size >= 6,
    "kernel of 1 with a stride": lambda a: a.kernel_size == 1 < a.stride,
    "no padding": lambda a: a.padding == 0,
    "padding below the kernel": lambda a: 0 < a.padding < a.kernel_size,
    "no remainder": lambda a: room(a) % a.stride == 0,
    "remainder": lambda a: room(a) % a.stride > 0,
    "output of 1": lambda a: room(a) // a.stride == 0,
    "output of 2": lambda a: room(a) // a.stride == 1,
    "output of a whole block": lambda a: room(a) // a.stride + 1 in {8, 16},
    "output of more": lambda a: room(a) // a.stride > 1,
    "output past a block": lambda a: room(a) // a.stride + 1 in {9, 17, 33, 65},
    "input below the kernel": lambda a: a.size < a.span,
    "input of the kernel": lambda a: a.size == a.span,
    "input above the kernel": lambda a: a.size > a.span,
}
OF_A_CONVOLUTIONS_AXIS: dict[str, Callable[[Axis], bool]] = {
    "padding of the kernel or more": lambda a: a.padding >= a.kernel_size,
    "padding with a kernel of 1": lambda a: a.padding > 0 and a.kernel_size == 1,
}
OF_A_DILATED_AXIS: dict[str, Callable[[Axis], bool]] = {
    "dilation": lambda a: a.dilation > 1 and a.kernel_size > 1,
    "dilation with a stride": lambda a: a.dilation > 1 and a.kernel_size > 1 and a.stride > 1,
    "a window wholly in padding": lambda a: any(
        not definition.taps(place, a.size, a.kernel_size, a.stride, a.padding, dilation=a.dilation)
        for place in range(room(a) // a.stride + 1)
    ),
}


def of_any_axis(condition: Callable[[Axis], bool]) -> Callable[[Problem], bool]:
    """Whether a condition holds on one of the axes."""
    return lambda problem: any(condition(axis) for axis in problem.axes)


def drops_a_window(problem: Problem) -> bool:
    """Whether ceil_mode drops a window that would start in the right padding or beyond."""
    return problem.ceil_mode and any(
        -(-room(axis) // axis.stride) + 1 > places
        for axis, places in zip(problem.axes, problem.output_size, strict=True)
    )


def past_a_block(channels: int) -> bool:
    """Whether it is one more than the width of a vector or a block."""
    return channels in {9, 17, 33, 65}


OF_A_PROBLEM: dict[str, Callable[[Problem], bool]] = {
    "no image": lambda p: p.batch == 0,
    "one image": lambda p: p.batch == 1,
    "more images": lambda p: p.batch > 1,
    **{
        f"{name} not equal": lambda p, name=name: getattr(p, name)[0] != getattr(p, name)[1]  # type: ignore[misc]
        for name in ("size", "kernel_size", "stride", "padding")
    },
    "square in all": lambda p: len(set(p.axes)) == 1,
}
OF_CHANNELS: dict[str, Callable[[Problem], bool]] = {
    "one channel": lambda p: p.channels == p.groups,
    "few channels": lambda p: 1 < p.channels // p.groups <= 3,
    "channels that are a whole block": lambda p: p.channels // p.groups in {4, 8, 16, 32},
    "channels past a block": lambda p: past_a_block(p.channels // p.groups),
}
OF_A_POOL: dict[str, Callable[[Problem], bool]] = {
    "ceil_mode with an overhang": lambda p: p.ceil_mode and any(overhang(axis) > 0 for axis in p.axes),
    "ceil_mode without an overhang": lambda p: p.ceil_mode and all(overhang(axis) == 0 for axis in p.axes),
    "ceil_mode with a padding": lambda p: p.ceil_mode and max(p.padding) > 0,
    "ceil_mode that drops a window": drops_a_window,
}
OF_A_CONVOLUTION: dict[str, Callable[[Problem], bool]] = {
    "groups": lambda p: 1 < p.groups < p.channels,
    "depthwise": lambda p: 1 < p.groups == p.channels,
    "depthwise with a multiplier": lambda p: 1 < p.groups == p.channels < p.out_channels,
    "depthwise with a stride": lambda p: 1 < p.groups == p.channels and max(p.stride) > 1,
    "depthwise with a dilation": lambda p: 1 < p.groups == p.channels and max(p.dilation) > 1,
    "groups past a block": lambda p: past_a_block(p.groups),
    "output channels past a block": lambda p: past_a_block(p.out_channels // p.groups),
    "bias": lambda p: p.bias,
    "no bias": lambda p: not p.bias,
    "1x1 with a stride": lambda p: p.taps == 1 and max(p.stride) > 1,
    "1x1 with a padding": lambda p: p.taps == 1 and max(p.padding) > 0,
}
OF_AN_AVERAGE: dict[str, Callable[[Problem], bool]] = {
    "padding not counted": lambda p: not p.count_include_pad and max(p.padding) > 0,
    "a divisor": lambda p: p.divisor_override is not None,
    "a divisor and padding not counted": lambda p: p.divisor_override is not None and not p.count_include_pad,
}


def classes(operator: str) -> dict[str, Callable[[Problem], bool]]:
    """Boundary classes that an operator has, by name."""
    found = OF_A_PROBLEM | OF_CHANNELS | {name: of_any_axis(condition) for name, condition in OF_AN_AXIS.items()}
    if not operator.endswith("pool2d"):
        found |= {name: of_any_axis(condition) for name, condition in OF_A_CONVOLUTIONS_AXIS.items()}
    else:
        found |= OF_A_POOL
    if operator in {"im2col", "col2im", "conv2d"}:
        found |= {name: of_any_axis(condition) for name, condition in OF_A_DILATED_AXIS.items()}
    if operator == "max_pool2d":
        found |= {name: of_any_axis(OF_A_DILATED_AXIS[name]) for name in ("dilation", "dilation with a stride")}
    extra = {"conv2d": OF_A_CONVOLUTION, "avg_pool2d": OF_AN_AVERAGE}
    return found | extra.get(operator, {})


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_boundary_class_occurs_in_some_hundred_draws(operator: str, draws: dict[str, list[Case]]) -> None:
    drawn_problems = [case.problem for case in draws[operator] if valid(case.problem)]
    found = {name for name, holds in classes(operator).items() if any(map(holds, drawn_problems))}
    assert set(classes(operator)) - found == set()


RARE: dict[str, Callable[[Problem], bool]] = {
    "only window overhangs": lambda p: p.ceil_mode and any(room(axis) < 0 for axis in p.axes),
    "window wholly in padding": of_any_axis(OF_A_DILATED_AXIS["a window wholly in padding"]),
}


@pytest.mark.parametrize(
    ("operator", "name"),
    [
        ("avg_pool2d", "only window overhangs"),
        ("max_pool2d", "only window overhangs"),
        ("max_pool2d", "window wholly in padding"),
    ],
)
def test_rare_classes_of_pools_occur_in_some_thousand_draws(operator: str, name: str) -> None:
    assert any(map(RARE[name], islice(drawn(problems(operator)), 3000)))


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_dtype_layout_and_fill_occurs(operator: str, draws: dict[str, list[Case]]) -> None:
    assert {case.dtype for case in draws[operator]} == set(DTYPES)
    assert {case.layout for case in draws[operator]} == set(LAYOUTS)
    assert {case.fill for case in draws[operator]} == set(OPERATORS[operator].fills)


@pytest.mark.parametrize("operator", OPERATORS)
def test_some_cases_are_invalid_and_most_are_not(operator: str, draws: dict[str, list[Case]]) -> None:
    broken = [case for case in draws[operator] if not valid(case.problem)]
    assert 0 < len(broken) < len(draws[operator]) / 3


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_kind_of_rule_is_broken(operator: str) -> None:
    broken = islice(drawn(invalid_problems(operator)), 80)
    rules = {str(OPERATORS[operator].broken_rule(problem)).split()[0] for problem in broken}
    wanted = {"stride", "padding", "kernel_size"}
    wanted |= {"dilation"} if "dilation" in OPERATORS[operator].options else set()
    wanted |= {"groups"} if "groups" in OPERATORS[operator].options else set()
    assert rules >= wanted


@light
@given(operators.flatmap(problems))
def test_drawn_outputs_are_those_of_the_definition(problem: Problem) -> None:
    sizes = [
        definition.output_size(
            axis.size, axis.kernel_size, axis.stride, axis.padding, dilation=axis.dilation, ceil_mode=problem.ceil_mode
        )
        for axis in problem.axes
    ]
    assert problem.output_size == tuple(sizes)
