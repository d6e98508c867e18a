"""Comparing with the truth: what is decided exactly, and where the line runs."""

from fractions import Fraction
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from convgate.cases.case import Case
from convgate.cases.dtypes import DTYPES
from convgate.judging.compare import Bound, Copied, Mismatch, compare, describe
from convgate.judging.norm_bound import NormBound
from convgate.judging.trial import Trial
from convgate.oracle_list import Certified
from convgate.problems.axis import make_axes
from convgate.problems.problem import Problem

Array = NDArray[Any]


def truth(*values: Any) -> Array:
    """Exact numbers."""
    found = np.empty(len(values), object)
    found[:] = values
    return found


def doubles(*values: float) -> Array:
    """What a subject returned, in float64."""
    return np.array(values, np.float64)


def symptom(found: Mismatch | None) -> str:
    """The symptom, or nothing."""
    return found.symptom if found is not None else ""


# Half a step


@pytest.mark.parametrize("actual", [3.0, 3.25, np.nextafter(3.5, 0), np.nextafter(2.5, 3)])
def test_on_the_lattice_less_than_half_a_step_is_right(actual: float) -> None:
    assert compare(doubles(actual), truth(3), "f64") is None
    assert compare(doubles(-actual), truth(-3), "f64") is None


@pytest.mark.parametrize("actual", [3.5, 2.5, 4.0, 2.0, 0.0, -3.0, inf, -inf])
def test_on_the_lattice_half_a_step_or_more_is_wrong(actual: float) -> None:
    assert symptom(compare(doubles(actual), truth(3), "f64")) == "wrong value"
    assert symptom(compare(doubles(-actual), truth(-3), "f64")) == "wrong value"


def test_on_the_lattice_float32_is_compared_without_rounding() -> None:
    large = 2**23 - 1
    assert compare(np.array([large], np.float32), truth(large), "f32") is None
    assert symptom(compare(np.array([large], np.float32), truth(large + 1), "f32")) == "wrong value"
    assert symptom(compare(np.array([large + 0.5], np.float32), truth(large), "f32")) == "wrong value"


@given(st.integers(-(2**50), 2**50), st.integers(-3, 3))
def test_on_the_lattice_only_the_true_integer_is_right(value: int, off: int) -> None:
    assert (compare(doubles(value + off), truth(value), "f64") is None) == (off == 0)


def test_a_mismatch_names_the_first_wrong_entry_and_counts_the_wrong_ones() -> None:
    expected, actual = np.arange(6).reshape(2, 3).astype(object), np.arange(6.0).reshape(2, 3)
    actual[0, 2] = 7
    actual[1, 1] = -1
    assert compare(actual, expected, "f64") == Mismatch(
        "wrong value", "must be 2, got 7 (2 of 6 wrong)", (0, 2), "2", "7"
    )


@pytest.mark.parametrize("bound", [None, Bound(np.empty((0, 2), object), 3, "f64")])
def test_empty_arrays_agree(bound: Bound | None) -> None:
    assert compare(np.zeros((0, 2)), np.empty((0, 2), object), "f64", bound) is None


# NaN and infinities


def test_nan_and_infinities_must_be_where_they_are() -> None:
    values = doubles(nan, inf, -inf, 1)
    assert compare(values.copy(), values, "f64") is None


@pytest.mark.parametrize(("expected", "actual"), [(nan, 0.0), (0.0, nan), (nan, inf), (-inf, nan)])
def test_nan_where_it_is_not_or_none_where_it_is(expected: float, actual: float) -> None:
    found = compare(doubles(1, actual), doubles(1, expected), "f64")
    assert found is not None
    assert (found.symptom, found.index) == ("NaN mismatch", (1,))
    assert found.message == f"must be {describe(expected)}, got {describe(actual)} (1 of 2 wrong)"


@pytest.mark.parametrize(("expected", "actual"), [(inf, -inf), (inf, 1e308), (0.0, inf), (-inf, -1e308)])
def test_an_infinity_must_be_the_same_infinity(expected: float, actual: float) -> None:
    assert symptom(compare(doubles(actual), doubles(expected), "f64")) == "wrong value"


def test_a_mismatch_of_nan_is_named_before_a_wrong_value() -> None:
    found = compare(doubles(5, nan), doubles(4, 4), "f64")
    assert found is not None
    assert (found.symptom, found.index) == ("NaN mismatch", (1,))


