"""Floats are integers at some scale, and inner products of integers are exact."""

from __future__ import annotations

import inspect
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from oracles.exact import as_integers, exact_dot

derandomized = settings(derandomize=True, deadline=None)


def finite(dtype: type) -> st.SearchStrategy[np.ndarray]:
    return npst.arrays(
        dtype,
        npst.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False},
    )


@derandomized
@given(st.tuples(finite(np.float64), finite(np.float32), finite(np.float16)))
def test_integers_times_the_power_are_the_floats(arrays: tuple[np.ndarray, ...]) -> None:
    integers, exponent = as_integers(*arrays)
    assert exponent <= 0
    for one, other in zip(integers, arrays, strict=True):
        assert one.shape == other.shape
        assert one.dtype == object
        for integer, value in zip(one.ravel().tolist(), other.ravel().tolist(), strict=True):
            assert type(integer) is int
            assert integer * Fraction(2) ** exponent == Fraction(value)


def test_the_exponent_is_common_and_no_smaller_than_needed() -> None:
    (a, b), exponent = as_integers(np.array([0.75, -3.0]), np.array([0.5]))
    assert (a.tolist(), b.tolist(), exponent) == ([3, -12], [2], -2)


@pytest.mark.parametrize(
    "array", [np.arange(3), np.array([1e300, -0.0]), np.zeros((0, 2)), np.array([255], np.uint8)], ids=repr
)
def test_whole_numbers_have_exponent_zero(array: np.ndarray) -> None:
    (integers,), exponent = as_integers(array)
    assert exponent == 0
    assert integers.tolist() == array.tolist()


def test_the_smallest_subnormal() -> None:
    (integers,), exponent = as_integers(np.array([5e-324, 1.0]))
    assert (integers.tolist(), exponent) == ([1, 2**1074], -1074)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_neither_takes_what_is_not_finite(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        as_integers(np.array([1.0]), np.array([value]))
    with pytest.raises(ValueError, match="finite"):
        exact_dot(np.array([value]), np.array([0.0]))


def test_a_dot_product_that_floats_get_wrong() -> None:
    a, b = np.array([2.0**53, 1.0, -(2.0**53)]), np.array([2.0**53, 1.0, 2.0**53])
    assert float(a @ b) == 0.0
    assert exact_dot(a, b) == 1


def test_a_dot_product_rounds_each_element_first() -> None:
    assert exact_dot(np.array([0.9, 2.2], np.float32), np.array([2.1, -0.8])) == 0
    assert exact_dot(np.array([], object), np.zeros(0)) == 0
    assert exact_dot(np.array([10**30], object), np.array([3])) == 3 * 10**30


def test_a_dot_product_needs_equal_shapes() -> None:
    with pytest.raises(ValueError, match=r"shapes are \(3,\) and \(1,\)"):
        exact_dot(np.ones(3), np.ones(1))


def test_the_source_of_exact_dot_stands_alone() -> None:
    names: dict[str, Any] = {"np": np}
    exec("from __future__ import annotations\n" + inspect.getsource(exact_dot), names)  # noqa: S102 - as scripts do
    assert names["exact_dot"](np.array([2.0]), np.array([3.0])) == 6


@given(st.lists(st.tuples(*[st.floats(-(2.0**61), 2.0**61, allow_nan=False)] * 2), max_size=12))
def test_an_inner_product_of_large_floats_is_that_of_their_integers(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array([pair[side] for pair in pairs], np.float64) for side in (0, 1))
    assert exact_dot(a, b) == sum(round(p) * round(q) for p, q in pairs)
