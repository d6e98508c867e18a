"""Fills: the same data everywhere, and integers that add up exactly in any order."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import impl
from convgate.cases.case import Case, array_shapes, case_rule, lattice_of_case, values_of
from convgate.cases.dtypes import DTYPES
from convgate.cases.fills import FILLS
from convgate.cases.lattice import LEAST_MAGNITUDE, MOST_MET, lattice_of, scale, step_of
from convgate.cases.spec import parse_spec
from convgate.judging.checks import judge
from convgate.problems.axis import make_axes
from convgate.problems.operators import OPERATORS, Arrays, perform
from convgate.problems.problem import Problem
from convgate.sources.strategies import problems
from oracles import definition

Array = NDArray[Any]

SIGNIFICANDS = {"f32": 24, "f64": 53}

light = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
dtypes = st.sampled_from(sorted(DTYPES))
seeds = st.integers(0, 2**32)


@st.composite
def filled(draw: st.DrawFn, fill: str, *operators: str) -> Case:
    """Cases of a fill that operators have, with any dtype that the problem allows."""
    names = operators or tuple(name for name, operator in OPERATORS.items() if fill in operator.fills)
    problem = draw(st.sampled_from(names).flatmap(problems))
    case = Case(problem=problem, dtype=draw(dtypes), fill=fill, seed=draw(seeds))
    assume(case_rule(case) is None)
    return case


# The stream


@light
@given(st.sampled_from(sorted(FILLS)).flatmap(filled))
def test_a_case_gives_the_same_arrays_each_time(case: Case) -> None:
    first, second = values_of(case), values_of(case)
    for name, shape in array_shapes(case.problem).items():
        assert first[name].shape == shape
        assert first[name].dtype == DTYPES[case.dtype].type
        assert np.array_equal(first[name], second[name], equal_nan=True)


INF = float("inf")
FROZEN: dict[str, dict[str, list[float]]] = {
    "conv2d:w3k1x2:7": {
        "x": [-346764, -420502, -719203],
        "weight": [-613582, 531949],
        "grad_output": [-579015, -483874],
    },
    "conv2d:w3k1x2+bias:f32:7": {
        "x": [-256, -260, -220],
        "weight": [-155, 216],
        "bias": [296],
        "grad_output": [-360, -79],
    },
    "avg_pool2d:h2w3k2:1": {
        "x": [-758784, -696732, 3171128, -3260236, 3525288, 2212132],
        "grad_output": [318664, 3351164],
    },
    "max_pool2d:h2w3k2:f32:1": {"x": [6, 14, -6, 10, -2, 2], "grad_output": [46042, 7968]},
    "max_pool2d:h2w3k2:ties:1": {"x": [1, 1, 0, 1, 0, 0], "grad_output": [79666, 837791]},
    "col2im:w3k1x2:real:2": {
        "columns": [0.03374288642471157, 0.3042801397369719, -0.34242920249130093, 0.8948313725837642]
    },
    "col2im:w3:real:f32:18446744073709551617": {
        "columns": [-0.012568245641887188, 0.36960074305534363, -0.5749809145927429]
    },
    "col2im:w4:wide:2": {
        "columns": [18550347989.347656, 5104973.62887736, -3.540634968409988e-26, 2.4836559824985677e-17]
    },
    "max_pool2d:w3:negative:1": {"x": [-10, -6, -14], "grad_output": [-79666, -837791, -517549]},
    "im2col:w8:special:2": {"x": [-INF, 749925, -1028383, 421886, -713942, -863338, 785170, 433824]},
}


@pytest.mark.parametrize("spec", FROZEN)
def test_a_spec_gives_the_arrays_that_it_always_gave(spec: str) -> None:
    """Saved specs are of use only as long as this holds: a change of the stream must be a decision."""
    found = {name: array.ravel().tolist() for name, array in values_of(parse_spec(spec)).items()}
    assert found == FROZEN[spec]


@pytest.mark.parametrize("fill", ["lattice", "real", "wide", "special"])
def test_each_array_and_each_seed_has_data_of_its_own(fill: str) -> None:
    """In a 1x1 kernel of a one by one problem x, weight and grad_output would otherwise be one number."""
    problem = Problem(operator="conv2d", channels=4, out_channels=4, axes=make_axes(size=(2, 2), kernel_size=(2, 2)))
    arrays = [
        array.ravel().tolist()[:4]
        for seed in range(3)
        for array in values_of(Case(problem=problem, fill=fill, seed=seed)).values()
    ]
    assert len({repr(values) for values in arrays}) == len(arrays)


# The lattice


@light
@given(filled("lattice"))
def test_the_lattice_has_zeros_only_where_fewer_terms_must_meet(case: Case) -> None:
    if lattice_of_case(case).met is None:
        assert all((array != 0).all() for array in values_of(case).values())


@light
@given(st.sampled_from(["lattice", "sparse"]).flatmap(filled))
def test_the_lattice_has_multiples_of_the_quantum_up_to_its_magnitude(case: Case) -> None:
    quantum = case.operator.quantum(case.problem)
    most = quantum * lattice_of_case(case).magnitude
    for name, array in values_of(case).items():
        assert not (array.astype(np.float64) % quantum).any()
        if name in case.operator.linear_in:
            assert (abs(array) <= most).all()


def rounded(case: Case) -> int:
    """The largest number of roundings that change anything: zeros add nothing, and two are of a division."""
    found = lattice_of_case(case)
    counts = case.operator.roundings(case.problem)
    divided = 2 if case.problem.operator == "avg_pool2d" else 0
    return max(1, *(n if found.met is None else min(n, found.met + divided) for n in counts.values()))


@light
@given(filled("lattice"))
def test_sums_of_lattice_terms_fit_the_significand(case: Case) -> None:
    n, a = rounded(case), lattice_of_case(case).magnitude
    assert a >= 1
    total = n * a**case.operator.factors * case.operator.quantum(case.problem)
    # added up before they are divided, and doubled
    assert 2 * total <= 2 ** SIGNIFICANDS[case.dtype]
    # an algorithm that rounds every term stays under an eighth of a step
    divided = Fraction(total, case.operator.least_divisor(case.problem))
    assert (n + 2) * Fraction(DTYPES[case.dtype].unit_roundoff) * divided <= Fraction(1, 8)


def test_sums_are_exact_before_they_are_divided_by_much() -> None:
    """The division takes the error away, but not what float32 cannot hold."""
    case = parse_spec("avg_pool2d:h4w4k2+divisor1000:f32")
    assert 2 * rounded(case) * lattice_of_case(case).magnitude * 1000 <= 2**24


@light
@given(filled("lattice"))
def test_the_lattice_is_as_large_as_it_can_be(case: Case) -> None:
    """Twice the magnitude would not leave room for an algorithm that rounds every term."""
    n, found = rounded(case), lattice_of_case(case)
    assume(found.met is None)
    a = 2 * found.magnitude
    total = n * a**case.operator.factors * case.operator.quantum(case.problem)
    divided = Fraction(total, case.operator.least_divisor(case.problem))
    enough = (n + 2) * Fraction(DTYPES[case.dtype].unit_roundoff) * divided <= Fraction(1, 8)
    assert not enough or 2 * total > 2 ** SIGNIFICANDS[case.dtype] or found.magnitude == 2**20


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_magnitudes_do_not_fall_below_64(operator: str, dtype: str) -> None:
    for channels, kernel, size in ((3, 3, 8), (64, 3, 14), (8, 13, 20), (512, 1, 40), (1, 31, 31)):
        problem = Problem(
            operator=operator, channels=channels, axes=make_axes(size=(size, size), kernel_size=(kernel, kernel))
        )
        if operator == "conv2d":
            problem = replace(problem, out_channels=64)
        assert lattice_of(problem, dtype).magnitude >= LEAST_MAGNITUDE


def test_a_sparse_lattice_has_the_magnitude_that_16_terms_allow() -> None:
    found = lattice_of(parse_spec("conv2d:c16h5w5o16k3").problem, "f32")
    assert (found.magnitude, found.met) == (85, MOST_MET)
    assert MOST_MET * (MOST_MET + 2) * 85**2 <= 2**21 < MOST_MET * (MOST_MET + 2) * 86**2


@pytest.mark.parametrize("spec", ["conv2d:n30c2h3w3o2k3:f32", "conv2d:c16h5w5o16k3:f32"])
def test_repeated_images_leave_no_room_for_zeros(spec: str) -> None:
    """All images are the first: what each holds of a gradient would meet as often as there are images."""
    for layout in ("broadcast", "broadcast@weight", "broadcast@grad_output"):
        values = values_of(parse_spec(f"{spec}:{layout}"))
        assert all((array != 0).all() for array in values.values())
    assert (values_of(parse_spec(f"{spec}:broadcast@x"))["weight"] == 0).any()


@light
@given(filled("sparse"))
def test_a_third_of_sparse_data_is_zero_at_least_but_never_all(case: Case) -> None:
    for name, array in values_of(case).items():
        assert not array.size or array.any()
        if array.size > 100 and name != "bias":
            assert (array == 0).mean() > 0.1


@pytest.mark.parametrize("operator", OPERATORS)
def test_sparse_data_of_every_operator_have_zeros_in_all_arrays_but_the_bias(operator: str) -> None:
    bias = "+bias" if operator == "conv2d" else ""
    out = "o4" if operator == "conv2d" else ""
    for name, array in values_of(parse_spec(f"{operator}:n2c4h6w6{out}k3{bias}:sparse")).items():
        assert (array == 0).any() == (name != "bias")
        assert not np.signbit(array[array == 0]).any()


def test_the_lattice_takes_both_signs_and_many_values() -> None:
    x = values_of(parse_spec("conv2d:h32w32"))["x"].ravel()
    assert (x > 0).any()
    assert (x < 0).any()
    assert len(set(abs(x))) > 1000
    assert abs(x).max() > 2**14


class Terms:
    """A sum that is not yet added up: it takes the definition's loops through unchanged and lists what they add."""

    def __init__(self, *terms: np.floating) -> None:
        self.terms = terms

    def __add__(self, other: object) -> "Terms":
        return Terms(*self.terms, *(other.terms if isinstance(other, Terms) else ()))

    __radd__ = __add__

    def __mul__(self, other: "Terms") -> "Terms":
        return Terms(*(p * q for p in self.terms for q in other.terms))

    def added(self, dtype: type[np.floating]) -> Iterator[np.floating]:
        """The sum in a dtype: forwards, backwards, and in pairs as NumPy adds."""
        terms = np.array([0, *self.terms], dtype)
        yield np.add.accumulate(terms)[-1]
        yield np.add.accumulate(terms[::-1])[-1]
        yield terms.sum()


