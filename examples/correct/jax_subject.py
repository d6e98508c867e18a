"""JAX as a subject: jax.lax's convolutions and window reductions, and their gradients by jax.vjp.

It needs the extra `jax`. JAX compiles for every shape anew, so this takes a while.
Run it from this folder: convgate gate --subject jax_subject --profile smoke
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import numpy as np
import valid
import windows
from jax import lax
from valid import Array, Pair

jax.config.update("jax_enable_x64", True)  # float64 stays float64
jax.config.update("jax_disable_most_optimizations", True)  # most of the time goes into compiling

Options = tuple[tuple[str, Any], ...]


def convolution(options: Options) -> Callable[..., Any]:
    """The convolution of an image with a kernel, and with a bias if there is one."""
    given = dict(options)

    def function(x: Any, weight: Any, bias: Any = None) -> Any:
        y = lax.conv_general_dilated(
            x,
            weight,
            given["stride"],
            [(pad, pad) for pad in given["padding"]],
            rhs_dilation=given["dilation"],
            dimension_numbers=("NCHW", "OIHW", "NCHW"),
            feature_group_count=given["groups"],
            precision=lax.Precision.HIGHEST,
        )
        return y if bias is None else y + bias[:, None, None]

    return function


def reduction(x: Any, start: Any, operation: Any, options: Options) -> Any:
    """A reduction over windows. What is left over at the end is cut off, what is missing there is padding."""
    given = dict(options)
    kernel, stride, padding, dilation = (given[name] for name in ("kernel_size", "stride", "padding", "dilation"))
    lasts = [
        (places - 1) * s + d * (k - 1) + 1 - p
        for places, k, s, p, d in zip(given["places"], kernel, stride, padding, dilation, strict=True)
    ]
    pads = [(p, max(0, last - size)) for p, last, size in zip(padding, lasts, x.shape[2:], strict=True)]
    x = x[:, :, : lasts[0], : lasts[1]]
    window = ((1, 1, *kernel), (1, 1, *stride), [(0, 0), (0, 0), *pads])
    return lax.reduce_window(x, start, operation, *window, None, (1, 1, *dilation))


def average(options: Options) -> Callable[..., Any]:
    """The average pool of an image, given the divisors."""
    return lambda x, divisors: reduction(x, x.dtype.type(0), lax.add, options) / divisors


def maximum(options: Options) -> Callable[..., Any]:
    """The max pool of an image."""
    return lambda x: reduction(x, x.dtype.type(-np.inf), lax.max, options)


@lru_cache(maxsize=64)
def forward(make: Callable[[Options], Callable[..., Any]], options: Options) -> Any:
    """The compiled function."""
    return jax.jit(make(options))


@lru_cache(maxsize=64)
def backward(make: Callable[[Options], Callable[..., Any]], options: Options) -> Any:
    """The compiled gradients by all arrays, which come after the gradient by the output."""
    return jax.jit(lambda grad_output, *arrays: jax.vjp(make(options), *arrays)[1](grad_output))


def conv2d(x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Array:
    """Convolve."""
    valid.convolution(x, weight, bias, **options)
    if options["groups"] > 1 and x.dtype == np.float64 and not np.isfinite(x).all():
        raise NotImplementedError("it convolves groups of float64 with zeros between them, so NaN spreads to all")
    arrays = [array for array in (x, weight, bias) if array is not None]
    return np.array(forward(convolution, tuple(options.items()))(*arrays))


def conv2d_backward(grad_output: Array, x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Any:
    """Gradients of x, weight and, if there is one, bias."""
    valid.convolution(x, weight, bias, grad_output, **options)
    arrays = [array for array in (x, weight, bias) if array is not None]
    found = [np.array(each) for each in backward(convolution, tuple(options.items()))(grad_output, *arrays)]
    return (*found, None) if bias is None else tuple(found)


def averaging(x: Array, kernel_size: Pair, grad_output: Array | None, options: dict[str, Any]) -> tuple[Options, Array]:
    """What an average pool depends on: its geometry, and its divisors."""
    geometry = {"stride": options["stride"], "padding": options["padding"]}
    places = valid.pool(x, kernel_size, grad_output, ceil_mode=options["ceil_mode"], **geometry)
    counted = {name: options[name] for name in ("count_include_pad", "divisor_override")}
    divisors = windows.divisors(x.shape[2:], places, kernel_size, **geometry, **counted)
    geometry |= {"dilation": (1, 1), "kernel_size": kernel_size, "places": places}
    return tuple(geometry.items()), divisors.astype(x.dtype)


def maximising(x: Array, kernel_size: Pair, grad_output: Array | None, options: dict[str, Any]) -> Options:
    """What a max pool depends on."""
    places = valid.pool(x, kernel_size, grad_output, **options)
    geometry = {name: options[name] for name in ("stride", "padding", "dilation")}
    return tuple({**geometry, "kernel_size": kernel_size, "places": places}.items())


def avg_pool2d(x: Array, kernel_size: Pair, **options: Any) -> Array:
    """Average."""
    geometry, divisors = averaging(x, kernel_size, None, options)
    return np.array(forward(average, geometry)(x, divisors))


def avg_pool2d_backward(grad_output: Array, x: Array, kernel_size: Pair, **options: Any) -> Array:
    """Gradient of x."""
    geometry, divisors = averaging(x, kernel_size, grad_output, options)
    return np.array(backward(average, geometry)(grad_output, x, divisors)[0])


def max_pool2d(x: Array, kernel_size: Pair, **options: Any) -> Array:
    """Take maxima."""
    geometry = maximising(x, kernel_size, None, options)
    require_normal(x)
    return np.array(forward(maximum, geometry)(x))


def max_pool2d_backward(grad_output: Array, x: Array, kernel_size: Pair, **options: Any) -> Array:
    """Gradient of x."""
    geometry = maximising(x, kernel_size, grad_output, options)
    require_normal(x)
    return np.array(backward(maximum, geometry)(grad_output, x)[0])


def require_normal(x: Array) -> None:
    """Raise NotImplementedError on subnormal numbers: XLA takes them for zero, and so they are equal in a maximum."""
    if ((x != 0) & (abs(x) < np.finfo(x.dtype).smallest_normal)).any():
        raise NotImplementedError("it takes subnormal numbers for zero")
