"""Sparse lattices: how many terms meet, and that sums stay exact, those of relations too."""

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import impl
from convgate.cases.case import Case, array_shapes, case_rule, values_of
from convgate.cases.dtypes import DTYPES
from convgate.cases.lattice import LEAST_MAGNITUDE, MOST_MET, lattice_of
from convgate.cases.spec import parse_spec
from convgate.cases.thinning import kept, taken_away, terms_met, to_pixels, to_places
from convgate.judging.checks import judge
from convgate.problems.axis import make_axes
from convgate.problems.operators import OPERATORS, perform
from convgate.problems.problem import Problem
from convgate.sources.strategies import problems
from oracles import definition

Array = NDArray[Any]

light = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
SPARSE = {
    "few channels, many filters": "conv2d:c3h8w8o64k3p1:f32",
    "as many channels as filters": "conv2d:n2c16h6w6o16k3p1:f32",
    "many channels, few filters": "conv2d:c64h5w5o2k3+bias:f32",
    "four filters a channel": "conv2d:c8h6w6o32k3s2x1p1+bias:f32",
    "groups": "conv2d:n2c8h7w5o24k3p1d2x1g4:f32",
    "one pixel": "conv2d:c40o64:f32",
    "many images": "conv2d:n40h2w2o3k2+bias:f32",
    "few channels a pixel": "conv2d:n3h3w3o40:f32",
    "average of windows of many sizes": "avg_pool2d:c2h9w9k5s1p2+nopad:f32",
    "average with many divisors": "avg_pool2d:h8w8k5s2p2+nopad:f32",
    "large average": "avg_pool2d:c2h24w20k19:f32",
    "large maximum": "max_pool2d:n2h20w20k15s1p7:f32",
    "large columns": "col2im:n2c2h17w17k15:f32",
}


def zeros_and_ones(case: Case) -> dict[str, Array]:
    """1 where an array of a case is not zero; the input of a maximum is kept."""
    values = values_of(case)
    kept_as_it_is = {"x"} if case.problem.operator == "max_pool2d" else set()
    return {name: array if name in kept_as_it_is else (array != 0).astype(float) for name, array in values.items()}


def windows(problem: Problem) -> list[Array]:
    """Which pixels each place sees, along the height and along the width: 0 or 1, pixels x places."""
    found = []
    axes = zip(
        problem.size, problem.kernel_size, problem.stride, problem.padding, problem.dilation, problem.output_size,
        strict=True,
    )  # fmt: skip
    for size, kernel, stride, padding, dilation, places in axes:
        sees = np.zeros((size, places))
        for place in range(places):
            for _, pixel in definition.taps(place, size, kernel, stride, padding, dilation=dilation):
                sees[pixel, place] = 1
        found.append(sees)
    return found


@light
@given(st.sampled_from(sorted(OPERATORS)).flatmap(problems), st.integers(0, 2**16))
def test_places_see_the_pixels_that_the_definition_says(problem: Problem, seed: int) -> None:
    down, across = windows(problem)
    stream = np.random.default_rng(seed)
    pixels, places = stream.random((2, 3, *problem.size)), stream.random((2, 3, *problem.output_size))
    assert np.allclose(to_pixels(problem)(places), down @ places @ across.T)
    assert np.allclose(to_places(problem)(pixels), down.T @ pixels @ across)


def met(case: Case) -> dict[str, int]:
    """By output, how many terms that are not zero meet in the entry that has most of them: counted by the definition.

    Averages are counted as sums.
    """
    values, operator, problem = zeros_and_ones(case), case.operator, case.problem
    if problem.operator == "avg_pool2d":
        down, across = windows(problem)
        sums = {"y": down.T @ values["x"] @ across, "grad_input": down @ values["grad_output"] @ across.T}
        return {name: int(array.max(initial=0)) for name, array in sums.items()}
    found: dict[str, int] = {}
    for make in (operator.forward, operator.backward):
        if make is not None:
            values = {name: array.astype(float) for name, array in values.items()}
            outputs = perform(definition, make(problem), values)
            found |= {name: int(array.max(initial=0)) for name, array in outputs.items() if array is not None}
    if problem.operator in {"max_pool2d", "im2col"}:
        del found["y"]
    return found


