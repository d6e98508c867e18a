"""Each relation holds for the definition and fails for a function that is wrong in the way the relation is about."""

from __future__ import annotations

import builtins
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import definition, identities
from oracles.exact import exact_dot

if TYPE_CHECKING:
    from collections.abc import Callable

derandomized = settings(derandomize=True, deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)

X = np.random.default_rng(1).integers(-9, 10, (3, 4, 5, 6)).astype(np.float64)
WEIGHT = np.random.default_rng(2).integers(1, 10, (6, 4, 3, 2)).astype(np.float64)
GROUPED = np.random.default_rng(3).integers(1, 10, (6, 2, 3, 2)).astype(np.float64)
BIAS = np.arange(1.0, 7.0)


def random_like(array: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9, 10, array.shape).astype(array.dtype)


def conv(x: np.ndarray) -> np.ndarray:
    return definition.conv2d(x, GROUPED, stride=(2, 1), padding=(1, 0), groups=2)


def mean(x: np.ndarray) -> np.ndarray:
    return definition.avg_pool2d(36 * x, (3, 2), stride=(2, 1), padding=(1, 1), ceil_mode=True)


def most(x: np.ndarray) -> np.ndarray:
    return definition.max_pool2d(x, (3, 2), stride=(2, 1), padding=(1, 1), ceil_mode=True)


def equal(sides: tuple[Any, Any]) -> bool:
    left, right = sides
    if isinstance(left, np.ndarray):
        assert left.size
        assert left.shape == right.shape
        assert left.dtype == right.dtype
    return bool(np.all(left == right))


def spoil(function: Callable[..., np.ndarray], *place: int | slice) -> Callable[..., np.ndarray]:
    """Wrong by one at one place."""

    def spoiled(*arguments: Any) -> np.ndarray:
        y = function(*arguments).copy()
        y[place] += 1
        return y

    return spoiled


# Adjoint and linearity


@derandomized
@given(seeds)
def test_adjoint(seed: int) -> None:
    def backward(grad_output: np.ndarray) -> np.ndarray:
        return definition.conv2d_backward(grad_output, X, GROUPED, stride=(2, 1), padding=(1, 0), groups=2)[0]

    def columns(x: np.ndarray) -> np.ndarray:
        return definition.im2col(x, (3, 2), padding=(1, 1), dilation=(1, 2))

    def fold(grad_output: np.ndarray) -> np.ndarray:
        return definition.col2im(grad_output, X.shape, (3, 2), padding=(1, 1), dilation=(1, 2))

    x = random_like(X, seed)
    x[0, 0, 0, 0] = 1
    grad_output = random_like(conv(x), seed + 1)

    def adjoint(back: Callable[[np.ndarray], np.ndarray]) -> tuple[int, int]:
        return identities.adjoint_of_gradient(lambda: conv(x), lambda: back(grad_output), grad_output, x, 0)

    assert equal(adjoint(backward))
    assert not equal(adjoint(spoil(backward, 0, 0, 0, 0)))
    assert equal(identities.adjoint_of_columns(lambda: columns(x), fold, x))
    assert not equal(identities.adjoint_of_columns(lambda: columns(x), spoil(fold, 0, 0, 0, 0), x))


@pytest.mark.parametrize("gradient", [0, 1])
def test_adjoint_of_a_convolution_with_bias(gradient: int) -> None:
    grad_output = random_like(definition.conv2d(X, WEIGHT, BIAS), 5)

    def adjoint(more: int = 0) -> tuple[int, int]:
        gradients = definition.conv2d_backward(grad_output, X, WEIGHT, BIAS)
        spoiled = tuple(
            (each if each is None else each + more) if number == gradient else each
            for number, each in enumerate(gradients)
        )
        return identities.adjoint_of_gradient(
            lambda: definition.conv2d(X, WEIGHT, BIAS),
            lambda: spoiled,
            grad_output,
            (X, WEIGHT)[gradient],
            gradient,
            bias=BIAS,
        )

    assert equal(adjoint())
    assert not equal(adjoint(1))


@pytest.mark.parametrize("function", [conv, mean])
def test_linearity(function: Callable[[np.ndarray], np.ndarray]) -> None:
    assert equal(identities.linearity(function, X))
    assert not equal(identities.linearity(spoil(function, 0, 0, 0, 0), X))
    assert not equal(identities.linearity(most, X))


def test_linearity_in_the_weight() -> None:
    def of_weight(weight: np.ndarray) -> np.ndarray:
        return definition.conv2d(X, weight)

    def with_bias(weight: np.ndarray) -> np.ndarray:
        return definition.conv2d(X, weight, BIAS)

    assert equal(identities.linearity(of_weight, WEIGHT))
    assert not equal(identities.linearity(with_bias, WEIGHT))
    assert equal(identities.linearity(with_bias, WEIGHT, bias=BIAS))


# Batch


@pytest.mark.parametrize("function", [conv, mean, most])
@pytest.mark.parametrize("image", [0, 1, 2])
def test_an_image_of_a_batch(function: Callable[[np.ndarray], np.ndarray], image: int) -> None:
    def spoils_an_image_of_three(x: np.ndarray) -> np.ndarray:
        return (spoil(function, image, 0, 0, 0) if len(x) == 3 else function)(x)

    assert equal(identities.image_of_batch(function, image, X))
    assert not equal(identities.image_of_batch(spoils_an_image_of_three, image, X))