@pytest.mark.parametrize("roundings", [0, 1, 5])
@pytest.mark.parametrize("actual", [nan, inf, -inf])
def test_a_bound_does_not_excuse_what_is_not_finite(actual: float, roundings: int) -> None:
    assert compare(doubles(actual), truth(1), "f64", Bound(truth(Fraction(10**9)), roundings, "f64")) is not None


@pytest.mark.parametrize("roundings", [0, 1, 5])
def test_with_a_bound_the_minus_infinity_of_an_empty_window_is_right(roundings: int) -> None:
    bound = Bound(truth(-inf), roundings, "f64")
    assert compare(doubles(-inf), truth(-inf), "f64", bound) is None
    assert symptom(compare(doubles(0), truth(-inf), "f64", bound)) == "wrong value"


# Type, shape and dtype


@pytest.mark.parametrize(
    ("actual", "name"), [([[1.0]], "list"), (1.0, "float"), (None, "NoneType"), (np.float64(1), "float64")]
)
def test_what_is_no_array_has_the_wrong_type(actual: object, name: str) -> None:
    found = compare(actual, truth(1), "f64")
    assert found == Mismatch("wrong type", f"must be numpy.ndarray itself, got {name}", None, "ndarray", name)


@pytest.mark.parametrize("shape", [(3, 2), (6,), (2, 3, 1), (0, 3), ()])
def test_a_wrong_shape_is_named(shape: tuple[int, ...]) -> None:
    found = compare(np.zeros(shape), np.zeros((2, 3), object), "f64")
    assert found == Mismatch("wrong shape", f"must have the shape (2, 3), got {shape}", None, "(2, 3)", str(shape))


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "object", "complex128", ">f8"])
def test_a_wrong_dtype_is_named(dtype: str) -> None:
    found = compare(np.ones(2, dtype), truth(1, 1), "f64")
    assert found is not None
    assert (found.symptom, found.index) == ("wrong dtype", None)
    assert found.message == f"must be of dtype float64, got {np.dtype(dtype)}"
    assert (found.expected, found.actual) == ("float64", str(np.dtype(dtype)))


def test_a_shape_is_looked_at_before_a_dtype() -> None:
    assert symptom(compare(np.zeros(3, np.float32), truth(0, 0), "f64")) == "wrong shape"


# Bounds

normal = st.floats(-(2.0**30), 2.0**30, width=32, allow_subnormal=False)
pairs = st.lists(st.tuples(normal, normal), min_size=1, max_size=40)


def exactly(terms: list[tuple[float, float]]) -> tuple[Fraction, Fraction]:
    """The sum of products, and of their magnitudes."""
    products = [Fraction(p) * Fraction(q) for p, q in terms]
    return sum(products, Fraction(0)), sum(map(abs, products), Fraction(0))


@given(pairs)
def test_a_correctly_rounded_result_is_right(terms: list[tuple[float, float]]) -> None:
    total, magnitude = exactly(terms)
    bound = Bound(truth(magnitude), len(terms), "f32")
    assert compare(np.array([float(total)]).astype(np.float32), truth(total), "f32", bound) is None


@given(pairs.flatmap(st.permutations))
def test_a_float32_sum_in_any_order_is_right(terms: list[tuple[float, float]]) -> None:
    total, magnitude = exactly(terms)
    bound = Bound(truth(magnitude), len(terms), "f32")
    single = np.array(terms, np.float32)
    products = single[:, 0] * single[:, 1]
    by_hand = np.add.accumulate(products)[-1:]
    assert by_hand.dtype == np.float32
    for found in (by_hand, products.sum(keepdims=True), np.atleast_1d(single[:, 0] @ single[:, 1])):
        assert compare(found, truth(total), "f32", bound) is None


@given(pairs)
def test_subnormal_results_may_be_flushed_to_zero(terms: list[tuple[float, float]]) -> None:
    tiny = [(p / 2.0**110, q / 2.0**110) for p, q in terms]
    total, magnitude = exactly(tiny)
    assert magnitude < DTYPES["f32"].smallest_normal
    bound = Bound(truth(magnitude), len(terms), "f32")
    assert compare(np.zeros(1, np.float32), truth(total), "f32", bound) is None