@pytest.mark.parametrize("fill", ["lattice", "sparse"])
@pytest.mark.parametrize("spec", SPARSE.values(), ids=SPARSE)
@pytest.mark.parametrize("seed", range(3))
def test_no_more_terms_meet_than_a_sparse_lattice_says(spec: str, fill: str, seed: int) -> None:
    case = parse_spec(f"{spec}:{fill}:{seed}")
    most = lattice_of(case.problem, case.dtype).met
    assert most is not None
    assert most <= MOST_MET
    assert max(met(case).values()) <= most


@light
@given(st.sampled_from(sorted(OPERATORS)).flatmap(problems), st.sampled_from(sorted(DTYPES)), st.integers(0, 2**16))
def test_no_more_terms_meet_than_the_lattice_of_any_problem_says(problem: Problem, dtype: str, seed: int) -> None:
    case = Case(problem=problem, dtype=dtype, seed=seed)
    assume(case_rule(case) is None)
    assume(prod(array_shapes(problem)["grad_output"]) < 1000 if "grad_output" in array_shapes(problem) else True)
    most = lattice_of(problem, dtype).met
    assume(most is not None)
    counts = met(case)
    assert max(counts.values(), default=0) <= (most or 0)


@light
@given(st.sampled_from(sorted(OPERATORS)).flatmap(problems), st.integers(0, 2**16))
def test_as_many_terms_meet_as_are_bounded_or_fewer(problem: Problem, seed: int) -> None:
    case = Case(problem=problem, fill="sparse", seed=seed)
    assume(case_rule(case) is None)
    bounds = terms_met(problem, {name: array != 0 for name, array in values_of(case).items()})
    counts = met(case)
    assert set(counts) <= set(bounds)
    assert all(count <= bounds[output] for output, count in counts.items())


@pytest.mark.parametrize("spec", SPARSE.values(), ids=SPARSE)
def test_every_output_has_entries_that_are_not_zero(spec: str) -> None:
    case = parse_spec(spec)
    assert min(met(case).values()) >= 1


def test_filters_share_the_weights_so_that_every_tap_of_every_channel_is_seen() -> None:
    """64 filters of 16 weights each, for 16 channels of 9 taps."""
    weight = values_of(parse_spec("conv2d:c16h5w5o64k3:f32"))["weight"] != 0
    assert weight.any(axis=0).all()
    of_a_filter, of_a_channel = weight.sum(axis=(1, 2, 3)), weight.sum(axis=(0, 2, 3))
    assert set(of_a_filter.tolist()) == {4}
    assert set(of_a_channel.tolist()) == {16}


def test_filters_share_the_places_and_borders_come_as_often_as_every_third() -> None:
    gradient = values_of(parse_spec("conv2d:n2c16h24w24o16k3p1:f32"))["grad_output"] != 0
    assert set(gradient.sum(axis=(0, 2, 3)).tolist()) == {16}
    border = np.ones((24, 24), bool)
    border[1:-1, 1:-1] = False
    places = gradient.sum(axis=(0, 1))
    assert places[border].sum() >= 0.3 * places.sum() > 3 * places.sum() * border.mean() / 2


def test_where_channels_are_few_every_filter_keeps_its_weights_and_some_gradients() -> None:
    values = values_of(parse_spec("conv2d:c3h8w8o64k3p1:f32"))
    assert set((values["weight"] != 0).sum(axis=(1, 2, 3)).tolist()) == {16}
    assert (values["grad_output"] != 0).any(axis=(0, 2, 3)).sum() > 32


def test_what_is_taken_away_changes_with_the_seed_and_with_nothing_else() -> None:
    spec = "conv2d:c16h6w6o16k3:f32"
    masks = [values_of(parse_spec(f"{spec}:{seed}"))["weight"] != 0 for seed in (0, 0, 1)]
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])


def test_nothing_is_taken_away_where_nothing_is_crowded() -> None:
    problem = Problem(operator="avg_pool2d", axes=make_axes(size=(6, 6), kernel_size=(4, 4)))
    stream = np.random.PCG64(0).random_raw
    assert kept(problem, "x", (1, 1, 6, 6), 16, stream) is None
    mask = np.ones((1, 1, 1, 6, 6), bool)
    assert taken_away(mask, to_places(problem), to_pixels(problem), 16, stream).all()


