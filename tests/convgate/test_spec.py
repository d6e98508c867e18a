"""Specs: one word a case, and back."""

import random
import shlex
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convgate.cases import spec as spec_module
from convgate.cases.case import POINTS, Case, Point, array_shapes, as_points, broken_rule
from convgate.cases.spec import SpecError, format_spec, parse_spec
from convgate.problems.axis import make_axes
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.sources.strategies import cases, invalid_problems

EXAMPLE = "conv2d:n2c4h5w7o6k3x2s2x1p1x0g2+bias:f32:7"
EXAMPLE_CASE = Case(
    problem=Problem(
        operator="conv2d",
        batch=2,
        channels=4,
        axes=make_axes(size=(5, 7), kernel_size=(3, 2), stride=(2, 1), padding=(1, 0)),
        out_channels=6,
        groups=2,
        bias=True,
    ),
    dtype="f32",
    seed=7,
)

drawn_cases = st.sampled_from(sorted(OPERATORS)).flatmap(cases)


@st.composite
def cases_with_points(draw: st.DrawFn) -> Case:
    """Cases whose data is a few entries, of any value but NaN, which equals nothing."""
    case = draw(drawn_cases)
    shapes = array_shapes(case.problem)
    places = [(name, shape) for name, shape in shapes.items() if 0 not in shape]
    points: dict[tuple[str, tuple[int, ...]], Point] = {}
    for name, shape in draw(st.lists(st.sampled_from(places), max_size=4)) if places else []:
        index = tuple(draw(st.integers(0, length - 1)) for length in shape)
        value = draw(st.integers(-9, 9).map(float) | st.floats(allow_nan=False))
        points[name, index] = Point(name, index, value)
    return replace(case, dtype="f64", fill=POINTS, seed=draw(st.sampled_from([0, 5])), points=tuple(points.values()))


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_drawn_case_comes_back_from_its_spec(operator: str) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
    @given(cases(operator))
    def check(case: Case) -> None:
        assert parse_spec(format_spec(case)) == case

    check()


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_invalid_problem_comes_back_from_its_spec(operator: str) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
    @given(invalid_problems(operator))
    def check(problem: Problem) -> None:
        assert parse_spec(format_spec(Case(problem=problem))).problem == problem

    check()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(cases_with_points())
def test_points_of_any_value_come_back_from_their_spec(case: Case) -> None:
    found = parse_spec(format_spec(case))
    assert found == case
    # minus zero equals zero
    assert [repr(point.value) for point in found.points] == [repr(point.value) for point in case.points]


BY_HAND = [
    Case(problem=Problem(operator="conv2d")),
    Case(
        problem=Problem(operator="conv2d", batch=0, axes=make_axes(size=(1, 9)), bias=True), seed=12345678901234567890
    ),
    Case(
        problem=Problem(
            operator="conv2d", axes=make_axes(stride=(0, -1), padding=(-1, 2), dilation=(0, 0), kernel_size=(0, 0))
        )
    ),
    Case(problem=Problem(operator="conv2d", channels=3, out_channels=4, groups=2)),
    Case(
        problem=Problem(operator="conv2d", batch=0, channels=0, axes=make_axes(size=(0, 0)), out_channels=0, groups=-5)
    ),
    Case(problem=Problem(operator="conv2d", ceil_mode=True, count_include_pad=False, divisor_override=3)),
    Case(problem=Problem(operator="avg_pool2d", divisor_override=-2, count_include_pad=False, ceil_mode=True)),
    Case(problem=Problem(operator="avg_pool2d", divisor_override=0)),
    Case(
        problem=Problem(operator="max_pool2d", axes=make_axes(size=(3, 3), kernel_size=(2, 2))),
        fill="ties",
        layout="broadcast",
    ),
    Case(problem=Problem(operator="im2col"), dtype="f32", layout="readonly", fill="special", seed=2),
    Case(problem=Problem(operator="col2im"), fill=POINTS),
    Case(
        problem=Problem(operator="conv2d", axes=make_axes(size=(2, 2))),
        dtype="f32",
        layout="reversed",
        fill=POINTS,
        points=(
            Point("x", (0, 0, 1, 1), 1.0),
            Point("x", (0, 0, 0, 1), -3.0),
            Point("weight", (0, 0, 0, 0), 0.1),
            Point("grad_output", (0, 0, 1, 0), -2.5e-07),
        ),
    ),
    Case(
        problem=Problem(operator="im2col", axes=make_axes(size=(1, 6))),
        fill=POINTS,
        points=(
            Point("x", (0, 0, 0, 0), float("inf")),
            Point("x", (0, 0, 0, 1), float("-inf")),
            Point("x", (0, 0, 0, 2), -0.0),
            Point("x", (0, 0, 0, 3), 5e-324),
            Point("x", (0, 0, 0, 4), 1e300),
            Point("x", (0, 0, 0, 5), -1.0),
        ),
    ),
]