def test_an_image_of_a_gradient() -> None:
    def backward(grad_output: np.ndarray, x: np.ndarray) -> np.ndarray:
        return definition.max_pool2d_backward(grad_output, x, (2, 2))

    grad_output = random_like(np.ones((3, 4, 2, 3)), 4)
    assert equal(identities.image_of_batch(backward, 1, grad_output, X))
    assert not equal(identities.image_of_batch(lambda g, x: backward(g[::-1], x), 0, grad_output, 2 * X))


# Geometry


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("name", ["conv2d", "avg_pool2d", "max_pool2d"])
def test_shift(name: str, axis: int) -> None:
    second: Any = WEIGHT if name == "conv2d" else (3, 2)

    def function(x: np.ndarray) -> np.ndarray:
        y: np.ndarray = getattr(definition, name)(6 * x, second, stride=(2, 2))
        return y

    def padded(x: np.ndarray) -> np.ndarray:
        y: np.ndarray = getattr(definition, name)(6 * x + 60, second, stride=(2, 2), padding=(1, 1))
        return y

    assert equal(identities.shift(function, X, axis, 2))
    assert not equal(identities.shift(padded, X, axis, 2))


def test_padding_is_zeros() -> None:
    def padded(x: np.ndarray) -> np.ndarray:
        return definition.conv2d(x, WEIGHT, padding=(1, 2))

    def bare(x: np.ndarray) -> np.ndarray:
        return definition.conv2d(x, WEIGHT)

    def one_sided(x: np.ndarray) -> np.ndarray:
        return definition.conv2d(np.pad(x, ((0, 0), (0, 0), (0, 2), (2, 2))), WEIGHT)

    assert equal(identities.padding_is_zeros(padded, bare, X, (1, 2)))
    assert not equal(identities.padding_is_zeros(one_sided, bare, X, (1, 2)))


# Convolution as a product


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("bias", [None, BIAS])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pointwise(groups: int, bias: np.ndarray | None, dtype: type) -> None:
    def function(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
        return definition.conv2d(x, weight, bias, stride=(2, 3), groups=groups)

    def ignores_stride(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
        return definition.conv2d(x, weight, bias, groups=groups)[:, :, :3, :2]

    x: np.ndarray = X.astype(dtype)
    weight: np.ndarray = GROUPED[:, :1, :1, :1].astype(dtype).repeat(4 // groups, 1)
    bias = None if bias is None else bias.astype(dtype)
    weight[:, 1] += 1
    options: dict[str, Any] = {"stride": (2, 3), "groups": groups}
    assert equal(identities.pointwise(lambda: function(x, weight, bias), x, weight, bias, **options))
    assert not equal(identities.pointwise(lambda: ignores_stride(x, weight, bias), x, weight, bias, **options))


@pytest.mark.parametrize("bias", [None, BIAS])
@pytest.mark.parametrize("group", [0, 1])
def test_a_group_of_a_convolution(bias: np.ndarray | None, group: int) -> None:
    def function(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, groups: int) -> np.ndarray:
        return definition.conv2d(x, weight, bias, groups=groups)

    def interleaves_groups(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, groups: int) -> np.ndarray:
        swapped = x.reshape(len(x), -1, groups, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)
        return definition.conv2d(swapped, weight, bias, groups=groups)

    def sides(convolution: Callable[..., np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        def alone(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
            return convolution(x, weight, bias, 1)

        arrays = [X, GROUPED] + ([] if bias is None else [bias])
        return identities.group_of_convolution(lambda: convolution(X, GROUPED, bias, 2), alone, 2, group, *arrays)

    assert equal(sides(function))
    assert not equal(sides(interleaves_groups))


# Pools


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_pool(dtype: type) -> None:
    def function(x: np.ndarray) -> np.ndarray:
        return definition.avg_pool2d(x, (3, 2), padding=(1, 1), ceil_mode=True, count_include_pad=False)

    def counts_padding(x: np.ndarray) -> np.ndarray:
        return definition.avg_pool2d(x, (3, 2), padding=(1, 1), ceil_mode=True)

    x: np.ndarray = X.astype(dtype)
    assert equal(identities.constant_pool(function, x, -7))
    assert equal(identities.constant_pool(most, x, -7))
    assert not equal(identities.constant_pool(counts_padding, x, -7))


# Memory


@pytest.mark.parametrize("units", [(1.0,), (1.0, 0.5)])
def test_arrays_as_they_lie_in_memory(units: tuple[float, ...]) -> None:
    def function(x: np.ndarray) -> Any:
        results = tuple(x * factor for factor in range(1, 1 + len(units)))
        return results[0] if len(results) == 1 else (*results, None)

    def reads_memory(x: np.ndarray) -> Any:
        results = tuple(x.ravel(order="K").reshape(x.shape) for _ in units)
        return results[0] if len(results) == 1 else (*results, None)

    x = np.asfortranarray(X)
    assert equal(identities.row_major(function, units, x))
    assert not equal(identities.row_major(reads_memory, units, x))


def test_max_translation() -> None:
    def zero_padded(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.maximum(most(x), 0))

    assert equal(identities.max_translation(most, X, -1000))
    assert not equal(identities.max_translation(zero_padded, X, -1000))


@pytest.mark.parametrize("name", identities.__all__)
def test_the_source_stands_alone(name: str) -> None:
    names: dict[str, Any] = {"np": np, "exact_dot": exact_dot}
    source = "from __future__ import annotations\n" + inspect.getsource(getattr(identities, name))
    exec(source, names)  # noqa: S102 - as scripts do
    known = {*names, *dir(builtins), *dir(np), *dir(np.ndarray)}
    assert set(names[name].__code__.co_names) <= known