def of_objects(values: Arrays, make: Callable[[Any], object]) -> dict[str, Array]:
    """Arrays of what `make` gives for each entry, a number of the array's dtype."""
    found = {name: np.empty(array.shape, object) for name, array in values.items()}
    for name, array in values.items():
        for index in np.ndindex(array.shape):
            found[name][index] = make(array[index])
    return found


@light
@given(filled("lattice", "conv2d", "col2im"))
def test_products_and_sums_of_lattice_data_are_exact_in_any_order(case: Case) -> None:
    values = values_of(case)
    calls = [case.operator.forward(case.problem)]
    calls += [case.operator.backward(case.problem)] if case.operator.backward is not None else []
    for call in calls:
        sums = perform(definition, call, of_objects(values, Terms))
        expected = perform(definition, call, of_objects(values, int))
        for output in (name for name in call.outputs if expected[name] is not None):
            for index in np.ndindex(expected[output].shape):
                entry = sums[output][index]
                found = list(entry.added(DTYPES[case.dtype].type)) if isinstance(entry, Terms) else [entry]
                assert found == [expected[output][index]] * len(found)


def averages(values: Arrays, problem: Problem) -> tuple[Array, Array]:
    """Terms of the sums of avg_pool2d: y before it is divided, and grad_input of gradients that are divided."""
    (height, width), x, g = problem.output_size, values["x"], values["grad_output"]
    y: Array = np.full(g.shape, Terms(), object)
    grad_input: Array = np.full(x.shape, Terms(), object)
    axes = list(zip(problem.size, problem.kernel_size, problem.stride, problem.padding, strict=True))
    for n, c, i, j in np.ndindex(*g.shape[:2], height, width):
        share = g[n, c, i, j] / x.dtype.type(divisor(problem, i, j))
        for _, row in definition.taps(i, *axes[0]):
            for _, column in definition.taps(j, *axes[1]):
                y[n, c, i, j] += Terms(x[n, c, row, column])
                grad_input[n, c, row, column] += Terms(share)
    return y, grad_input


