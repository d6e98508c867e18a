"""Each rule on arguments: what breaks it is rejected, by a message that names the value."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import impl

X = np.zeros((2, 4, 5, 6))
W = np.zeros((6, 4, 3, 3))
COLUMNS = np.zeros((4 * 9, 3 * 4 * 2))

OPTIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"stride": 0}, ValueError, "stride must be at least 1 on every axis, got (0, 0)"),
    ({"stride": (0, 1)}, ValueError, "stride must be at least 1 on every axis, got (0, 1)"),
    ({"stride": (1, -2)}, ValueError, "stride must be at least 1 on every axis, got (1, -2)"),
    ({"stride": (1, 1, 1)}, ValueError, "stride must have 2 entries, one for each axis, got 3: (1, 1, 1)"),
    ({"stride": 1.0}, TypeError, "stride must be an integer or 2 integers, got 1.0"),
    ({"stride": (1, 1.5)}, TypeError, "stride must be an integer or 2 integers, got (1, 1.5)"),
    ({"stride": True}, TypeError, "stride must be an integer or 2 integers, got True"),
    ({"stride": (1, True)}, TypeError, "stride must be an integer or 2 integers, got (1, True)"),
    ({"stride": "11"}, TypeError, "stride must be an integer or 2 integers, got '11'"),
    ({"padding": -1}, ValueError, "padding must be at least 0 on every axis, got (-1, -1)"),
    ({"padding": (0, -1)}, ValueError, "padding must be at least 0 on every axis, got (0, -1)"),
    ({"padding": "same"}, TypeError, "padding must be an integer or 2 integers, got 'same'"),
    ({"dilation": 0}, ValueError, "dilation must be at least 1 on every axis, got (0, 0)"),
    ({"dilation": (1, 0)}, ValueError, "dilation must be at least 1 on every axis, got (1, 0)"),
    (
        {"dilation": 3},
        ValueError,
        "kernel_size (3, 3) with dilation (3, 3) spans (7, 7), more than the padded input (5, 6); use a smaller kernel",
    ),
]

KERNELS: list[tuple[Any, type[Exception], str]] = [
    (0, ValueError, "kernel_size must be at least 1 on every axis, got (0, 0)"),
    ((3, -1), ValueError, "kernel_size must be at least 1 on every axis, got (3, -1)"),
    ((3,), ValueError, "kernel_size must have 2 entries, one for each axis, got 1: (3,)"),
    (False, TypeError, "kernel_size must be an integer or 2 integers, got False"),
    ((2.0, 2), TypeError, "kernel_size must be an integer or 2 integers, got (2.0, 2)"),
    (None, TypeError, "kernel_size must be an integer or 2 integers, got None"),
    ((6, 3), ValueError, "kernel_size (6, 3) with dilation (1, 1) spans (6, 3), more than the padded input (5, 6)"),
]

Call = Callable[..., object]


def conv2d_backward(x: Any = X, weight: Any = W, bias: Any = None, **options: Any) -> object:
    return impl.conv2d_backward(np.zeros((2, 6, 3, 4)), x, weight, bias, **options)


def avg_pool2d_backward(x: Any = X, kernel_size: Any = 3, **options: Any) -> object:
    return impl.avg_pool2d_backward(np.zeros((2, 4, 1, 2)), x, kernel_size, **options)


def max_pool2d_backward(x: Any = X, kernel_size: Any = 3, **options: Any) -> object:
    return impl.max_pool2d_backward(np.zeros((2, 4, 1, 2)), x, kernel_size, **options)


def col2im(kernel_size: Any = 3, **options: Any) -> object:
    return impl.col2im(COLUMNS, X.shape, kernel_size, **options)


def rejects(error: type[Exception], message: str, call: Call, *arguments: object, **options: object) -> None:
    with pytest.raises(error, match=re.escape(message)) as caught:
        call(*arguments, **options)
    assert type(caught.value) is error


@pytest.mark.parametrize("call", [impl.conv2d, conv2d_backward])
@pytest.mark.parametrize(("options", "error", "message"), OPTIONS)
def test_options_of_convolution(call: Call, options: dict[str, Any], error: type[Exception], message: str) -> None:
    rejects(error, message, call, X, W, **options)


@pytest.mark.parametrize("call", [impl.max_pool2d, max_pool2d_backward])
@pytest.mark.parametrize(("options", "error", "message"), OPTIONS)
def test_options_of_max_pooling(call: Call, options: dict[str, Any], error: type[Exception], message: str) -> None:
    rejects(error, message, call, X, 3, **options)


@pytest.mark.parametrize("call", [impl.avg_pool2d, avg_pool2d_backward])
@pytest.mark.parametrize(("options", "error", "message"), [o for o in OPTIONS if "dilation" not in o[0]])
def test_options_of_average_pooling(call: Call, options: dict[str, Any], error: type[Exception], message: str) -> None:
    rejects(error, message, call, X, 3, **options)


@pytest.mark.parametrize(("options", "error", "message"), OPTIONS)
def test_options_of_columns(options: dict[str, Any], error: type[Exception], message: str) -> None:
    rejects(error, message, impl.im2col, X, 3, **options)
    rejects(error, message, col2im, 3, **options)


@pytest.mark.parametrize(
    "call", [impl.avg_pool2d, avg_pool2d_backward, impl.max_pool2d, max_pool2d_backward, impl.im2col]
)
@pytest.mark.parametrize(("kernel_size", "error", "message"), KERNELS)
def test_kernel_size(call: Call, kernel_size: Any, error: type[Exception], message: str) -> None:
    rejects(error, message, call, X, kernel_size)


@pytest.mark.parametrize(("kernel_size", "error", "message"), KERNELS)
def test_kernel_size_of_col2im(kernel_size: Any, error: type[Exception], message: str) -> None:
    rejects(error, message, col2im, kernel_size)


@pytest.mark.parametrize("call", [impl.avg_pool2d, avg_pool2d_backward, impl.max_pool2d, max_pool2d_backward])
def test_kernel_too_large_even_for_ceil_mode(call: Call) -> None:
    message = "spans (7, 7), more than the padded input (5, 6) by a stride or more; use a smaller kernel"
    rejects(ValueError, message, call, X, 7, stride=2, ceil_mode=True)


@pytest.mark.parametrize("call", [impl.avg_pool2d, avg_pool2d_backward, impl.max_pool2d, max_pool2d_backward])
@pytest.mark.parametrize(("kernel_size", "padding"), [((1, 3), (1, 1)), ((3, 3), (1, 2)), ((2, 4), (2, 2))])
def test_padding_of_pooling_is_at_most_half_the_kernel(
    call: Call, kernel_size: tuple[int, int], padding: tuple[int, int]
) -> None:
    message = f"padding must be at most half the kernel, rounded down, on every axis, got padding {padding}"
    rejects(ValueError, message, call, X, kernel_size, padding=padding)


def test_dilation_does_not_widen_the_padding_of_pooling() -> None:
    """PyTorch has the rule twice, by the dilated and by the bare kernel; the narrower holds."""
    rejects(ValueError, "dilation does not count", impl.max_pool2d, X, 2, padding=2, dilation=3)


@pytest.mark.parametrize("call", [impl.avg_pool2d, avg_pool2d_backward])
@pytest.mark.parametrize(
    ("divisor", "error", "message"),
    [
        (0, ValueError, "divisor_override must not be 0, got 0"),
        (2.0, TypeError, "divisor_override must be an integer or None, got 2.0"),
        (True, TypeError, "divisor_override must be an integer or None, got True"),
    ],
)
def test_divisor_override(call: Call, divisor: Any, error: type[Exception], message: str) -> None:
    rejects(error, message, call, X, 3, divisor_override=divisor)


@pytest.mark.parametrize("call", [impl.conv2d, conv2d_backward])
@pytest.mark.parametrize(
    ("weight_shape", "groups", "error", "message"),
    [
        ((6, 4, 3, 3), 0, ValueError, "groups must be at least 1, got 0"),
        ((6, 4, 3, 3), -1, ValueError, "groups must be at least 1, got -1"),
        ((6, 4, 3, 3), True, TypeError, "groups must be an integer, got True"),
        ((6, 4, 3, 3), (1,), TypeError, "groups must be an integer, got (1,)"),
        ((6, 4, 3, 3), 3, ValueError, "groups must divide the 4 channels of x, got 3"),
        ((6, 1, 3, 3), 4, ValueError, "groups 4 must divide the filters of weight, at least 1, got 6"),
        ((0, 4, 3, 3), 1, ValueError, "groups 1 must divide the filters of weight, at least 1, got 0"),
        ((6, 4, 3, 3), 2, ValueError, "weight must have 2 channels on axis 1, the 4 of x over groups 2, got shape"),
        ((6, 3, 3, 3), 1, ValueError, "weight must have 4 channels on axis 1, the 4 of x over groups 1, got shape"),
        ((6, 4, 3), 1, ValueError, "weight must be C_out x C_in/groups x kh x kw, got shape (6, 4, 3)"),
        ((6, 4, 0, 3), 1, ValueError, "kernel_size must be at least 1 on every axis, got (0, 3)"),
        ((6, 4, 3, 7), 1, ValueError, "spans (3, 7), more than the padded input (5, 6)"),
    ],
)
def test_weight_and_groups(
    call: Call, weight_shape: tuple[int, ...], groups: Any, error: type[Exception], message: str
) -> None:
    rejects(error, message, call, X, np.zeros(weight_shape), groups=groups)


@pytest.mark.parametrize("call", [impl.conv2d, conv2d_backward])
@pytest.mark.parametrize("shape", [(5,), (1,), (6, 1), ()])
def test_bias(call: Call, shape: tuple[int, ...]) -> None:
    rejects(ValueError, f"bias must have shape (6,), one entry for each filter of weight, got {shape}", call, X, W,
            np.zeros(shape))  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 6, 3, 3), (1, 6, 3, 4), (2, 6, 3, 4, 1), (2, 1, 3, 4)])
def test_grad_output_of_convolution(shape: tuple[int, ...]) -> None:
    message = f"grad_output must have shape (2, 6, 3, 4), that of the output, got {shape}"
    rejects(ValueError, message, impl.conv2d_backward, np.zeros(shape), X, W)


@pytest.mark.parametrize("call", [impl.avg_pool2d_backward, impl.max_pool2d_backward])
@pytest.mark.parametrize("shape", [(2, 4, 2, 1), (2, 4, 1), (1, 4, 1, 2), (2, 4, 2, 2)])
def test_grad_output_of_pooling(call: Call, shape: tuple[int, ...]) -> None:
    message = f"grad_output must have shape (2, 4, 1, 2), that of the output, got {shape}"
    rejects(ValueError, message, call, np.zeros(shape), X, 3)


def calls_on(x: Any) -> list[Callable[[], object]]:
    """Every function that takes images, on `x`."""
    return [
        lambda: impl.conv2d(x, W),
        lambda: conv2d_backward(x),
        lambda: impl.avg_pool2d(x, 3),
        lambda: avg_pool2d_backward(x),
        lambda: impl.max_pool2d(x, 3),
        lambda: max_pool2d_backward(x),
        lambda: impl.im2col(x, 3),
    ]


@pytest.mark.parametrize("shape", [(4, 5, 6), (2, 4, 5, 6, 1), (), (5,)])
def test_rank_of_x(shape: tuple[int, ...]) -> None:
    for call in calls_on(np.zeros(shape)):
        rejects(ValueError, f"x must be N x C x H x W, got shape {shape}", call)


@pytest.mark.parametrize("shape", [(2, 0, 5, 6), (2, 4, 0, 6), (2, 4, 5, 0), (0, 0, 5, 6)])
def test_only_the_batch_may_be_empty(shape: tuple[int, ...]) -> None:
    for call in calls_on(np.zeros(shape)):
        rejects(ValueError, f"x must have at least 1 channel, row and column, got {shape}; only N may be 0", call)


@pytest.mark.parametrize("dtype", [np.float16, np.int64, np.bool_, np.complex128, np.longdouble, ">f8", object])
def test_other_dtypes(dtype: Any) -> None:
    for call in calls_on(np.zeros(X.shape, dtype)):
        rejects(TypeError, f"x must be float32 or float64, got {np.dtype(dtype)}", call)


def test_arrays_that_are_none() -> None:
    for call in calls_on(X.tolist()):
        rejects(TypeError, "x must be a NumPy array, got list; convert with numpy.asarray", call)


def test_mixed_dtypes() -> None:
    single = X.astype(np.float32)
    rejects(TypeError, "one dtype, got x float32, weight float64", impl.conv2d, single, W)
    rejects(TypeError, "one dtype, got x float64, weight float64, bias float32", impl.conv2d, X, W,
            np.zeros(6, np.float32))  # fmt: skip
    rejects(TypeError, "one dtype, got grad_output float64, x float32", conv2d_backward, single, W.astype(np.float32))
    rejects(TypeError, "one dtype, got grad_output float64, x float32", avg_pool2d_backward, single)
    rejects(TypeError, "one dtype, got grad_output float64, x float32", max_pool2d_backward, single)


@pytest.mark.parametrize(
    ("columns_shape", "input_shape", "message"),
    [
        ((36, 23), X.shape, "columns must have shape (36, 24), as im2col gives for (2, 4, 5, 6), got (36, 23)"),
        ((35, 24), X.shape, "columns must have shape (36, 24), as im2col gives for (2, 4, 5, 6), got (35, 24)"),
        ((36, 24, 1), X.shape, "columns must be (C*kh*kw) x (h_out*w_out*N), got shape (36, 24, 1)"),
        ((36, 24), (4, 5, 6), "input_shape must have 4 entries, one for each axis, got 3: (4, 5, 6)"),
        ((36, 24), (2, 0, 5, 6), "input_shape must have at least 1 channel, row and column, got (2, 0, 5, 6)"),
        ((36, 24), (-2, 4, 5, 6), "input_shape must be at least 0 on every axis, got (-2, 4, 5, 6)"),
    ],
)
def test_columns_and_input_shape_of_col2im(
    columns_shape: tuple[int, ...], input_shape: tuple[int, ...], message: str
) -> None:
    rejects(ValueError, message, impl.col2im, np.zeros(columns_shape), input_shape, 3)


def test_dtype_of_columns() -> None:
    rejects(TypeError, "columns must be float32 or float64, got int64", impl.col2im, COLUMNS.astype(int), X.shape, 3)