@pytest.mark.parametrize("narrow", [np.float16, np.float32])
def test_a_sum_in_a_narrower_accumulator_is_inaccurate(narrow: type[np.floating]) -> None:
    terms = [1 + k / 997 for k in range(60)]
    total = sum(map(Fraction, terms))
    dtype = "f32" if narrow is np.float16 else "f64"
    found = np.add.accumulate(np.array(terms, narrow))[-1:].astype(DTYPES[dtype].type)
    assert symptom(compare(found, truth(total), dtype, Bound(truth(total), 60, dtype))) == "inaccurate"


def test_the_bound_is_highams_and_one_rounding_of_the_output() -> None:
    u = Fraction(1, 2**53)
    bound = Bound(truth(Fraction(7), Fraction(0)), 4, "f64")
    floor = 5 * Fraction(DTYPES["f64"].smallest_normal)
    assert bound.at((0,)) == 5 * u / (1 - 5 * u) * 7 + floor
    assert bound.at((1,)) == floor


fractions = st.fractions(-4, 4, max_denominator=3**40)


@given(st.data(), fractions, st.fractions(0, 3), st.integers(1, 50), st.sampled_from(sorted(DTYPES)))
def test_the_line_runs_exactly_at_the_bound(
    data: st.DataObject, value: Fraction, more: Fraction, roundings: int, dtype: str
) -> None:
    """Of the numbers of the dtype around either end of the bound, those within are right and those beyond wrong."""
    bound = Bound(truth(abs(value) + more), roundings, dtype)
    error = bound.at((0,))
    number = DTYPES[dtype].type(float(value + data.draw(st.sampled_from([-1, 1])) * error))
    for step in range(-3, 4):
        near = number
        for _ in range(abs(step)):
            near = np.nextafter(near, DTYPES[dtype].type(inf if step > 0 else -inf))
        within = abs(Fraction(float(near)) - value) <= error
        assert (compare(np.array([near]), truth(value), dtype, bound) is None) == within


def test_a_result_beyond_the_bound_is_found_where_float64_would_not_see_it() -> None:
    """The truth lies a little below 1, and 1 + 2**-52 beyond the bound of it, but within the bound of 1."""
    value = 1 - Fraction(9, 10) / 2**54
    bound = Bound(truth(Fraction(1)), 1, "f64")
    actual = 1 + 2.0**-52
    assert float(value) == 1
    assert abs(actual - float(value)) <= float(bound.at((0,)))
    assert symptom(compare(doubles(actual), truth(value), "f64", bound)) == "inaccurate"


def test_a_result_within_the_bound_is_right_where_float64_would_blame_it() -> None:
    value = 1 + Fraction(9, 10) / 2**53
    bound = Bound(truth(Fraction(16, 10)), 1, "f64")
    actual = 1 + 2.0**-51
    assert float(value) == 1
    assert abs(actual - float(value)) > float(bound.at((0,)))
    assert compare(doubles(actual), truth(value), "f64", bound) is None


def test_what_claims_less_than_a_rounding_is_wrong_by_one_that_float64_would_not_see() -> None:
    value = 1 + Fraction(1, 2**54)
    assert float(value) == 1
    for factor, found in ((0.4, "inaccurate"), (0.5, ""), (1.0, "")):
        claimed = NormBound(truth(Fraction(1)), 1, "f64", factor=factor)
        assert symptom(compare(doubles(1), truth(value), "f64", claimed)) == found


@given(st.integers(-(2**60), 2**60), st.integers(0, 3), st.integers(-4, 4), st.sampled_from(sorted(DTYPES)))
def test_what_is_at_once_seen_to_be_right_is_within_the_bound(
    numerator: int, roundings: int, ulps: int, dtype: str
) -> None:
    value = Fraction(numerator, 2**58 - 1)
    bound = Bound(truth(abs(value)), roundings, dtype)
    nearest = DTYPES[dtype].type(float(value))
    actual = nearest + DTYPES[dtype].type(ulps) * np.spacing(nearest)
    within = abs(Fraction(float(actual)) - value) <= bound.at((0,))
    assert (compare(np.array([actual]), truth(value), dtype, bound) is None) == within


# Inaccurate, or wrong


