"""Differences on integers equal the gradient exactly, and tell a wrong gradient."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from oracles import definition
from oracles.exact import exact_dot
from oracles.finite_difference import (
    NotDifferentiableError,
    backward_jacobian,
    central_difference,
    forward_jacobian,
    jacobians,
    random_direction,
    require_max_differentiable,
)

derandomized = settings(derandomize=True, deadline=None, max_examples=50)
seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from(["float32", "float64", "int64"])

Forward = Callable[[np.ndarray], np.ndarray]
Backward = Callable[[np.ndarray, np.ndarray], np.ndarray]


def integers(seed: int, *shape: int, dtype: str = "float64") -> np.ndarray:
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(dtype)


def operators(dtype: str = "float64") -> dict[str, tuple[Forward, Backward, int]]:
    """Forward, backward and the step on which the difference is an integer, of one problem of each operator."""
    weight = integers(5, 4, 1, 3, 2, dtype=dtype)
    conv: dict[str, Any] = {"stride": (2, 1), "padding": (1, 1), "dilation": (1, 2), "groups": 2}
    mean: dict[str, Any] = {"stride": (1, 2), "padding": (1, 0), "ceil_mode": True}
    most: dict[str, Any] = {"stride": (2, 1), "padding": (1, 1), "ceil_mode": True}
    return {
        "conv2d": (
            lambda x: definition.conv2d(x, weight, **conv),
            lambda g, x: definition.conv2d_backward(g, x, weight, **conv)[0],
            1,
        ),
        "avg_pool2d": (
            lambda x: definition.avg_pool2d(x, (2, 2), **mean),
            lambda g, x: definition.avg_pool2d_backward(g, x, (2, 2), **mean),
            4,
        ),
        "max_pool2d": (
            lambda x: definition.max_pool2d(x, (3, 2), **most),
            lambda g, x: definition.max_pool2d_backward(g, x, (3, 2), **most),
            1,
        ),
    }


def spread(seed: int, shape: tuple[int, ...], dtype: str, gap: int) -> np.ndarray:
    """Distinct multiples of gap, in random order."""
    return (np.random.default_rng(seed).permutation(int(np.prod(shape))).reshape(shape) * gap).astype(dtype)


@pytest.mark.parametrize("name", operators())
@derandomized
@given(dtype=dtypes, seed=seeds)
def test_a_central_difference_is_twice_the_step_times_the_slope(name: str, dtype: str, seed: int) -> None:
    forward, backward, step = operators(dtype)[name]
    x = spread(seed, (2, 2, 4, 5), dtype, 2 * step + 4)
    grad_output = integers(seed, *forward(x).shape, dtype=dtype)
    if name == "avg_pool2d":
        x, grad_output = x * 4, grad_output * 4
    direction = random_direction(x.shape, seed)
    gradient = backward(grad_output, x)
    slope, difference = central_difference(forward, lambda: gradient, (x,), grad_output, (0,), step, seed)
    assert slope == difference == 2 * step * exact_dot(gradient, direction)

    wrong = gradient.copy()
    place = tuple(np.argwhere(direction)[seed % np.count_nonzero(direction)])
    wrong[place] += 1
    slope, difference = central_difference(forward, lambda: (None, wrong), (x,), grad_output, (1,), step, seed)
    assert slope != difference


@derandomized
@given(seed=seeds, wrong=st.integers(0, 2))
def test_all_gradients_of_a_convolution_are_seen_in_one_difference(seed: int, wrong: int) -> None:
    x, weight, bias = integers(seed, 2, 2, 4, 5), integers(seed + 1, 4, 1, 3, 2), integers(seed + 2, 4)
    options: dict[str, Any] = {"stride": (2, 1), "padding": (1, 1), "dilation": (1, 2), "groups": 2}
    grad_output = integers(seed + 3, *definition.conv2d(x, weight, bias, **options).shape)

    def forward(*arrays: np.ndarray) -> np.ndarray:
        return definition.conv2d(*arrays, **options)

    gradients = definition.conv2d_backward(grad_output, x, weight, bias, **options)
    arrays, places = (x, weight, bias), (0, 1, 2)
    slope, difference = central_difference(forward, lambda: gradients, arrays, grad_output, places, 1, seed)
    assert slope == difference
    spoiled = tuple(each if number != wrong or each is None else each * 3 + 1 for number, each in enumerate(gradients))
    moved = random_direction(arrays[wrong].shape, seed + wrong)
    slope, difference = central_difference(forward, lambda: spoiled, arrays, grad_output, places, 1, seed)
    gradient = gradients[wrong]
    assert gradient is not None
    assert (slope == difference) == (exact_dot(2 * gradient + 1, moved) == 0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("name", operators())
def test_the_two_jacobians_agree_and_a_wrong_one_does_not(name: str, dtype: str) -> None:
    forward, backward, step = operators(dtype)[name]
    x = spread(0, (1, 2, 4, 3), dtype, 12)
    shape = forward(x).shape
    right, left = jacobians(forward, backward, x, np.zeros(shape), step)
    assert left.shape == (x.size, int(np.prod(shape)))
    assert left.any()
    np.testing.assert_array_equal(left, right)

    def forgets_one_tap(grad_output: np.ndarray, x: np.ndarray) -> np.ndarray:
        gradient = backward(grad_output, x).copy()
        gradient[:, :, -1, -1] = 0
        return gradient

    assert (left != 2 * backward_jacobian(forgets_one_tap, x, shape, step).T).any()


def test_the_functions_hand_over_arrays_of_the_dtype_of_x() -> None:
    seen = []

    def forward(x: np.ndarray) -> np.ndarray:
        seen.append(x.dtype)
        return x

    x = np.ones((1, 1, 2, 2), np.float32)
    central_difference(forward, lambda: x, (x,), x, (0,), 3, 0)
    forward_jacobian(forward, x, 3)
    backward_jacobian(lambda g, x: forward(g) + 0 * forward(x), x, x.shape, 3)
    assert set(seen) == {np.dtype(np.float32)}


def test_results_that_are_not_finite_are_refused() -> None:
    x = np.ones((1, 1, 1, 2))
    for bad in (np.nan, np.inf):

        def function(x: np.ndarray, bad: float = bad) -> np.ndarray:
            return np.full_like(x, bad)

        with pytest.raises(ValueError, match="finite"):
            central_difference(function, lambda: x, (x,), x, (0,), 1, 0)
        with pytest.raises(ValueError, match="finite"):
            forward_jacobian(function, x, 1)
        with pytest.raises(ValueError, match="finite"):
            backward_jacobian(lambda g, _, function=function: function(g), x, x.shape, 1)  # type: ignore[misc]


def test_a_jacobian_is_of_one_image() -> None:
    with pytest.raises(ValueError, match="give one image"):
        forward_jacobian(np.abs, np.ones((2, 1, 1, 1)), 1)
    with pytest.raises(ValueError, match="give one image"):
        backward_jacobian(np.add, np.ones((2, 1, 1, 1)), (1, 1, 1, 1), 1)


@derandomized
@given(st.tuples(st.integers(0, 2), st.integers(1, 2)), seeds)
def test_a_direction_is_small_integers_not_all_zero(shape: tuple[int, int], seed: int) -> None:
    direction = random_direction(shape, seed)
    assert direction.shape == shape
    assert set(direction.ravel().tolist()) <= {-1.0, 0.0, 1.0}
    assert direction.any() or not direction.size
    np.testing.assert_array_equal(direction, random_direction(shape, seed))


# Where a maximum is differentiable


def row(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64).reshape(1, 1, 1, -1)


def test_a_tie_has_no_gradient_and_the_window_is_named() -> None:
    with pytest.raises(NotDifferentiableError, match=r"window \(0, 1\) of channel 0 of image 0 has maxima 7.0 and 7.0"):
        require_max_differentiable(row(1, 9, 7, 7), (1, 2))


@pytest.mark.parametrize(("step", "enough"), [(1, True), (2, False), (3, False)])
def test_the_two_largest_must_be_more_than_twice_the_step_apart(step: int, enough: bool) -> None:
    if enough:
        require_max_differentiable(row(0, 5, 9, 2), (1, 4), step=step)
    else:
        with pytest.raises(NotDifferentiableError):
            require_max_differentiable(row(0, 5, 9, 2), (1, 4), step=step)


def test_only_elements_that_share_a_window_matter() -> None:
    x = row(1, 9, 9, 1)
    require_max_differentiable(x, (1, 2))
    require_max_differentiable(x, (1, 2), stride=(1, 1), dilation=(1, 2))
    with pytest.raises(NotDifferentiableError):
        require_max_differentiable(x, (1, 2), stride=(1, 1))
    with pytest.raises(NotDifferentiableError):
        require_max_differentiable(x, (1, 2), padding=(0, 1))
    with pytest.raises(NotDifferentiableError):
        require_max_differentiable(row(1, 9, 5, 5), (1, 3), stride=(1, 2), ceil_mode=True)
    require_max_differentiable(row(1, 9, 5, 5), (1, 3), stride=(1, 2))


def test_nan_has_no_gradient() -> None:
    with pytest.raises(NotDifferentiableError, match="NaN"):
        require_max_differentiable(row(5, np.nan, 1), (1, 3))


@derandomized
@given(seeds)
def test_where_it_is_differentiable_no_move_changes_a_winner(seed: int) -> None:
    x = integers(seed, 1, 1, 3, 3) * 2
    try:
        require_max_differentiable(x, (2, 2), stride=(1, 1), step=1)
    except NotDifferentiableError:
        reject()
    moved = x + random_direction(x.shape, seed)
    here, there = (definition.max_pool2d_backward(np.ones((1, 1, 2, 2)), a, (2, 2), stride=(1, 1)) for a in (x, moved))
    np.testing.assert_array_equal(here, there)


def test_the_sources_stand_alone() -> None:
    names: dict[str, Any] = {"np": np, "exact_dot": exact_dot}
    functions = (random_direction, central_difference, forward_jacobian, backward_jacobian, jacobians)
    for function in functions:
        exec("from __future__ import annotations\n" + inspect.getsource(function), names)  # noqa: S102 - as scripts do
    x = row(1, 2)

    def forward(a: np.ndarray) -> np.ndarray:
        return 2 * a

    def backward(g: np.ndarray, _: np.ndarray) -> np.ndarray:
        return 2 * g

    slope, difference = names["central_difference"](forward, lambda: 2 * x, (x,), x, (0,), 1, 0)
    assert slope == difference
    left, right = names["jacobians"](forward, backward, x, x, 1)
    assert left.tolist() == right.tolist() == [[4, 0], [0, 4]]
