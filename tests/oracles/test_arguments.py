"""Both oracles reject the same arguments, and with ValueError."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from oracles import definition, torch_oracle

if TYPE_CHECKING:
    from types import ModuleType

both = pytest.mark.parametrize("oracle", [definition, torch_oracle])


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape)


X = ones(2, 4, 5, 6)

FITTING = r"stride|dilation|padding|pad |kernel|window|groups|channels|shape|size"
"""What a message is about: the oracles word them differently."""


def call_conv(oracle: ModuleType, x: np.ndarray = X, kernel: tuple[int, ...] = (4, 4, 3, 3), **options: Any) -> Any:
    bias = options.pop("bias", None)
    return oracle.conv2d(x, ones(*kernel), bias, **options)


@both
@pytest.mark.parametrize(
    "arguments",
    [
        {"stride": (0, 1)},
        {"stride": (1, -1)},
        {"dilation": (1, 0)},
        {"x": ones(0, 4, 5, 6), "dilation": (1, 0)},
        {"padding": (-1, 0)},
        {"kernel": (4, 4, 0, 3)},
        {"kernel": (4, 4, 6, 3)},
        {"dilation": (3, 1)},
        {"groups": 0},
        {"groups": -1},
        {"groups": 3, "kernel": (3, 1, 3, 3)},
        {"groups": 2, "kernel": (3, 2, 3, 3)},
        {"groups": 2},
        {"kernel": (4, 3, 3, 3)},
        {"kernel": (4, 4, 3)},
        {"kernel": (0, 4, 3, 3)},
        {"bias": ones(3)},
        {"bias": ones(4, 1)},
        {"x": ones(4, 5, 6)},
        {"x": ones(2, 0, 5, 6), "kernel": (4, 0, 3, 3)},
        {"x": ones(2, 4, 0, 6), "padding": (3, 3)},
        {"x": ones(0, 4, 0, 6), "padding": (3, 3)},
    ],
    ids=str,
)
def test_conv2d_rejects(oracle: ModuleType, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=FITTING):
        call_conv(oracle, **arguments)


@both
@pytest.mark.parametrize("name", ["avg_pool2d", "max_pool2d"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": (0, 2)},
        {"kernel_size": (2, -1)},
        {"kernel_size": (6, 2)},
        {"kernel_size": (9, 2), "stride": (4, 1), "ceil_mode": True},
        {"stride": (0, 1)},
        {"stride": (1, -2)},
        {"padding": (-1, 0)},
        {"padding": (0, 2)},
        {"kernel_size": (1, 1), "padding": (1, 0)},
        {"kernel_size": (3, 3), "padding": (2, 0)},
        {"x": ones(4, 5, 6)},
        {"x": ones(2, 0, 5, 6)},
        {"x": ones(2, 4, 5, 0), "padding": (1, 1)},
    ],
    ids=str,
)
def test_pools_reject(oracle: ModuleType, name: str, arguments: dict[str, Any]) -> None:
    arguments = {"x": X, "kernel_size": (2, 2), **arguments}
    with pytest.raises(ValueError, match=FITTING):
        getattr(oracle, name)(**arguments)


@both
def test_dilation_does_not_raise_the_limit_of_a_pool_s_padding(oracle: ModuleType) -> None:
    assert oracle.max_pool2d(X, (3, 3), stride=(1, 1), padding=(1, 1), dilation=(2, 2)).shape == (2, 4, 3, 4)
    with pytest.raises(ValueError, match="half"):
        oracle.max_pool2d(X, (3, 3), stride=(1, 1), padding=(2, 2), dilation=(2, 2))


@both
def test_more_rejections(oracle: ModuleType) -> None:
    for dilation in ((0, 1), (1, -1)):
        with pytest.raises(ValueError, match="dilation"):
            oracle.max_pool2d(X, (2, 2), dilation=dilation)
        with pytest.raises(ValueError, match="dilation"):
            oracle.im2col(X, (2, 2), dilation=dilation)
    with pytest.raises(ValueError, match="divisor"):
        oracle.avg_pool2d(X, (2, 2), divisor_override=0)
    with pytest.raises(ValueError, match="padding"):
        oracle.im2col(X, (2, 2), padding=(-1, 0))
    with pytest.raises(ValueError, match="stride"):
        oracle.im2col(X, (2, 2), stride=(0, 1))
    with pytest.raises(ValueError, match="kernel_size"):
        oracle.im2col(X, (6, 2))


@both
def test_gradients_and_columns_must_have_the_output_s_shape(oracle: ModuleType) -> None:
    for grad_output in (ones(2, 4, 2, 2), ones(1, 4, 2, 3), ones(2, 4, 6)):
        with pytest.raises(ValueError, match="shape"):
            oracle.avg_pool2d_backward(grad_output, X, (2, 2))
        with pytest.raises(ValueError, match="shape"):
            oracle.max_pool2d_backward(grad_output, X, (2, 2))
        with pytest.raises(ValueError, match="shape"):
            oracle.conv2d_backward(grad_output, X, ones(4, 4, 2, 2), stride=(2, 2))
    for shape in ((16, 39), (15, 40), (40, 16), (16, 5, 8)):
        with pytest.raises(ValueError, match="shape"):
            oracle.col2im(ones(*shape), X.shape, (2, 2))
    with pytest.raises(ValueError, match="shape"):
        oracle.col2im(ones(16, 40), X.shape[1:], (2, 2))