@pytest.mark.parametrize("case", BY_HAND, ids=format_spec)
def test_a_case_by_hand_comes_back_from_its_spec(case: Case) -> None:
    found = parse_spec(format_spec(case))
    assert found == case
    assert [repr(point.value) for point in found.points] == [repr(point.value) for point in case.points]


def test_nan_comes_back_as_nan() -> None:
    """A case with NaN equals no other, but its spec is the same again."""
    text = "max_pool2d:w2:points@x.0.0.0.1=nan"
    assert format_spec(parse_spec(text)) == text


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(drawn_cases.filter(lambda case: broken_rule(case) is None))
def test_data_written_out_entry_by_entry_come_back(case: Case) -> None:
    text = format_spec(as_points(case))
    assert format_spec(parse_spec(text)) == text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(drawn_cases | cases_with_points())
def test_a_spec_is_one_word_that_a_shell_leaves_alone(case: Case) -> None:
    """It needs no quotes, has nothing that a shell would expand, and stays one word beside others."""
    text = format_spec(case)
    assert shlex.quote(text) == text
    assert shlex.split(f"convgate replay {text} # comment", comments=True) == ["convgate", "replay", text]


@pytest.mark.parametrize("case", BY_HAND, ids=format_spec)
def test_a_spec_by_hand_is_one_word_that_a_shell_leaves_alone(case: Case) -> None:
    assert shlex.quote(format_spec(case)) == format_spec(case)


def test_the_example_of_the_docstring() -> None:
    assert spec_module.__doc__ is not None
    assert f"``{EXAMPLE}``" in spec_module.__doc__
    assert parse_spec(EXAMPLE) == EXAMPLE_CASE
    assert format_spec(EXAMPLE_CASE) == EXAMPLE


def test_the_points_of_the_docstring() -> None:
    points = "points@x.0.0.2.1@weight.0.0.0.1=-3"
    assert spec_module.__doc__ is not None
    assert f"``{points}``" in spec_module.__doc__
    text = f"conv2d:h5w7k3x2:{points}"
    case = parse_spec(text)
    assert case.fill == POINTS
    assert case.points == (Point("x", (0, 0, 2, 1), 1.0), Point("weight", (0, 0, 0, 1), -3.0))
    assert format_spec(case) == text


@pytest.mark.parametrize("operator", OPERATORS)
def test_defaults_are_left_out(operator: str) -> None:
    assert format_spec(Case(problem=Problem(operator=operator))) == operator


@pytest.mark.parametrize(
    ("spelled_out", "short"),
    [
        ("conv2d:n1c1h1w1o1k1s1p0d1g1:f64:contiguous:lattice:0", "conv2d"),
        ("conv2d:k3x3s2x2p1x1d2x2", "conv2d:k3s2p1d2"),
        ("conv2d:h1w5k1x3", "conv2d:w5k1x3"),
        ("im2col:h3w3:007", "im2col:h3w3:7"),
        ("im2col:points@x.0.0.0.0=1.0", "im2col:points@x.0.0.0.0"),
        ("im2col:points@x.0.0.0.0=-3.0", "im2col:points@x.0.0.0.0=-3"),
        ("  avg_pool2d:+ceil\n", "avg_pool2d:+ceil"),
    ],
)
def test_what_is_spelled_out_comes_back_short(spelled_out: str, short: str) -> None:
    assert format_spec(parse_spec(spelled_out)) == short


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(drawn_cases | cases_with_points(), st.randoms(use_true_random=False))
def test_parts_in_any_order_give_the_same_case(case: Case, generator: random.Random) -> None:
    name, *parts = format_spec(case).split(":")
    generator.shuffle(parts)
    assert parse_spec(":".join([name, *parts])) == case


@given(st.permutations(["n2", "c4", "h5", "w7", "o6", "k3x2", "s2x1", "p1x0", "g2"]))
def test_sizes_in_any_order_give_the_same_case(sizes: list[str]) -> None:
    assert parse_spec(f"conv2d:7:{''.join(sizes)}+bias:f32") == EXAMPLE_CASE