def test_what_a_narrow_accumulator_could_give_is_inaccurate_and_the_rest_is_wrong() -> None:
    """Nine roundings and one of the output to 8 bits: up to 10 / 256 of the magnitude."""
    bound = Bound(truth(Fraction(256)), 9, "f64")
    assert symptom(compare(doubles(100 + 10), truth(100), "f64", bound)) == "inaccurate"
    assert symptom(compare(doubles(100 - 10), truth(100), "f64", bound)) == "inaccurate"
    assert symptom(compare(doubles(np.nextafter(110, 111)), truth(100), "f64", bound)) == "wrong value"


def test_one_wrong_value_among_inaccurate_ones_is_the_symptom() -> None:
    bound = Bound(truth(*[Fraction(256)] * 3), 9, "f64")
    found = compare(doubles(101, 300, 100), truth(100, 100, 100), "f64", bound)
    assert symptom(found) == "wrong value"
    assert found is not None
    assert "2 of 3 wrong" in found.message


def test_data_rounded_to_half_precision_are_inaccurate() -> None:
    x = np.array([0.1, 0.7])
    bound = Bound(truth(*map(Fraction, x)), 1, "f64")
    assert symptom(compare(x.astype(np.float16).astype(float), truth(*map(Fraction, x)), "f64", bound)) == "inaccurate"


# Without roundings


@given(st.floats(-1e300, 1e300), st.sampled_from(sorted(DTYPES)))
def test_without_roundings_right_means_equal(value: float, dtype: str) -> None:
    number = DTYPES[dtype].type(np.clip(value, -1e30, 1e30))
    expected = np.array([float(number)])
    assert compare(np.array([number]), expected, dtype, Copied()) is None
    for neighbour in (np.nextafter(number, DTYPES[dtype].type(inf)), np.nextafter(number, DTYPES[dtype].type(-inf))):
        assert compare(np.array([neighbour]), expected, dtype, Copied()) is not None


@pytest.mark.parametrize(
    ("found", "must_be"), [(0.0, -0.0), (-0.0, 0.0), (0.0, 5e-324), (inf, -inf), (nan, inf), (2.0, nan)]
)
def test_what_is_copied_keeps_signs_of_zeros_subnormals_and_what_is_not_finite(found: float, must_be: float) -> None:
    """To half a step of a lattice of integers the first three are right."""
    assert compare(doubles(found), doubles(must_be), "f64", Copied()) is not None
    assert compare(doubles(must_be), doubles(must_be), "f64", Copied()) is None


def test_a_zero_may_have_either_sign_where_both_were_to_choose_from() -> None:
    either = Copied(np.array([True, False]))
    assert compare(doubles(-0.0, 0.0), doubles(0.0, 0.0), "f64", either) is None
    found = compare(doubles(-0.0, -0.0), doubles(0.0, 0.0), "f64", either)
    assert found is not None
    assert (found.index, found.expected, found.actual) == ((1,), "0", "-0")


# Steps that are not 1


@pytest.mark.parametrize("step", [-84, -682, 64, 512])
def test_half_a_step_is_half_of_that_step(step: int) -> None:
    unit = Fraction(2) ** step
    expected = truth(3 * unit, -7 * unit)
    for off, wrong in ((0.0, False), (0.49, False), (0.5, True), (-0.51, True), (1e12, True)):
        actual = np.ldexp(doubles(3 + off, -7), step)
        assert (compare(actual, expected, "f64", step=step) is not None) == wrong
    assert symptom(compare(doubles(0, 0), expected, "f64", step=step)) == "wrong value"


def test_the_bound_does_not_shrink_as_roundings_grow() -> None:
    bounds = [Bound(truth(Fraction(3)), n, "f32").at((0,)) for n in range(20)]
    assert bounds == sorted(bounds)
    assert bounds[1] > 2 * Fraction(DTYPES["f32"].unit_roundoff) * 3


# Numbers in words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (-2, "-2"),
        (0.1, "0.10000000000000001"),
        (np.float32(0.1), "0.1"),
        (Fraction(1, 3), "1/3"),
        (Fraction(-7, 999), "-7/999"),
        (Fraction(6, 2), "3"),
        (Fraction(1, 1024), "0.0009765625"),
        (nan, "nan"),
        (-inf, "-inf"),
        (-0.0, "-0"),
        (0.0, "0"),
        ("as it was", "as it was"),
        (10**20 + 1, "100000000000000000001"),
        (1e20, "1e+20"),
    ],
)
def test_a_number_is_written_as_a_person_would(value: Any, text: str) -> None:
    assert describe(value) == text