@light
@given(st.integers(1, 12), st.integers(1, 8), st.integers(1, 20), st.integers(0, 2**16))
def test_taking_away_ends_with_no_window_too_full_and_not_with_nothing(
    size: int, kernel: int, most: int, seed: int
) -> None:
    assume(kernel <= size)
    problem = Problem(operator="avg_pool2d", axes=make_axes(size=(size, size), kernel_size=(kernel, kernel)))
    sees = [axis.T for axis in windows(problem)]
    stream = np.random.PCG64(seed).random_raw
    mask = taken_away(np.ones((2, 3, 1, size, size), bool), to_places(problem), to_pixels(problem), most, stream)
    counts = sees[0] @ mask.sum(axis=2).astype(float) @ sees[1].T
    assert counts.max() <= most
    assert mask.any(axis=(2, 3, 4)).all()


# Sums, those of relations too


def largest_sums(case: Case) -> dict[str, Fraction]:
    """By output, the largest sum of magnitudes when all data of one argument, zeros too, are moved by a quantum."""
    problem, operator = case.problem, case.operator
    quantum = operator.quantum(problem)
    values = {name: abs(array.astype(np.float64)) for name, array in values_of(case).items()}
    found = {}
    for name, array in values.items():
        if name != "grad_output":
            moved = values | {name: array + quantum}
            (sums,) = perform(definition, operator.forward(problem), moved).values()
            found[name] = Fraction(float(sums.max(initial=0)))
    return found


@pytest.mark.parametrize("spec", [spec for spec in SPARSE.values() if not spec.startswith("max")])
def test_finite_differences_of_sparse_data_are_exact_although_they_move_the_zeros(spec: str) -> None:
    case = parse_spec(spec)
    for name, total in largest_sums(case).items():
        if case.operator.factors == 2:
            # nothing but sums of integers, in any order
            assert total <= 2**23, name
        else:
            n = max(case.operator.roundings(case.problem).values())
            # of what is divided already
            assert (n + 4) * Fraction(DTYPES[case.dtype].unit_roundoff) * total <= Fraction(1, 4), name


@pytest.mark.parametrize("spec", SPARSE.values(), ids=SPARSE)
@pytest.mark.parametrize("fill", ["lattice", "sparse"])
def test_all_checks_pass_on_sparse_data_of_a_right_subject(spec: str, fill: str) -> None:
    results = judge(parse_spec(f"{spec}:{fill}"), impl)
    assert {result.verdict for result in results} <= {"passed", "vacuous"}, results
    assert {"forward", "passed"} == {results[0].check, results[0].verdict}


@pytest.mark.parametrize("spec", SPARSE.values(), ids=SPARSE)
def test_magnitudes_leave_room_for_what_finite_differences_move(spec: str) -> None:
    """The rule of docs/numerics.md: m terms of up to (a + 1)^f q, and the others of (a + 1)^(f - 1) q."""
    case = parse_spec(spec)
    operator, problem = case.operator, case.problem
    found, n = lattice_of(problem, case.dtype), max(operator.roundings(problem).values())
    a, m, q, u = found.magnitude, found.met or 0, operator.quantum(problem), Fraction(DTYPES[case.dtype].unit_roundoff)
    total = (m * (a + 1) + n) * (a + 1) ** (operator.factors - 1) * q
    assert total <= 2**23
    if operator.factors == 1:
        assert (n + 4) * u * total / operator.least_divisor(problem) <= Fraction(1, 4)


def test_points_that_few_others_meet_may_be_as_large_as_sparse_data() -> None:
    """So that a minimal case of sparse data is still judged by the nearest integer, and by all relations."""
    large, many = "conv2d:c9h3w3k3:f32:points@weight.0.8.2.2=85@x.0.8.2.2=85", "conv2d:c9h3w3k3:f32"
    checks = {result.check for result in judge(parse_spec(large), impl)}
    assert {"finite_difference", "adjoint", "identity"} <= checks
    dense = parse_spec(many + ":points" + "".join(f"@{a}.0.{c}.{i}.{j}=85" for a in ("x", "weight")
                                                 for c in range(9) for i in range(3) for j in range(3)))  # fmt: skip
    assert "adjoint" not in {result.check for result in judge(dense, impl)}


def test_large_problems_stay_on_the_lattice_in_float32() -> None:
    for spec in ("conv2d:c512h7w7o512k3p1:f32", "conv2d:c3h32w32o64k7s2p3:f32", "conv2d:n64c32h8w8o64k3p1:f32"):
        assert lattice_of(parse_spec(spec).problem, "f32").magnitude >= LEAST_MAGNITUDE
