"""Convolutions and averages that add up the same products in different orders.

Run them from this folder: convgate gate --subject summation:pairwise, and likewise kahan, blocked and backwards.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import valid
import windows
from valid import Array, Pair

BLOCK = 8


def pairwise_sum(terms: Array) -> Array:
    """The sum of the first half plus the sum of the second."""
    if len(terms) == 1:
        return np.asarray(terms[0])
    half = len(terms) // 2
    return np.asarray(pairwise_sum(terms[:half]) + pairwise_sum(terms[half:]))


def kahan_sum(terms: Array) -> Array:
    """One by one, with what each addition loses given back to the next."""
    total: Array = np.zeros_like(terms[0])
    lost = total
    for term in terms:
        corrected = term - lost
        larger = total + corrected
        # an infinite sum has lost nothing; infinity minus infinity would turn it into NaN
        lost = np.where(np.isfinite(larger), (larger - total) - corrected, 0).astype(terms.dtype)
        total = larger
    return total


def backwards_sum(terms: Array) -> Array:
    """One by one, the last first."""
    total: Array = np.zeros_like(terms[0])
    for term in terms[::-1]:
        total = total + term
    return total


def blocked_sum(terms: Array) -> Array:
    """Sums of some at a time, and then the sum of these."""
    return backwards_sum(np.stack([backwards_sum(terms[i : i + BLOCK]) for i in range(0, len(terms), BLOCK)]))


@dataclass(frozen=True)
class Subject:
    """A subject that adds up with `add`: terms along the first axis, at least one of them."""

    add: Callable[[Array], Array]

    def total(self, terms: Array) -> Array:
        """The sum along the first axis, in memory of its own; nothing adds up to zero."""
        return np.array(self.add(terms) if len(terms) else np.zeros(terms.shape[1:], terms.dtype))

    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None = None,
        *,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
    ) -> Array:
        """Convolve."""
        size = valid.convolution(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
        pixels = taken(x, weight.shape[2:], size, stride, padding, dilation)
        pixels = pixels.reshape(len(x), groups, 1, weight[0].size, *size)
        terms = pixels * weight.reshape(1, groups, len(weight) // groups, weight[0].size, 1, 1)
        y = self.total(np.moveaxis(terms, 3, 0)).reshape(len(x), len(weight), *size)
        return y if bias is None else y + bias[:, None, None]

    def conv2d_backward(
        self,
        grad_output: Array,
        x: Array,
        weight: Array,
        bias: Array | None = None,
        *,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
    ) -> tuple[Array, Array, Any]:
        """Gradients of x, weight and, if there is one, bias."""
        options = {"stride": stride, "padding": padding, "dilation": dilation}
        size = valid.convolution(x, weight, bias, grad_output, groups=groups, **options)
        gradient = grad_output.reshape(len(x), groups, len(weight) // groups, 1, *size)
        seen = taken(x, weight.shape[2:], size, **options).reshape(len(x), groups, 1, weight[0].size, *size)
        terms = np.moveaxis(gradient * seen, (0, 4, 5), (0, 1, 2))
        grad_weight = self.total(terms.reshape(-1, *terms.shape[3:])).reshape(weight.shape)
        by_bias = np.moveaxis(grad_output, 1, -1).reshape(-1, len(weight))
        grad_bias = None if bias is None else self.total(by_bias)

        kernels = weight.reshape(groups, -1, *weight.shape[1:])
        outputs, taps = kernels.shape[1], weight[0, 0].size
        spread = np.zeros((taps * outputs, len(x), groups, weight.shape[1], *x.shape[2:]), x.dtype)
        by_tap = spread.reshape(taps, outputs, *spread.shape[1:])
        for k, ((t, u), inside, pixels) in enumerate(windows.taps(x.shape[2:], size, weight.shape[2:], **options)):
            shares = gradient[inside] * kernels[None, :, :, :, t, u, None, None]
            by_tap[k][pixels] = np.moveaxis(shares, 2, 0)
        return self.total(spread).reshape(x.shape), grad_weight, grad_bias

    def avg_pool2d(
        self, x: Array, kernel_size: Pair, *, stride: Pair, padding: Pair, ceil_mode: bool, **options: Any
    ) -> Array:
        """Average."""
        places = valid.pool(x, kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode)
        divisors = windows.divisors(x.shape[2:], places, kernel_size, stride=stride, padding=padding, **options)
        pixels = taken(x, kernel_size, places, stride, padding, (1, 1))
        return np.asarray(self.total(np.moveaxis(pixels, 2, 0)) / divisors.astype(x.dtype))


def taken(x: Array, kernel_size: Pair, size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """The pixels under each tap at each place, zero outside of the image: N x C x taps x h_out x w_out."""
    found = np.zeros((*x.shape[:2], *kernel_size, *size), x.dtype)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    for (t, u), inside, pixels in windows.taps(x.shape[2:], size, kernel_size, **options):
        found[:, :, t, u][inside] = x[pixels]
    return found.reshape(*x.shape[:2], kernel_size[0] * kernel_size[1], *size)


pairwise = Subject(pairwise_sum)
kahan = Subject(kahan_sum)
blocked = Subject(blocked_sum)
backwards = Subject(backwards_sum)