# Overflow, underflow and signs: each of these blamed a correct subject, or ended convgate, before


@pytest.mark.parametrize(("found", "above", "below"), [(inf, 4, 0), (-inf, 0, 4), (nan, 4, 4), (inf, 4, 4)])
def test_a_sum_may_overflow_on_the_way_to_a_number(found: float, above: int, below: int) -> None:
    """The terms of one sign alone are more than float32 can hold."""
    large = Fraction(2) ** 126
    exact, magnitude = truth((above - below) * large / 2), truth(2 * (above + below) * large)
    assert compare(np.array([found], np.float32), exact, "f32", Bound(magnitude, 3, "f32")) is None


@pytest.mark.parametrize("found", [inf, -inf, nan])
def test_a_sum_does_not_overflow_on_a_side_on_which_it_has_no_such_terms(found: float) -> None:
    """All terms are negative, and together three quarters of the largest number."""
    exact, magnitude = truth(-3 * 2**126), truth(3 * 2**126)
    assert compare(np.array([found], np.float32), exact, "f32", Bound(magnitude, 3, "f32")) is not None


def test_what_is_divided_may_have_overflowed_as_a_sum() -> None:
    exact = truth(2**127)
    for divisor, right in [(1, False), (4, True)]:
        bound = Bound(exact, 6, "f32", divisor=divisor)
        assert (compare(np.array([inf], np.float32), exact, "f32", bound) is None) == right


@pytest.mark.parametrize("value", [2**1024, 2**1024 - 1, -(2**1024), Fraction(2**1030, 3), 10**400])
def test_a_truth_that_no_float_can_hold_is_an_infinity_and_no_number(value: Any) -> None:
    bound = Bound(truth(abs(value)), 4, "f64")
    assert compare(doubles(inf if value > 0 else -inf), truth(value), "f64", bound) is None
    for wrong in (0.0, -inf if value > 0 else inf):
        assert symptom(compare(doubles(wrong), truth(value), "f64", bound)) == "wrong value"


def test_magnitudes_that_no_float_can_hold_do_not_excuse_a_wrong_number() -> None:
    bound = Bound(truth(2**1030), 4, "f64")
    assert compare(doubles(5.0), truth(5), "f64", bound) is None
    assert symptom(compare(doubles(2.0**1020), truth(5), "f64", bound)) == "inaccurate"


def test_subnormal_data_may_be_taken_as_zero() -> None:
    """A product of 1e-310 and 1e10 is no subnormal, but gone if its factor is."""
    exact = truth(Fraction(1e-310) * 10**10)
    assert symptom(compare(doubles(0), exact, "f64", Bound(exact, 1, "f64"))) == "wrong value"
    assert compare(doubles(0), exact, "f64", Bound(exact, 1, "f64", subnormal=exact)) is None


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_certified_numbers_decide_as_exact_ones_do(dtype: str) -> None:
    """Errors all around the bounds of rightness and of narrowness: what floats leave in doubt is decided exactly."""
    case = Case(
        problem=Problem(operator="conv2d", channels=3, axes=make_axes(size=(4, 5), kernel_size=(2, 3))),
        dtype=dtype,
        fill="real",
    )
    trial = Trial(case, None)
    call = case.operator.forward(case.problem)
    known, bound = trial.expected(call)["y"], trial.bound(call, "y", dtype)
    assert isinstance(known, Certified)
    assert isinstance(bound, Bound)
    assert isinstance(bound.magnitude, Certified)
    exact, magnitude = (
        np.array([each[index] for index in np.ndindex(each.shape)], object).reshape(each.shape)
        for each in (known, bound.magnitude)
    )
    exactly = Bound(magnitude, bound.roundings, dtype)
    seen = set()
    for factor in (0, 0.5, 0.99, 1 - 1e-6, 1, 1 + 1e-6, 1.01, 2, 1e3, 1e6, 1e12, 2e14):
        for index in np.ndindex(exact.shape):
            actual = exact.astype(DTYPES[dtype].type)
            actual[index] += DTYPES[dtype].type(factor * float(bound.at(index)))
            found = compare(actual, known, dtype, bound)
            assert found == compare(actual, exact, dtype, exactly)
            seen.add(symptom(found) if found is not None else "")
    assert seen == {"", "inaccurate", "wrong value"}