def divisor(problem: Problem, i: int, j: int) -> int:
    """What the definition divides one window of avg_pool2d by."""
    if problem.divisor_override is not None:
        return problem.divisor_override
    axes = zip((i, j), problem.size, problem.kernel_size, problem.stride, problem.padding, strict=True)
    height, width = (definition.average_extent(*axis, count_include_pad=problem.count_include_pad) for axis in axes)
    return height * width


@light
@given(filled("lattice", "avg_pool2d"))
def test_averages_of_lattice_data_are_exact_in_any_order(case: Case) -> None:
    """Their gradients too: each share is an integer."""
    values, problem = values_of(case), case.problem
    integers = of_objects(values, int)
    dtype = DTYPES[case.dtype].type
    options: dict[str, Any] = {**case.operator.forward(problem).options, "kernel_size": problem.kernel_size}
    y = definition.avg_pool2d(integers["x"], **options)
    grad_input = definition.avg_pool2d_backward(integers["grad_output"], integers["x"], **options)
    sums, shares = averages(values, problem)
    for index in np.ndindex(y.shape):
        entry: Any = sums[index]
        for total in entry.added(dtype):
            assert total / dtype(divisor(problem, *index[2:])) == y[index]
    for index in np.ndindex(grad_input.shape):
        share: Any = shares[index]
        assert all(total == grad_input[index] for total in share.added(dtype))
    assert all(isinstance(value, int) for value in (*y.ravel(), *grad_input.ravel()))


