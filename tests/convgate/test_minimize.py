"""The minimiser: whatever makes a case fail, it ends at one from which no single step fails, and always at the same."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import impl
from convgate.cases.case import POINTS, Case, array_shapes, as_points, broken_rule, case_rule
from convgate.cases.spec import format_spec, parse_spec
from convgate.diagnosis.minimize import complexity, minimize, simpler
from convgate.diagnosis.reduce import smallest
from convgate.judging.checks import judge
from convgate.problems.axis import overhang
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.results.verdicts import primary_failure
from convgate.sources.strategies import cases

Array = NDArray[Any]
Predicate = Callable[[Case], bool]

light = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
all_cases = st.sampled_from(sorted(OPERATORS)).flatmap(cases)


def valid(case: Case) -> bool:
    """Whether the problem is."""
    return broken_rule(case) is None


def room(problem: Problem, axis: int) -> int:
    """Pixels between the first and the last possible start of a window."""
    return problem.axes[axis].padded_size - problem.axes[axis].span


# What failures depend on: conditions that hold or not, and numbers.
CONDITIONS: dict[str, Predicate] = {
    "valid": valid,
    "invalid": lambda c: not valid(c),
    "stride_w > kernel_w": lambda c: c.problem.stride[1] > c.problem.kernel_size[1],
    "stride_h < kernel_h": lambda c: c.problem.stride[0] < c.problem.kernel_size[0],
    "stride_w = kernel_w > 1": lambda c: c.problem.stride[1] == c.problem.kernel_size[1] > 1,
    "padding_h >= kernel_h": lambda c: c.problem.padding[0] >= c.problem.kernel_size[0],
    "remainder_w": lambda c: valid(c) and room(c.problem, 1) % c.problem.stride[1] != 0,
    "remainder_h": lambda c: valid(c) and room(c.problem, 0) % c.problem.stride[0] != 0,
    "overhang_w": lambda c: valid(c) and c.problem.ceil_mode and overhang(c.problem.axes[1]) > 0,
    "kernel_w even": lambda c: c.problem.kernel_size[1] % 2 == 0,
    "dilation_w with taps": lambda c: c.problem.dilation[1] > 1 and c.problem.kernel_size[1] > 1,
    "groups": lambda c: c.problem.groups > 1,
    "depthwise": lambda c: 1 < c.problem.groups == c.problem.channels,
    "multiplier": lambda c: c.problem.out_channels > c.problem.groups,
    "bias": lambda c: c.problem.bias,
    "ceil_mode": lambda c: c.problem.ceil_mode,
    "nopad": lambda c: not c.problem.count_include_pad,
    "divisor": lambda c: c.problem.divisor_override is not None,
    "no image": lambda c: c.problem.batch == 0,
    "not square": lambda c: c.problem.size[0] != c.problem.size[1],
    "taller": lambda c: c.problem.size[0] > c.problem.size[1],
    "1x1 with a stride": lambda c: c.problem.taps == 1 and max(c.problem.stride) > 1,
    "f32": lambda c: c.dtype == "f32",
    "not contiguous": lambda c: c.layout != "contiguous",
    "transposed": lambda c: c.layout == "transposed",
    "read-only": lambda c: c.layout == "readonly",
    "not on the lattice": lambda c: c.fill not in {POINTS, "lattice"},
    "special": lambda c: c.fill == "special",
}
NUMBERS: dict[str, Callable[[Problem], int]] = {
    "batch": lambda p: p.batch,
    "channels": lambda p: p.channels,
    "out_channels": lambda p: p.out_channels,
    "groups": lambda p: p.groups,
    "channels a group": lambda p: p.channels // max(1, p.groups),
    "height": lambda p: p.size[0],
    "width": lambda p: p.size[1],
    "kernel_w": lambda p: p.kernel_size[1],
    "taps": lambda p: p.taps,
    "stride_w": lambda p: p.stride[1],
    "stride_h": lambda p: p.stride[0],
    "padding_w": lambda p: p.padding[1],
    "dilation_h": lambda p: p.dilation[0],
    "places": lambda p: p.places,
    "output_w": lambda p: p.output_size[1],
    "divisor": lambda p: p.divisor_override or 0,
}


@st.composite
def failing(draw: st.DrawFn) -> tuple[Case, Predicate, list[str]]:
    """A case and a conjunction of conditions, all of which it meets: what a fault would depend on."""
    case = draw(all_cases)
    holding = [name for name, condition in CONDITIONS.items() if condition(case)]
    chosen = draw(st.lists(st.sampled_from(holding), min_size=1, max_size=4, unique=True))
    reaching = [name for name, number in NUMBERS.items() if number(case.problem) > 1]
    numbers = draw(st.lists(st.sampled_from(reaching), max_size=2, unique=True)) if reaching else []
    least = {name: draw(st.integers(2, NUMBERS[name](case.problem))) for name in numbers}

    def fails(candidate: Case) -> bool:
        return all(CONDITIONS[name](candidate) for name in chosen) and all(
            NUMBERS[name](candidate.problem) >= value for name, value in least.items()
        )

    return case, fails, [*chosen, *(f"{name} >= {value}" for name, value in least.items())]


# What it promises


@settings(light, max_examples=60)
@given(failing(), st.booleans())
def test_the_minimum_fails_and_nothing_simpler_does(found: tuple[Case, Predicate, list[str]], data: bool) -> None:
    case, fails, _ = found
    assert fails(case)
    least = minimize(case, fails, data=data).case
    assert fails(least)
    assert case_rule(least) is None
    assert complexity(least) <= complexity(case)
    assert [format_spec(candidate) for candidate in simpler(least, data=data) if fails(candidate)] == []


@light
@given(failing(), st.booleans())
def test_the_same_case_has_the_same_minimum(found: tuple[Case, Predicate, list[str]], data: bool) -> None:
    case, fails, _ = found
    assert minimize(case, fails, data=data) == minimize(case, fails, data=data)


@light
@given(failing())
def test_a_minimum_is_its_own_minimum(found: tuple[Case, Predicate, list[str]]) -> None:
    case, fails, _ = found
    least = minimize(case, fails).case
    assert minimize(least, fails).case == least


@light
@given(failing())
def test_no_case_is_tried_twice(found: tuple[Case, Predicate, list[str]]) -> None:
    """A try is a judgement by nested loops, and much dearer than finding the next candidate."""
    case, fails, _ = found
    tried: list[Case] = []

    def fails_once_asked(candidate: Case) -> bool:
        tried.append(candidate)
        return fails(candidate)

    minimum = minimize(case, fails_once_asked)
    assert len(set(tried)) == len(tried) == minimum.tried
    assert case not in tried


@light
@given(all_cases)
def test_a_case_that_nothing_simpler_shares_its_failure_with_stays_as_it_is(case: Case) -> None:
    assert minimize(case, lambda candidate: candidate == case).case == case


@light
@given(all_cases, st.booleans())
def test_every_candidate_is_simpler_and_keeps_the_rules(case: Case, data: bool) -> None:
    for candidate in simpler(case, data=data):
        assert complexity(candidate) < complexity(case)
        assert case_rule(candidate) is None


@light
@given(all_cases)
def test_every_candidate_of_points_is_simpler_and_keeps_the_rules(case: Case) -> None:
    assume(sum(map(prod, array_shapes(case.problem).values())) <= 60)
    case = as_points(case)
    for candidate in simpler(case):
        assert complexity(candidate) < complexity(case)
        assert case_rule(candidate) is None
        assert candidate.fill == POINTS


@light
@given(all_cases)
def test_complexity_is_made_of_natural_numbers(case: Case) -> None:
    """Compared from the left, so that every way down ends."""
    for each in (case, *islice(simpler(case), 20)):
        assert all(number >= 0 for number in complexity(each))


@light
@given(all_cases)
def test_without_data_the_fill_is_not_written_out(case: Case) -> None:
    assert all(candidate.fill != POINTS for candidate in simpler(case, data=False))


def test_the_simplest_case_has_nothing_below() -> None:
    for operator in OPERATORS:
        assert list(simpler(Case(problem=Problem(operator=operator)), data=False)) == []
        assert list(simpler(Case(problem=Problem(operator=operator), fill=POINTS))) == []


# What a person would have written

# operator: what the failure depends on, and the one case that shows it best. Shapes only: the data are the lattice's.
SINGLE: list[tuple[str, str, Predicate]] = [
    ("conv2d", "conv2d", lambda _: True),
    ("conv2d", "conv2d:n2", lambda c: c.problem.batch > 1),
    ("conv2d", "conv2d:n0", lambda c: c.problem.batch == 0),
    ("conv2d", "conv2d:w7", lambda c: c.problem.size[1] >= 7),
    ("conv2d", "conv2d:h3", lambda c: c.problem.size[0] == 3),
    ("conv2d", "conv2d:s1x2", lambda c: c.problem.stride[1] > c.problem.kernel_size[1]),
    ("conv2d", "conv2d:s2x1", lambda c: c.problem.stride[0] > c.problem.kernel_size[0]),
    ("conv2d", "conv2d:s1x2", lambda c: max(c.problem.stride) > 1),
    ("conv2d", "conv2d:w2k1x2", lambda c: c.problem.kernel_size[1] % 2 == 0),
    ("conv2d", "conv2d:w2k1x2", lambda c: c.problem.taps > 1),
    ("conv2d", "conv2d:w2s1x2", lambda c: room(c.problem, 1) % max(1, c.problem.stride[1]) != 0),
    ("conv2d", "conv2d:w3k1x2d1x2", lambda c: c.problem.dilation[1] > 1 and c.problem.kernel_size[1] > 1),
    ("conv2d", "conv2d:p0x1", lambda c: c.problem.padding[1] >= c.problem.kernel_size[1]),
    ("conv2d", "conv2d:c2o2g2", lambda c: c.problem.groups > 1),
    ("conv2d", "conv2d:c4o2g2", lambda c: 1 < c.problem.groups < c.problem.channels),
    ("conv2d", "conv2d:c2", lambda c: c.problem.channels > c.problem.groups),
    ("conv2d", "conv2d:+bias", lambda c: c.problem.bias),
    ("conv2d", "conv2d:f32", lambda c: c.dtype == "f32"),
    ("conv2d", "conv2d:fortran@x", lambda c: c.layout != "contiguous"),
    ("conv2d", "conv2d:reversed@x", lambda c: c.layout == "reversed"),
    ("conv2d", "conv2d:reversed@weight", lambda c: c.layout == "reversed" and c.laid_out in {"", "weight"}),
    ("im2col", "im2col:reversed", lambda c: c.layout == "reversed"),
    ("conv2d", "conv2d:special", lambda c: c.fill == "special"),
    ("avg_pool2d", "avg_pool2d:+ceil", lambda c: c.problem.ceil_mode),
    ("avg_pool2d", "avg_pool2d:+nopad", lambda c: not c.problem.count_include_pad),
    ("avg_pool2d", "avg_pool2d:+divisor2", lambda c: c.problem.divisor_override is not None),
    ("avg_pool2d", "avg_pool2d:k1x2p0x1", lambda c: c.problem.padding[1] > 0),
    ("avg_pool2d", "avg_pool2d:k1x2s1x2+ceil", CONDITIONS["overhang_w"]),
    (
        "max_pool2d",
        "max_pool2d:w3k1x2",
        lambda c: c.problem.output_size[1] > 1 == c.problem.stride[1] < c.problem.kernel_size[1],
    ),
    ("max_pool2d", "max_pool2d:ties", lambda c: c.fill == "ties"),
    ("im2col", "im2col:w2", lambda c: c.problem.places > 1),
    ("col2im", "col2im:w2", lambda c: c.problem.places == 2),
]


@pytest.mark.parametrize(("operator", "expected", "fails"), SINGLE)
def test_a_single_trigger_has_the_minimum_that_a_person_would_write(
    operator: str, expected: str, fails: Predicate
) -> None:
    @settings(light, max_examples=8)
    @given(cases(operator))
    def check(case: Case) -> None:
        assume(valid(case) and fails(case))
        least = minimize(case, lambda candidate: valid(candidate) and fails(candidate), data=False).case
        assert format_spec(least) == expected

    assert fails(parse_spec(expected))
    check()


def whole(problem: Problem, block: int) -> bool:
    """Whether a group's channels, in and out, are whole blocks."""
    return (problem.channels // problem.groups) % block == (problem.out_channels // problem.groups) % block == 0


# From the case that was found to the smallest one: what shows in whole blocks, or with large options, alone.
BLOCKS_AND_LARGE: list[tuple[str, str, Predicate]] = [
    ("conv2d:n2c24h5w9o16k3p1", "conv2d:c4o4", lambda c: whole(c.problem, 4)),
    ("conv2d:c64h7w7o32k3", "conv2d:c8o8", lambda c: whole(c.problem, 8)),
    ("conv2d:c32h4w4o64k1+bias", "conv2d:c16o16", lambda c: whole(c.problem, 16)),
    ("conv2d:c48h4w4o48k1g2", "conv2d:c8o8", lambda c: whole(c.problem, 8)),
    ("conv2d:n24h5w5k3", "conv2d:n8", lambda c: c.problem.batch % 8 == 0 < c.problem.batch),
    ("conv2d:c48h4w4o48k1g48", "conv2d:c16o16g16", lambda c: c.problem.groups % 16 == 0),
    ("avg_pool2d:n2c40h9w9k3s2", "avg_pool2d:c8", lambda c: c.problem.channels % 8 == 0),
    ("im2col:c3h7w26k3", "im2col:w8", lambda c: c.problem.output_size[1] % 8 == 0),
    ("conv2d:c2h14w15k9x11s2", "conv2d:h6w6k6", lambda c: min(c.problem.kernel_size) >= 6),
    ("conv2d:c2h30w31k3d6", "conv2d:d1x4", lambda c: max(c.problem.dilation) >= 4),
    ("max_pool2d:c3h31w33k7s6", "max_pool2d:s1x5", lambda c: max(c.problem.stride) >= 5),
    ("conv2d:h31w9k1x7", "conv2d:w7k1x7", lambda c: max(c.problem.kernel_size) >= 7),
]


@pytest.mark.parametrize(("found", "expected", "fails"), BLOCKS_AND_LARGE)
def test_what_shows_in_whole_blocks_or_with_large_options_alone_shrinks_to_the_least_of_them(
    found: str, expected: str, fails: Predicate
) -> None:
    def still(candidate: Case) -> bool:
        return valid(candidate) and fails(candidate)

    assert still(parse_spec(found))
    assert format_spec(minimize(parse_spec(found), still, data=False).case) == expected


# The data


def impl_with(**functions: Callable[..., Any]) -> SimpleNamespace:
    """The implementation at hand with some functions replaced."""
    return SimpleNamespace(**{**vars(impl), **functions})


def without_last_column(*arguments: Any, **options: Any) -> Array:
    """A convolution that leaves the last column of y zero."""
    y = impl.conv2d(*arguments, **options)
    y[..., -1] = 0
    return y


def last_column_doubled(*arguments: Any, **options: Any) -> Array:
    """A convolution whose last column is wrong where it is not the only one."""
    y = impl.conv2d(*arguments, **options)
    y[..., 1:][..., -1:] *= 2
    return y


def groups_reversed(*arguments: Any, groups: int, **options: Any) -> Array:
    """A convolution that gives out its groups the other way round."""
    y = impl.conv2d(*arguments, groups=groups, **options)
    return y.reshape(len(y), groups, -1, *y.shape[2:])[:, ::-1].reshape(y.shape)


def without_last_image(grad_output: Array, *arguments: Any, **options: Any) -> Any:
    """A backward pass whose grad_weight leaves out the last of several images."""
    found = impl.conv2d_backward(grad_output, *arguments, **options)
    if len(grad_output) == 1:
        return found
    grad_output = grad_output.copy()
    grad_output[-1:] = 0
    return found[0], impl.conv2d_backward(grad_output, *arguments, **options)[1], found[2]


def padded_with_zeros(x: Array, kernel_size: Any, *, padding: tuple[int, int], **options: Any) -> Array:
    """A maximum that takes padding for zeros."""
    if options["ceil_mode"]:
        return impl.max_pool2d(x, kernel_size, padding=padding, **options)
    (p, q), none = padding, (0, 0)
    return impl.max_pool2d(np.pad(x, (none, none, (p, p), (q, q))), kernel_size, padding=none, **options)


# A faulty subject, cases in which it fails, and the smallest one.
FAULTY = [
    (
        impl_with(conv2d=without_last_column),
        ["conv2d:n2c4h5w7o6k3x2s2x1p1x0g2+bias:f32:7", "conv2d:h4w4k2p1:transposed:3", "conv2d:w9:real:2"],
        "conv2d:points@x.0.0.0.0@weight.0.0.0.0",
    ),
    (
        impl_with(conv2d=last_column_doubled),
        ["conv2d:n2c4h5w7o6k3x2s2x1p1x0g2+bias:f32:7", "conv2d:h4w4k2p1:transposed:3", "conv2d:w9:wide:2"],
        "conv2d:w2:points@x.0.0.0.1@weight.0.0.0.0",
    ),
    (
        impl_with(conv2d=groups_reversed),
        ["conv2d:n2c4h5w7o6k3x2s2x1p1x0g2+bias:f32:7", "conv2d:c9o27w3k1x2g9:5"],
        "conv2d:c2o2g2:points@x.0.0.0.0@weight.0.0.0.0",
    ),
    (
        impl_with(conv2d_backward=without_last_image),
        ["conv2d:n3c2h3w4o2k2+bias:f32:7", "conv2d:n2w5k1x3s1x2p0x1:sliced:1"],
        "conv2d:n2:points@x.1.0.0.0@grad_output.1.0.0.0",
    ),
    (
        impl_with(max_pool2d=padded_with_zeros),
        ["max_pool2d:c2h5w7k3x2s2x1p1:f32:2", "max_pool2d:n2h3w3k2p1:1"],
        "max_pool2d:k1x2p0x1:points@x.0.0.0.0=-1",
    ),
]


@pytest.mark.parametrize(
    ("subject", "spec", "expected"),
    [(subject, spec, expected) for subject, specs, expected in FAULTY for spec in specs],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_value_is_shown_by_single_entries_among_zeros(
    subject: SimpleNamespace, spec: str, expected: str
) -> None:
    case = parse_spec(spec)
    failure = primary_failure(judge(case, subject))
    assert failure is not None
    least, result = smallest(case, failure, subject)
    assert format_spec(least) == expected
    assert (result.check, result.verdict) == (failure.check, "failed")


def test_where_only_shapes_matter_the_data_stay_as_they_are() -> None:
    def conv2d(*arguments: Any, **options: Any) -> Array:
        y = impl.conv2d(*arguments, **options)
        return y[..., :-1] if options["stride"][1] > 1 else y

    subject = impl_with(conv2d=conv2d)
    case = parse_spec("conv2d:n2c4h5w7o6k3x2s2x3p1x0g2+bias:f32:7")
    failure = primary_failure(judge(case, subject))
    assert failure is not None
    assert failure.symptom == "wrong shape"
    least, _ = smallest(case, failure, subject)
    assert format_spec(replace(least, seed=0)) == "conv2d:s1x2"
