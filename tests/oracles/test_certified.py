"""Outputs on real data, known up to a bound of their own: the loops in exact numbers lie within it."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import definition, real
from oracles.certified import Certified, add_up, product_error
from oracles.exact import as_integers

CONVOLUTION = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}
AVERAGE = {"stride": (2, 1), "padding": (1, 1), "ceil_mode": True, "count_include_pad": False}
MAXIMUM = {"stride": (2, 1), "padding": (1, 1), "dilation": (1, 2), "ceil_mode": True}

numbers = st.floats(-1e6, 1e6, allow_subnormal=False)


def data(shape: tuple[int, ...], dtype: str, binades: int, seed: int) -> np.ndarray:
    """Numbers with every bit of the significand in use, spread over some binades."""
    generator = np.random.default_rng([seed, *shape])
    exponents = generator.integers(-binades, binades, shape, endpoint=True)
    return np.ldexp(generator.uniform(-1, 1, shape), exponents).astype(dtype)


def require_certified(found: Any, exact: np.ndarray, scale: Fraction) -> None:
    assert isinstance(found, Certified)
    assert found.shape == exact.shape
    for index in np.ndindex(exact.shape):
        truth = scale * Fraction(exact.item(index))
        assert found[index] == truth
        known = Fraction(float(found.high[index])) + Fraction(float(found.low[index]))
        assert abs(known - truth) <= Fraction(float(found.error[index]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("binades", [0, 20, 100])
@pytest.mark.parametrize("block", [2**29, 1])
def test_a_convolution_and_its_gradients_are_within_their_error_of_the_loops(
    dtype: str, binades: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real, "MOST_BYTES", block)
    binades = min(binades, 30) if dtype == "float32" else binades
    shapes = {"x": (2, 4, 5, 6), "weight": (4, 2, 2, 3), "bias": (4,), "grad_output": (2, 4, 3, 6)}
    arrays = {name: data(shape, dtype, binades, number) for number, (name, shape) in enumerate(shapes.items())}
    (x, weight, bias, grad), exponent = as_integers(*arrays.values())
    scale = Fraction(2) ** exponent
    y = definition.conv2d(x, weight, bias * 2**-exponent, **CONVOLUTION)  # type: ignore[arg-type] # options
    require_certified(
        real.conv2d(arrays["x"], arrays["weight"], arrays["bias"], **CONVOLUTION),  # type: ignore[arg-type] # options
        y,
        scale**2,
    )
    loops = definition.conv2d_backward(grad, x, weight, bias, **CONVOLUTION)  # type: ignore[arg-type] # options
    found = real.conv2d_backward(
        arrays["grad_output"],
        arrays["x"],
        arrays["weight"],
        arrays["bias"],
        **CONVOLUTION,  # type: ignore[arg-type] # options
    )
    for gradient, exact, power in zip(found, loops, (2, 2, 1), strict=True):
        assert exact is not None
        require_certified(gradient, exact, scale**power)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("divisor", [None, 3, -7])
def test_averages_are_within_their_error_of_the_loops(dtype: str, divisor: int | None) -> None:
    x, grad = data((2, 1, 5, 6), dtype, 20, 0), data((2, 1, 3, 6), dtype, 20, 1)
    (x_exact, grad_exact), exponent = as_integers(x, grad)
    options: dict[str, Any] = {**AVERAGE, "divisor_override": divisor}
    scale = Fraction(2) ** exponent
    require_certified(real.avg_pool2d(x, (3, 3), **options), definition.avg_pool2d(x_exact, (3, 3), **options), scale)
    require_certified(
        real.avg_pool2d_backward(grad, x, (3, 3), **options),
        definition.avg_pool2d_backward(grad_exact, x_exact, (3, 3), **options),
        scale,
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_of_maxima_and_sums_of_columns_are_within_their_error_of_the_loops(dtype: str) -> None:
    options: dict[str, Any] = MAXIMUM
    x, grad = data((2, 1, 5, 7), dtype, 20, 0), data((2, 1, 3, 5), dtype, 20, 1)
    (x_exact, grad_exact), exponent = as_integers(x, grad)
    require_certified(
        real.max_pool2d_backward(grad, x, (3, 3), **options),
        definition.max_pool2d_backward(grad_exact, x_exact, (3, 3), **options),
        Fraction(2) ** exponent,
    )
    options = {"stride": (1, 2), "padding": (1, 0), "dilation": (1, 1)}
    shape = (2, 1, 3, 5)
    columns = data((6, 4 * 2 * 2), dtype, 20, 2)
    (columns_exact,), exponent = as_integers(columns)
    require_certified(
        real.col2im(columns, shape, (2, 3), **options),
        definition.col2im(columns_exact, shape, (2, 3), **options),
        Fraction(2) ** exponent,
    )


@given(st.lists(numbers, max_size=40))
def test_a_sum_is_off_by_its_bound_at_most(terms: list[float]) -> None:
    high, low, bound = add_up(np.array(terms, np.float64))
    assert abs(Fraction(float(high)) + Fraction(float(low)) - sum(map(Fraction, terms))) <= Fraction(float(bound))


def test_a_sum_in_which_nearly_all_cancels_keeps_what_is_left() -> None:
    high, low, _ = add_up(np.array([1e16, 1.0, -1e16, 2.0**-40]))
    assert float(high) + float(low) == 1 + 2.0**-40


@given(numbers, numbers)
def test_a_product_and_its_error_are_the_product(a: float, b: float) -> None:
    product = a * b
    if abs(product) > 1e-200:
        error = product_error(np.array(a), np.array(b), np.array(product))
        assert Fraction(a) * Fraction(b) == Fraction(product) + Fraction(float(error))


def test_nothing_is_known_of_what_overflows() -> None:
    large = np.full((1, 1, 1, 1), 1e300)
    with np.errstate(over="ignore", invalid="ignore"):
        found = real.conv2d(large, large, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1)
    assert np.isnan(found.error).all()
    assert found[0, 0, 0, 0] == Fraction(1e300) ** 2