@light
@given(filled("lattice", "max_pool2d"))
def test_the_lattice_of_max_has_distinct_values_at_least_four_apart(case: Case) -> None:
    """A finite difference with a step of 1 moves no maximum."""
    x = np.sort(values_of(case)["x"].astype(np.float64), axis=None)
    assert (np.diff(x) >= 4).all()
    assert (np.rint(x) == x).all()


def test_the_lattice_of_max_is_now_and_then_all_negative() -> None:
    """Only then does a padding with 0 win."""
    highest = [values_of(parse_spec(f"max_pool2d:w3:{seed}"))["x"].max() for seed in range(40)]
    assert any(value < 0 for value in highest)
    assert any(value > 0 for value in highest)


# The other fills


@light
@given(filled("real"))
def test_real_data_lie_between_minus_one_and_one(case: Case) -> None:
    assert all((abs(array) <= 1).all() for array in values_of(case).values())


@pytest.mark.parametrize("dtype", DTYPES)
def test_real_data_use_every_bit_of_the_significand(dtype: str) -> None:
    x = values_of(Case(problem=Problem(operator="conv2d", axes=make_axes(size=(32, 32))), dtype=dtype, fill="real"))[
        "x"
    ].ravel()
    last_bit = [float(value).as_integer_ratio()[1] for value in x]
    assert max(last_bit) >= 2 ** (SIGNIFICANDS[dtype] - 1)
    assert x.min() < -0.9
    assert x.max() > 0.9
    assert abs(x.mean()) < 0.1


@pytest.mark.parametrize(("dtype", "binades"), [("f32", 40), ("f64", 200)])
def test_wide_data_span_many_binades(dtype: str, binades: int) -> None:
    x = values_of(Case(problem=Problem(operator="conv2d", axes=make_axes(size=(32, 32))), dtype=dtype, fill="wide"))[
        "x"
    ]
    exponents = np.frexp(x)[1]
    assert exponents.max() - exponents.min() >= binades
    assert len(set(exponents.ravel().tolist())) >= binades
    assert np.isfinite(x).all()


@light
@given(filled("wide"))
def test_wide_data_do_not_overflow(case: Case) -> None:
    values = values_of(case)
    n = max(1, *case.operator.roundings(case.problem).values())
    most = max(float(abs(array).max(initial=0)) for array in values.values())
    assert n * most**case.operator.factors < DTYPES[case.dtype].largest


def special_names(case: Case) -> set[str]:
    """The arrays that have NaN or infinities."""
    return {name for name, array in values_of(case).items() if not np.isfinite(array).all()}


