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
    assert equal(identities.adjoint(conv, backward, x, random_like(conv(x), seed + 1)))
    assert equal(identities.adjoint(columns, fold, x, random_like(columns(x), seed + 1)))
    assert not equal(identities.adjoint(conv, spoil(backward, 0, 0, 0, 0), x, random_like(conv(x), seed + 1)))


@pytest.mark.parametrize("function", [conv, mean])
def test_linearity(function: Callable[[np.ndarray], np.ndarray]) -> None:
    other = random_like(X, 7)
    assert equal(identities.linearity(function, X, other))
    assert not equal(identities.linearity(spoil(function, 0, 0, 0, 0), X, other))
    assert not equal(identities.linearity(most, X, other))


def test_linearity_in_the_weight() -> None:
    def of_weight(weight: np.ndarray) -> np.ndarray:
        return definition.conv2d(X, weight)

    def with_bias(weight: np.ndarray) -> np.ndarray:
        return definition.conv2d(X, weight, BIAS)

    assert equal(identities.linearity(of_weight, WEIGHT, random_like(WEIGHT, 7)))
    assert not equal(identities.linearity(with_bias, WEIGHT, random_like(WEIGHT, 7)))


# Batch


@pytest.mark.parametrize("function", [conv, mean, most])
def test_batch_independence(function: Callable[[np.ndarray], np.ndarray]) -> None:
    assert equal(identities.batch_independence(function, X))
    assert not equal(identities.batch_independence(spoil(function, -1, 0, 0, 0), X))


def test_batch_independence_of_a_gradient() -> None:
    def backward(grad_output: np.ndarray, x: np.ndarray) -> np.ndarray:
        return definition.max_pool2d_backward(grad_output, x, (2, 2))

    grad_output = np.ones((3, 4, 2, 3))
    assert equal(identities.batch_independence(backward, grad_output, X))
    assert not equal(identities.batch_independence(spoil(backward, -1), grad_output, X))


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
    assert equal(identities.pointwise(function, x, weight, bias, stride=(2, 3), groups=groups))
    assert not equal(identities.pointwise(ignores_stride, x, weight, bias, stride=(2, 3), groups=groups))


@pytest.mark.parametrize("bias", [None, BIAS])
def test_group_split(bias: np.ndarray | None) -> None:
    def function(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, groups: int) -> np.ndarray:
        return definition.conv2d(x, weight, bias, groups=groups)

    def interleaves_groups(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, groups: int) -> np.ndarray:
        swapped = x.reshape(len(x), -1, groups, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape)
        return definition.conv2d(swapped, weight, bias, groups=groups)

    assert equal(identities.group_split(function, X, GROUPED, bias, 2))
    assert not equal(identities.group_split(interleaves_groups, X, GROUPED, bias, 2))


def test_columns_product() -> None:
    def function(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return definition.conv2d(x, weight, stride=(1, 2), padding=(1, 0))

    def columns(x: np.ndarray) -> np.ndarray:
        return definition.im2col(x, (3, 2), stride=(1, 2), padding=(1, 0))

    def images_slowest(x: np.ndarray) -> np.ndarray:
        return np.concatenate([columns(x[n : n + 1]) for n in range(len(x))], axis=1)

    assert equal(identities.columns_product(function, columns, X, WEIGHT))
    assert not equal(identities.columns_product(function, images_slowest, X, WEIGHT))


# Pools


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_pool(dtype: type) -> None:
    def function(x: np.ndarray) -> np.ndarray:
        return definition.avg_pool2d(x, (3, 2), padding=(1, 1), ceil_mode=True, count_include_pad=False)

    def counts_padding(x: np.ndarray) -> np.ndarray:
        return definition.avg_pool2d(x, (3, 2), padding=(1, 1), ceil_mode=True)

    assert equal(identities.constant_pool(function, -7, X.shape, np.dtype(dtype)))
    assert equal(identities.constant_pool(most, -7, X.shape, np.dtype(dtype)))
    assert not equal(identities.constant_pool(counts_padding, -7, X.shape, np.dtype(dtype)))


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
