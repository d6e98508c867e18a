"""Data with NaN, infinities, zeros of both signs and subnormals."""

from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from convgate.cases.dtypes import DTYPES
from convgate.cases.lattice import Lattice, on_lattice
from convgate.cases.random_bits import raw
from convgate.problems.operators import Array, Operator, Shape
from convgate.problems.problem import Problem

__all__ = ["special"]

# NaN hides infinities, and infinities of both signs give NaN: on most seeds there are infinities alone.
KINDS_BY_THEME = ((np.nan, np.inf, -np.inf), (np.inf, -np.inf), (np.nan,), (np.inf, -np.inf))


def special(operator: Operator, problem: Problem, dtype: str, seed: int, name: str, shape: Shape, of: Lattice) -> Array:
    """The lattice with NaN and infinities in each array, or in some of them, and zeros and subnormals strewn about.

    Which arrays have NaN and infinities is a matter of the seed: all of them, one, or the weight and the bias. An array
    that has them has one in each image and in each channel, but for a bias, of which some entries stay finite. Zero
    times NaN or infinity is NaN, so an implementation may leave out nothing because it is zero. What it may do with its
    padding, says `convgate.judging.determined`.

    Where an output is only copied or chosen (im2col, and y of max_pool2d) subnormals appear to the last bit and zeros
    with their sign; padding of im2col is 0 without a sign, and a maximum of zeros of both signs has either. Where
    numbers are added up neither is asked for: a sum that starts with 0 loses the sign of a zero, a processor that
    flushes subnormals to zero loses these, and both are within half a step of the lattice. Subnormals are never among
    the data that infinities are multiplied by: flushed to zero these would make NaN.
    """
    values = on_lattice(operator, problem, dtype, seed, name, shape, of)
    theme = theme_of(seed)
    not_finite = name in special_arrays(operator, theme)
    if name == "x" and not operator.roundings(problem)["y"]:
        return specially_copied(operator, dtype, seed, values)
    words = raw(seed, name, values.size, part=2)
    subnormal = DTYPES[dtype].smallest_normal / 4
    alone = operator.factors == 1 or special_arrays(operator, theme) == {"x"}
    small = np.array([0.0, -0.0, subnormal, -subnormal] if alone and name in {"x", "columns"} else [0.0])
    if name != "bias":
        every = np.uint64(6 if name in {"x", "columns"} else 3)
        values = np.where((words % every == 0).reshape(shape), chosen_from(small, words).reshape(shape), values)
    if not not_finite:
        return values
    kinds = KINDS_BY_THEME[theme // 4 % len(KINDS_BY_THEME)]
    window = max(6, *operator.roundings(problem).values())
    rest = (words >> np.uint64(8)) % np.uint64(window) == 0
    chosen = in_each(problem, name, words, shape) | (rest.reshape(shape) if name in {"x", "columns"} else False)
    return np.where(chosen, chosen_from(np.array(kinds), words).reshape(shape), values)


@lru_cache(maxsize=2**10)
def theme_of(seed: int) -> int:
    """What the arrays of a case decide together."""
    return int(raw(seed, "x", 1, part=3)[0])


def special_arrays(operator: Operator, theme: int) -> set[str]:
    """The arrays that have NaN and infinities: all, the data alone, what is learnt, or the gradient of the output."""
    if operator.backward is None:
        return {"x", "columns"}
    choices = [{"x", "weight", "bias", "grad_output"}, {"x"}, {"grad_output"}]
    if operator.factors == 2:
        choices.append({"weight", "bias"})
    return choices[theme % len(choices)]


def chosen_from(kinds: Array, words: NDArray[np.uint64]) -> Array:
    """One of some values for each word, by bits that nothing else is decided by."""
    found: Array = kinds[((words >> np.uint64(32)) % np.uint64(kinds.size)).astype(np.int64)]
    return found


def in_each(problem: Problem, name: str, words: NDArray[np.uint64], shape: Shape) -> NDArray[np.bool_]:
    """Entries at random, such that each image and each channel has one: each filter and each channel of a weight."""
    if name == "bias":
        chosen: NDArray[np.bool_] = words % np.uint64(3) == 0
        chosen[int(words[0] % np.uint64(words.size))] = True
        return chosen
    if name == "columns":
        split = (problem.channels, problem.taps, problem.places, problem.batch)
        axes = (problem.batch, problem.channels, problem.taps, problem.places)
        return in_each(problem, "x", words, axes).transpose(1, 2, 3, 0).reshape(split).reshape(shape)
    chosen = np.zeros(shape, bool)
    if not words.size:
        return chosen
    turns = np.arange(max(shape[:2]))
    first = (turns + int(words[0] >> np.uint64(20)) % shape[0]) % shape[0]
    second = (turns + int(words[-1] >> np.uint64(20)) % shape[1]) % shape[1]
    pixels, index = words[: turns.size] >> np.uint64(16), [first, second]
    for length in shape[2:]:
        index.append((pixels % np.uint64(length)).astype(np.int64))
        pixels = pixels // np.uint64(length)
    chosen[tuple(index)] = True
    return chosen


def specially_copied(operator: Operator, dtype: str, seed: int, values: Array) -> Array:
    """Data of which nothing is added up, with special values of every kind in each channel of each image."""
    subnormal = DTYPES[dtype].smallest_normal / 4
    strewn = np.array([np.nan, np.inf, -np.inf, -0.0, subnormal, -subnormal])
    if operator.chooses and seed % 2:
        # whose the gradient is where there is NaN is not judged, but minus infinity is larger than padding
        strewn = strewn[1:]
    words = raw(seed, "x", values.size, part=2)
    planes = (words % np.uint64(6) == 0).reshape(prod(values.shape[:2]), prod(values.shape[2:]))
    without = np.flatnonzero(~planes.any(axis=1))
    if without.size:
        planes[without, (words[without] >> np.uint64(8)).astype(np.int64) % planes.shape[1]] = True
    found = np.where(planes.reshape(values.shape), chosen_from(strewn, words).reshape(values.shape), values)
    if values.size and np.isfinite(found).all():
        # by which these data are told from others
        found.flat[np.flatnonzero(planes)[0]] = np.inf
    return found