def test_nan_and_infinities_are_in_all_arrays_of_a_convolution_in_the_data_in_what_is_learnt_or_in_the_gradient() -> (
    None
):
    found = {frozenset(special_names(parse_spec(f"conv2d:n2c4h6w6o4k3+bias:special:{seed}"))) for seed in range(30)}
    assert found == {
        frozenset({"x", "weight", "bias", "grad_output"}),
        frozenset({"x"}),
        frozenset({"weight", "bias"}),
        frozenset({"grad_output"}),
    }


@pytest.mark.parametrize("operator", ["avg_pool2d", "max_pool2d"])
def test_gradients_of_pools_have_nan_and_infinities_too(operator: str) -> None:
    found = [special_names(parse_spec(f"{operator}:n2c4h6w6k3:special:{seed}")) for seed in range(20)]
    assert {"x", "grad_output"} in found
    assert {"x"} in found


@light
@given(filled("special"))
def test_an_array_with_special_values_has_one_in_each_image_and_each_channel(case: Case) -> None:
    values, problem = values_of(case), case.problem
    for name in special_names(case) - {"bias"} if case.layout != "broadcast" else set():
        array = values[name]
        if name == "columns":
            split = array.reshape(problem.channels, problem.taps, problem.places, problem.batch)
            array = split.transpose(3, 0, 1, 2)
        # of data that are only copied, a subnormal or a negative zero is special too
        special = ~np.isfinite(array) | (abs(array) < 1)
        assert special.any(axis=(1, 2, 3)).all()
        assert special.any(axis=(0, 2, 3)).all()


def test_zero_times_what_is_not_finite_is_asked_for() -> None:
    """Zeros stand in each factor of a case whose other factor is not finite."""
    cases = [values_of(parse_spec(f"conv2d:c2h3w3o2k2:special:{seed}")) for seed in range(20)]
    for zero, other in (("weight", "x"), ("x", "weight"), ("grad_output", "x"), ("grad_output", "weight")):
        assert any((each[zero] == 0).any() and not np.isfinite(each[other]).all() for each in cases)


@light
@given(filled("special", "conv2d"))
def test_what_infinities_are_multiplied_by_is_never_subnormal(case: Case) -> None:
    """A processor that takes subnormals as zero would make NaN of it."""
    values = values_of(case)
    if special_names(case) - {"x"}:
        assert all((~(abs(array) < 1) | (array == 0)).all() for array in values.values())


@light
@given(filled("special"))
def test_special_data_are_never_all_finite(case: Case) -> None:
    """By this they are told from others."""
    values = values_of(case)
    assert special_names(case) or not all(array.size for array in values.values())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operator", ["conv2d", "avg_pool2d", "max_pool2d", "im2col"])
def test_special_data_have_every_kind_of_special_value_among_ordinary_ones(operator: str, dtype: str) -> None:
    problem = Problem(operator=operator, axes=make_axes(size=(32, 32)))
    cases = [Case(problem=problem, dtype=dtype, fill="special", seed=seed) for seed in range(20)]
    kinds: dict[str, Callable[[Array], Any]] = {
        "NaN": np.isnan,
        "infinity": np.isposinf,
        "minus infinity": np.isneginf,
        "minus zero": lambda a: (a == 0) & np.signbit(a),
        "subnormal": lambda a: (a > 0) & (a < DTYPES[dtype].smallest_normal),
        "negative subnormal": lambda a: (a < 0) & (a > -DTYPES[dtype].smallest_normal),
    }
    data = np.array([values_of(case)["x"] for case in cases])
    found = {name: int(kind(data).sum()) for name, kind in kinds.items()}
    assert all(found.values()), found
    assert sum(found.values()) < data.size / 3


def test_special_data_of_a_max_pool_have_infinities_without_nan_on_every_other_seed() -> None:
    """Where there is NaN, its gradient is not judged."""
    cases = [
        Case(problem=Problem(operator="max_pool2d", axes=make_axes(size=(16, 16))), fill="special", seed=seed)
        for seed in range(4)
    ]
    data = [values_of(case)["x"] for case in cases]
    assert [bool(np.isnan(x).any()) for x in data] == [True, False, True, False]
    assert all(np.isneginf(x).any() and np.isposinf(x).any() for x in data)