@given(st.permutations(["+ceil", "+nopad", "+divisor3"]))
def test_flags_in_any_order_give_the_same_case(flags: list[str]) -> None:
    assert parse_spec(f"avg_pool2d:w3{''.join(flags)}") == parse_spec("avg_pool2d:w3+ceil+nopad+divisor3")


@pytest.mark.parametrize(
    ("text", "value", "way_out"),
    [
        pytest.param("convolve:n2", "'convolve'", "conv2d, avg_pool2d, max_pool2d", id="unknown operator"),
        pytest.param("", "''", "conv2d, avg_pool2d, max_pool2d", id="nothing"),
        pytest.param("conv2d:double", "'double' in 'conv2d:double'", "f32, f64", id="unknown part"),
        pytest.param("conv2d:strided", "'strided'", "contiguous, fortran, transposed, sliced", id="unknown layout"),
        pytest.param("conv2d:n2:", "'' in 'conv2d:n2:'", "a geometry such as n2h5w7k3+bias", id="empty part"),
        pytest.param("conv2d:-1", "'-1' in 'conv2d:-1'", "a seed", id="negative seed"),
        pytest.param("conv2d:N2", "'N2'", "a geometry such as", id="capital letter"),
        pytest.param("conv2d:f32:f64", "dtype twice", "leave one of them out", id="dtype twice"),
        pytest.param("conv2d:sliced:sliced", "layout twice", "leave one of them out", id="layout twice"),
        pytest.param("conv2d:real:points", "fill twice", "leave one of them out", id="fill twice"),
        pytest.param("conv2d:1:2", "seed twice", "leave one of them out", id="seed twice"),
        pytest.param("conv2d:n2:k3", "geometry twice", "leave one of them out", id="geometry twice"),
        pytest.param("conv2d:k2n2k3", "'k2n2k3'", "leave one of them out", id="size twice"),
        pytest.param("conv2d:h2h2", "'h2h2'", "leave one of them out", id="height twice"),
        pytest.param("conv2d:+bias+bias", "'+bias+bias'", "leave one of them out", id="flag twice"),
        pytest.param("conv2d:n2q3", "q3", "sizes are h, w, n, c, o, k, s, p, d, g", id="unknown letter"),
        pytest.param("conv2d:n2x3", "n2x3", "k, s, p, d may be pairs", id="pair where there is none"),
        pytest.param("conv2d:h2x3", "h2x3", "k, s, p, d may be pairs", id="height as a pair"),
        pytest.param("conv2d:+relu", "+relu", "+bias, +ceil, +nopad and +divisor", id="unknown flag"),
        pytest.param("conv2d:+bias2", "+bias2", "+bias, +ceil", id="flag with a number"),
        pytest.param("avg_pool2d:+divisor", "+divisor", "+divisor with a number", id="divisor without a number"),
        pytest.param("conv2d:ties", "ties", "special, huge, tiny and points", id="fill of another operator"),
        pytest.param("im2col:w2:points@x.0.0.0.2", "(0, 0, 0, 2)", "x has the shape (1, 1, 1, 2)", id="outside"),
        pytest.param("im2col:points@x.0.0.0", "(0, 0, 0)", "x has the shape (1, 1, 1, 1)", id="index too short"),
        pytest.param("im2col:points@x.0.0.0.0.0", "(0, 0, 0, 0, 0)", "x has the shape", id="index too long"),
        pytest.param("im2col:n0:points@x.0.0.0.0", "(0, 0, 0, 0)", "x has the shape (0, 1, 1, 1)", id="empty array"),
        pytest.param("im2col:points@weight.0", "weight", "im2col has the arrays x here", id="unknown array"),
        pytest.param("conv2d:points@bias.0", "bias", "the arrays x, weight, grad_output here", id="absent array"),
        pytest.param("conv2d:points@x.0.0.0.0@x.0.0.0.0=2", "two points", "leave one of them out", id="same place"),
        pytest.param("conv2d:points@x=3", "'x=3'", "a point such as x.0.0.2.1", id="no index"),
        pytest.param("conv2d:points@", "''", "a point such as x.0.0.2.1", id="no point"),
        pytest.param("conv2d:points@x.0.0.0.0=one", "'x.0.0.0.0=one'", "weight.0.0.0.1=-3", id="no number"),
        pytest.param("avg_pool2d:h14w14k13p6+nopad:f32", "f32", "use f64 or the fill real", id="sums not exact"),
    ],
)
def test_an_error_names_the_value_and_the_way_out(text: str, value: str, way_out: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(text)
    assert value in str(caught.value)
    assert way_out in str(caught.value)
    assert repr(text) in str(caught.value)
