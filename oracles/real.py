"""The definition on real data: signatures of :mod:`oracles.definition`, results certified instead of exact.

Each output is written out as its terms, the products that the definition adds up, and these are added up by
:mod:`oracles.certified`. Data are finite floats. What an output only copies or chooses (im2col, and y of max_pool2d)
is not here, as nothing of it is ever rounded. Arguments are those of a valid problem and are not checked again.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from . import vectorized
from .certified import SMALLEST, Certified, U, add_up, product_error
from .vectorized import MOST_BYTES, Axes

__all__ = ["avg_pool2d", "avg_pool2d_backward", "col2im", "conv2d", "conv2d_backward", "max_pool2d_backward"]

Pair: TypeAlias = tuple[int, int]


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Certified:
    """The output of :func:`oracles.definition.conv2d`."""
    axes = vectorized.axes_of(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    images, kernels = vectorized.split(x, 1, groups), vectorized.split(weight, 0, groups)
    batch, filters, terms = len(x), kernels.shape[1], math.prod(weight.shape[1:])
    # terms x images x groups x filters x places
    seen = _seen(images, axes).transpose(2, 3, 4, 0, 1, 5, 6).reshape(terms, batch, groups, 1, math.prod(_counts(axes)))
    factors = kernels.transpose(2, 3, 4, 0, 1).reshape(terms, 1, groups, filters, 1)
    if bias is not None:
        offsets = vectorized.split(bias, 0, groups).reshape(1, 1, groups, filters, 1)
        seen = np.concatenate([seen, np.ones((1, *seen.shape[1:]))])
        factors = np.concatenate([factors, offsets])
    return _sum_of_products(seen, factors, (batch, len(weight), *_counts(axes)), exact=x.dtype == np.float32)


def conv2d_backward(
    grad_output: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> tuple[Certified, Certified, Certified | None]:
    """The gradients of :func:`oracles.definition.conv2d_backward`."""
    axes = vectorized.axes_of(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    images, kernels = vectorized.split(x, 1, groups), vectorized.split(weight, 0, groups)
    gradients = vectorized.split(grad_output, 1, groups)
    exact = x.dtype == np.float32
    batch, channels, filters, taps = len(x), images.shape[2], kernels.shape[1], math.prod(weight.shape[2:])
    pixels, places = math.prod(x.shape[2:]), math.prod(_counts(axes))
    # terms (filters and taps) x images x groups x channels x pixels
    handed = _handed(gradients, axes).transpose(2, 3, 4, 0, 1, 5, 6).reshape(filters * taps, batch, groups, 1, pixels)
    factors = kernels.transpose(1, 3, 4, 0, 2).reshape(filters * taps, 1, groups, channels, 1)
    grad_input = _sum_of_products(handed, factors, x.shape, exact=exact)
    # terms (images and places) x groups x filters x (channels and taps)
    seen = _seen(images, axes).transpose(0, 5, 6, 1, 2, 3, 4).reshape(batch * places, groups, 1, channels * taps)
    factors = gradients.transpose(0, 3, 4, 1, 2).reshape(batch * places, groups, filters, 1)
    grad_weight = _sum_of_products(seen, factors, weight.shape, exact=exact)
    grad_bias = None
    if bias is not None:
        ones = np.ones((1, 1))
        flat = grad_output.astype(np.float64).transpose(0, 2, 3, 1).reshape(batch * places, len(weight))
        grad_bias = _sum_of_products(flat, ones, bias.shape, exact=True)
    return grad_input, grad_weight, grad_bias


def avg_pool2d(
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Certified:
    """The output of :func:`oracles.definition.avg_pool2d`: sums, each divided once."""
    axes = vectorized.axes_of(x.shape[2:], kernel_size, stride, padding, (1, 1), ceil_mode=ceil_mode)
    divisors = vectorized.divisors_of(axes, count_include_pad=count_include_pad, divisor_override=divisor_override)
    terms = _seen(x.astype(np.float64)[:, :, None], axes).transpose(3, 4, 0, 1, 2, 5, 6)
    terms = terms.reshape(math.prod(kernel_size), *x.shape[:2], *_counts(axes))
    high, low, error = add_up(terms)
    quotient, rest = _quotient(high, low, divisors)
    # of the remainder and of its quotient, both rounded
    lost = 4 * U * (U * np.abs(high) + np.abs(low))
    return Certified(
        quotient,
        rest,
        (error + lost) / np.abs(divisors) + SMALLEST,
        lambda index: _exact_sum(terms, index) / Fraction(int(divisors[index[2:]])),
    )


def avg_pool2d_backward(
    grad_output: np.ndarray,
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Certified:
    """The gradient of :func:`oracles.definition.avg_pool2d_backward`: a sum of quotients."""
    axes = vectorized.axes_of(x.shape[2:], kernel_size, stride, padding, (1, 1), ceil_mode=ceil_mode)
    divisors = vectorized.divisors_of(axes, count_include_pad=count_include_pad, divisor_override=divisor_override)
    gradients = grad_output.astype(np.float64)
    parts = (*_quotient(gradients, np.zeros(()), divisors), gradients, np.broadcast_to(divisors, gradients.shape))
    shares, rests, numerators, denominators = (
        _handed(part[:, :, None], axes).transpose(3, 4, 0, 1, 2, 5, 6).reshape(math.prod(kernel_size), *x.shape)
        for part in parts
    )

    def exact(index: tuple[int, ...]) -> Fraction:
        pairs = zip(_terms_of(numerators, index), _terms_of(denominators, index), strict=True)
        return sum((Fraction(g) / Fraction(d) for g, d in pairs if d), Fraction(0))

    return Certified(*add_up(shares, rests), exact)


def max_pool2d_backward(
    grad_output: np.ndarray,
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool,
) -> Certified:
    """The gradient of :func:`oracles.definition.max_pool2d_backward`: a sum over the windows that a pixel has won."""
    axes = vectorized.axes_of(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)
    pixels = math.prod(x.shape[2:])
    planes = x.astype(np.float64).reshape(math.prod(x.shape[:2]), pixels)
    _, winners, taps = vectorized.maxima(planes, axes)
    # a pixel sees each window by one tap, so no two terms fall on each other; one pixel more takes what nobody gets
    terms = np.zeros((math.prod(kernel_size), len(planes), pixels + 1))
    terms[taps, np.arange(len(planes))[:, None], winners] = grad_output.reshape(winners.shape)
    return _sum_of(terms[:, :, :-1].reshape(len(terms), *x.shape))


def col2im(
    columns: np.ndarray,
    input_shape: tuple[int, int, int, int],
    kernel_size: Pair,
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> Certified:
    """The sums of :func:`oracles.definition.col2im`."""
    batch, channels, *size = input_shape
    axes = vectorized.axes_of((size[0], size[1]), kernel_size, stride, padding, dilation)
    source = columns.astype(np.float64).reshape(channels, *kernel_size, *_counts(axes), batch)
    terms = np.zeros((*kernel_size, batch, channels, *size))
    for t, i, row, u, j, column in vectorized.taps_of(axes):
        terms[t, u, :, :, row, column] = source[:, t, u, i, j].transpose(3, 0, 1, 2)
    return _sum_of(terms.reshape(math.prod(kernel_size), *input_shape))


def _sum_of(terms: np.ndarray) -> Certified:
    """The sum of exact terms along the first axis."""
    return Certified(*add_up(terms), lambda index: _exact_sum(terms, index))


def _sum_of_products(a: np.ndarray, b: np.ndarray, shape: tuple[int, ...], *, exact: bool) -> Certified:
    """The sum of a * b along the first axis, with the others broadcast and then reshaped.

    In blocks of the last axis, which is that of `a`. Products are exact in float64 if data are float32.
    """
    inner = np.broadcast_shapes(a.shape[1:], b.shape[1:])
    high, low, error = np.zeros(inner), np.zeros(inner), np.zeros(inner)
    # some eight arrays of all terms are held at a time
    step = max(1, MOST_BYTES // (64 * max(1, len(a) * math.prod(inner[:-1]))))
    for start in range(0, inner[-1], step):
        part = a[..., start : start + step]
        products = part * b
        block = np.s_[..., start : start + step]
        errors = None if exact else product_error(part, b, products)
        high[block], low[block], error[block] = add_up(products, errors)

    def entry(index: tuple[int, ...]) -> Fraction:
        place = tuple(map(int, np.unravel_index(np.ravel_multi_index(index, shape), inner)))
        factors = (_terms_of(np.broadcast_to(each, (len(a), *inner)), place) for each in (a, b))
        return sum((Fraction(p) * Fraction(q) for p, q in zip(*factors, strict=True) if p and q), Fraction(0))

    return Certified(high.reshape(shape), low.reshape(shape), error.reshape(shape), entry)


def _terms_of(terms: np.ndarray, index: tuple[int, ...]) -> list[float]:
    """The terms of one entry, along the first axis."""
    return [term.item(index) for term in terms]


def _exact_sum(terms: np.ndarray, index: tuple[int, ...]) -> Fraction:
    return sum(map(Fraction, _terms_of(terms, index)), Fraction(0))


def _quotient(high: np.ndarray, low: np.ndarray, divisors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A sum of two floats divided by integers, as a sum of two floats: the quotient, and that of what remains."""
    quotient = high / divisors
    product = quotient * divisors
    remainder = (high - product) - product_error(quotient, divisors, product)
    return quotient, (remainder + low) / divisors


def _seen(images: np.ndarray, axes: Axes) -> np.ndarray:
    """What each tap of each window sees: (N, G, C/G, H, W) to (N, G, C/G, kh, kw, h_out, w_out), 0 in padding."""
    seen = np.zeros((*images.shape[:3], axes[0].kernel, axes[1].kernel, *_counts(axes)))
    for t, i, row, u, j, column in vectorized.taps_of(axes):
        seen[:, :, :, t, u, i, j] = images[:, :, :, row, column]
    return seen


def _handed(gradients: np.ndarray, axes: Axes) -> np.ndarray:
    """What each pixel is handed by each tap: (N, G, O/G, h_out, w_out) to (N, G, O/G, kh, kw, H, W), 0 if nothing."""
    handed = np.zeros((*gradients.shape[:3], axes[0].kernel, axes[1].kernel, axes[0].size, axes[1].size))
    for t, i, row, u, j, column in vectorized.taps_of(axes):
        handed[:, :, :, t, u, row, column] = gradients[:, :, :, i, j]
    return handed


def _counts(axes: Axes) -> Pair:
    return axes[0].count, axes[1].count