@light
@given(filled("ties"))
def test_ties_are_zeros_and_ones_and_gradients_stay_on_the_lattice(case: Case) -> None:
    values = values_of(case)
    assert np.isin(values["x"], [0, 1]).all()
    assert (values["grad_output"] != 0).all()


@light
@given(filled("negative"))
def test_negative_data_are_below_zero_and_the_input_of_max_distinct_and_apart(case: Case) -> None:
    values = values_of(case)
    assert all((array < 0).all() for array in values.values())
    assert (np.diff(np.sort(values["x"].astype(np.float64), axis=None)) >= 4).all()


@light
@given(filled("equal"))
def test_equal_data_have_one_value_in_each_array(case: Case) -> None:
    for array in values_of(case).values():
        assert len(np.unique(array)) == min(1, array.size)
        assert (array != 0).all()


@light
@given(st.sampled_from(["huge", "tiny"]).flatmap(filled))
def test_huge_and_tiny_data_are_the_lattice_times_powers_of_two(case: Case) -> None:
    """What is added to a product has the scale of the product."""
    plain = values_of(replace(case, fill="lattice"))
    scales = {name: scale(case.operator, case.dtype, case.fill, name) for name in plain}
    for name, array in values_of(case).items():
        assert np.array_equal(array, np.ldexp(plain[name], scales[name]))
    assert scales.get("grad_output", 0) == 0
    assert scales.get("bias", 0) in {0, step_of(case.operator, case.dtype, case.fill, "y")}


@light
@given(st.sampled_from(["huge", "tiny"]).flatmap(filled))
def test_sums_of_huge_and_tiny_data_are_normal_numbers_with_room_to_spare(case: Case) -> None:
    """At least 2**20 away from over- and underflow, whatever is added up first."""
    limits = np.finfo(DTYPES[case.dtype].type)
    magnitudes = {name: abs(array.astype(object)) for name, array in values_of(case).items()}
    n = max(1, *case.operator.roundings(case.problem).values())
    for names in case.operator.terms.values():
        arrays = [magnitudes[name] for name in names]
        if all(array.size for array in arrays):
            found = [array[array != 0] for array in arrays]
            most, least = (prod(Fraction(float(pick(array))) for array in found) for pick in (max, min))
            assert n * most * 2**20 < Fraction(float(limits.max))
            assert least > 2**20 * Fraction(float(limits.smallest_normal))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operator", OPERATORS)
def test_huge_and_tiny_data_are_beyond_what_is_taken_for_infinite_and_for_zero(operator: str, dtype: str) -> None:
    problem = Problem(operator=operator, channels=2, axes=make_axes(size=(6, 6), kernel_size=(2, 2)))
    data = OPERATORS[operator].terms["y"]
    huge = values_of(Case(problem=problem, dtype=dtype, fill="huge"))[data[0]]
    tiny = values_of(Case(problem=problem, dtype=dtype, fill="tiny"))
    assert abs(huge).min() > 1e18
    assert huge.min() < -1e18
    assert all(abs(tiny[name]).max() < 1e-8 for name in data)


def rounded_to_half(name: str) -> Callable[..., Any]:
    """A function of `impl` whose result passes through float16."""

    def called(x: Array, *arguments: Any, **options: Any) -> Array:
        y: Array = getattr(impl, name)(x, *arguments, **options)
        with np.errstate(all="ignore"):
            half: Array = y.astype(np.float16).astype(x.dtype)
        return half

    return called


def skips_small_weights(x: Array, weight: Array, *arguments: Any, **options: Any) -> Array:
    return impl.conv2d(x, np.where(abs(weight) < 1e-8, 0, weight).astype(x.dtype), *arguments, **options)


def adds_a_little(x: Array, *arguments: Any, **options: Any) -> Array:
    y: Array = impl.avg_pool2d(x, *arguments, **options) + x.dtype.type(1e-12)
    return y


def starts_at_a_billion(x: Array, *arguments: Any, **options: Any) -> Array:
    y: Array = np.maximum(impl.max_pool2d(x, *arguments, **options), x.dtype.type(-1e9))
    return y


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("spec", "functions"),
    [
        ("conv2d:h3w3k2+bias:tiny", {"conv2d": skips_small_weights}),
        ("conv2d:h3w3k2:huge", {"conv2d": rounded_to_half("conv2d")}),
        ("avg_pool2d:h3w3k2:tiny", {"avg_pool2d": adds_a_little}),
        ("im2col:h3w3k2:tiny", {"im2col": rounded_to_half("im2col")}),
        ("max_pool2d:h3w3:huge", {"max_pool2d": starts_at_a_billion}),
    ],
)
def test_values_that_matter_are_judged_without_tolerance(
    spec: str, dtype: str, functions: dict[str, Callable[..., Any]]
) -> None:
    case = parse_spec(f"{spec}:{dtype}")
    assert {result.verdict for result in judge(case, impl)} <= {"passed", "vacuous"}
    failed = [result.check for result in judge(case, SimpleNamespace(**functions)) if result.verdict == "failed"]
    assert failed[:1] == ["forward"]


def test_a_value_half_a_scaled_step_away_is_wrong_and_a_little_off_is_right() -> None:
    case = parse_spec("conv2d:h3w3k2:f64:tiny")
    for off, verdict in ((2.0**-20, "passed"), (0.6, "failed")):
        step = np.ldexp(off, step_of(case.operator, "f64", "tiny", "y"))
        judged = SimpleNamespace(conv2d=lambda *a, step=step, **o: impl.conv2d(*a, **o) + step)
        (result,) = judge(case, judged, ["forward"])
        assert result.verdict == verdict


def flushing(name: str, keep: Callable[[Array], Any]) -> Callable[..., Any]:
    """A function of `impl` that replaces by 0 what a condition does not keep."""

    def called(x: Array, *arguments: Any, **options: Any) -> Array:
        y: Array = getattr(impl, name)(x, *arguments, **options)
        return np.where(keep(y), y, 0).astype(x.dtype)

    return called


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operator", ["im2col", "max_pool2d"])
@pytest.mark.parametrize("lost", ["subnormals", "signs of zeros"])
def test_what_is_copied_or_chosen_must_keep_subnormals_and_signs_of_zeros(operator: str, dtype: str, lost: str) -> None:
    keep = {
        "subnormals": lambda y: ~(abs(y) < DTYPES[dtype].smallest_normal) | (y == 0),
        "signs of zeros": lambda y: y != 0,
    }[lost]
    case = parse_spec(f"{operator}:h20w20:special:{dtype}")
    assert {result.verdict for result in judge(case, impl)} == {"passed"}
    (result,) = judge(case, SimpleNamespace(**{operator: flushing(operator, keep)}), ["special_values"])
    assert (result.verdict, result.symptom) == ("failed", "wrong value")


def test_a_maximum_of_zeros_of_both_signs_may_have_either_and_of_one_sign_only_that() -> None:
    either, negative = "max_pool2d:w2k1x2:points@x.0.0.0.0=-0.0", "max_pool2d:w1:points@x.0.0.0.0=-0.0"
    for spec, zero, verdict in ((either, 0.0, "vacuous"), (either, -0.0, "vacuous"), (negative, 0.0, "failed")):
        judged = SimpleNamespace(max_pool2d=lambda *_, zero=zero, **__: np.full((1, 1, 1, 1), zero))
        (result,) = judge(parse_spec(spec), judged, ["forward"])
        assert result.verdict == verdict


@pytest.mark.parametrize(("dtype", "unit", "normal"), [("f32", 2**-24, 2**-126), ("f64", 2**-53, 2**-1022)])
def test_the_constants_of_the_dtypes(dtype: str, unit: float, normal: float) -> None:
    assert DTYPES[dtype].unit_roundoff == unit
    assert DTYPES[dtype].smallest_normal == normal


def test_the_lattice_of_a_problem_too_large_for_a_dtype_has_no_values() -> None:
    """No sum of averages is whole where the divisors of 7 to 13 pixels a side meet in one window."""
    problem = Problem(
        operator="avg_pool2d",
        axes=make_axes(size=(14, 14), kernel_size=(13, 13), padding=(6, 6)),
        count_include_pad=False,
    )
    assert lattice_of(problem, "f32").magnitude == 0
    assert case_rule(Case(problem=problem, dtype="f32")) is not None
