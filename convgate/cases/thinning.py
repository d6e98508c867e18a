"""Where a sparse lattice has zeros, so that only so many terms other than zero meet in any output or gradient.

Each rule holds whatever the other arrays hold, so that nothing needs to be counted afterwards:

- ``y`` of a convolution adds up a filter's weights: few of each filter stay.
- ``grad_weight`` and ``grad_bias`` add up the gradients of a filter: few of each filter stay, of all images together.
- ``grad_input`` adds up weights of a channel: few of each channel stay, if a filter then has enough of them left.
  Otherwise there are many filters and few channels, and gradients of the output are taken away instead, until only
  so many of all filters reach any one pixel.
- Pools add up pixels of a window, and their gradients those of the windows of a pixel: entries are taken away until
  no window and no pixel has more. ``col2im`` keeps few taps of each channel of each image.

The entries that stay are spread evenly: filters take turns along one random order of all channels and taps, or of all
places, in which places at the border come as often as every third.
"""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from convgate.oracle_list import windows
from convgate.problems.axis import Axis
from convgate.problems.problem import Problem

__all__ = ["kept", "terms_met"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Draw = Callable[[int], Words]
Step = Callable[[Floats], Floats]
Tap = tuple[slice, slice]

# Filters with fewer weights than this show too little: then gradients of the output make room.
LEAST_OF_A_FILTER = 4


def kept(problem: Problem, name: str, shape: tuple[int, ...], most: int, draw: Draw) -> Bools | None:
    """The entries of an array that are not zero.

    Parameters
    ----------
    problem : Problem
        A valid one.
    name : str
        The array.
    shape : tuple of int
        Its shape.
    most : int
        How many terms that are not zero may meet in an entry of any output.
    draw : callable
        Gives so many random words.

    Returns
    -------
    ndarray of bool or None
        None if all entries stay.
    """
    if 0 in shape:
        return None
    rule = RULES.get((problem.operator, name))
    return None if rule is None else rule(problem, shape, most, draw)


def terms_met(problem: Problem, values: dict[str, Bools]) -> dict[str, int]:
    """How many terms that are not zero meet in an entry of each output, at most.

    Parameters
    ----------
    problem : Problem
        A valid one.
    values : dict of ndarray of bool
        Which entries of its arrays are not zero.

    Returns
    -------
    dict of int
        By output, of those that add up anything: a bound, not the number.
    """
    if problem.operator == "conv2d":
        weight, gradient = values["weight"], values["grad_output"]
        in_a_group = problem.channels // problem.groups
        spatial = tuple(range(2, gradient.ndim))
        images = values["x"].sum(axis=spatial).reshape(problem.batch, problem.groups, in_a_group).sum(axis=2)
        groups = weight.reshape(problem.groups, -1, in_a_group, problem.taps)
        pixels = values["x"].sum(axis=(0, *spatial))
        gradients = largest(gradient.sum(axis=(0, *spatial)))
        return {
            "y": min(largest(weight.sum(axis=(1, *spatial))), largest(images)) + problem.bias,
            "grad_input": min(largest(groups.sum(axis=(1, 3))), largest(reaching(problem, gradient))),
            "grad_weight": min(gradients, largest(pixels)),
            "grad_bias": gradients,
        }
    if problem.operator == "col2im":
        columns = values["columns"].reshape(problem.channels, problem.taps, problem.places, problem.batch)
        return {"y": largest(columns.any(axis=2).sum(axis=1))}
    if problem.operator == "im2col":
        return {}
    found = {"grad_input": largest(reaching(problem, values["grad_output"], together=False))}
    if problem.operator == "avg_pool2d":
        found["y"] = largest(to_places(problem)(values["x"].astype(np.float64)))
    return found


def largest(counts: NDArray[np.generic]) -> int:
    """The largest of some counts, 0 if there are none."""
    return int(counts.max()) if counts.size else 0


def reaching(problem: Problem, gradient: Bools, *, together: bool = True) -> Floats:
    """How many gradients of the output reach each pixel, of a group's filters together or of each channel alone."""
    batch, channels, *places = gradient.shape
    groups = problem.groups if together else channels
    grouped = gradient.reshape(batch, groups, channels // groups, *places)
    return to_pixels(problem)(grouped.sum(axis=2).astype(np.float64))


def taps(axis: Axis, *, ceil_mode: bool) -> list[Tap]:
    """For each tap along one axis the places at which it lies in the image, and the pixels that it lies on there."""
    found = windows(axis.size, axis.kernel_size, axis.stride, axis.padding, axis.dilation, ceil_mode=ceil_mode)
    return [(places, pixels) for _, places, pixels in found.slices]


def to_pixels(problem: Problem) -> Step:
    """Adds up, for each pixel, what all places have that see it."""
    return adding_up(problem.size, [taps(axis, ceil_mode=problem.ceil_mode) for axis in problem.axes])


def to_places(problem: Problem) -> Step:
    """Adds up, for each place, what all pixels have that it sees."""
    each = (taps(axis, ceil_mode=problem.ceil_mode) for axis in problem.axes)
    return adding_up(problem.output_size, [[(pixels, places) for places, pixels in axis] for axis in each])


def adding_up(lengths: Sequence[int], moves: Sequence[Sequence[Tap]]) -> Step:
    """Adds up along one of the last axes after the other: to so many entries, for each move from where to where."""

    def step(counts: Floats) -> Floats:
        for number, (length, several) in enumerate(zip(lengths, moves, strict=True)):
            along = counts.ndim - len(lengths) + number
            found = np.zeros((*counts.shape[:along], length, *counts.shape[along + 1 :]))
            sources, targets = np.moveaxis(counts, along, 0), np.moveaxis(found, along, 0)
            for source, target in several:
                targets[target] += sources[source]
            counts = found
        return counts

    return step


def order(words: Words) -> Ints:
    """A random order, along the last axis."""
    found: Ints = np.argsort(words, axis=-1, kind="stable")
    return found


def of_each_filter(problem: Problem, most: int) -> int:
    """How many weights of a filter stay."""
    channels, filters = problem.channels // problem.groups, problem.out_channels // problem.groups
    few = min(channels * problem.taps, most - problem.bias)
    of_a_channel = most * channels // filters
    return min(few, of_a_channel) if filters * problem.taps > most and of_a_channel >= LEAST_OF_A_FILTER else few


def weights(problem: Problem, shape: tuple[int, ...], most: int, draw: Draw) -> Bools | None:
    """A filter's next weights in an order in which channels take turns, so that all of a group's come as often."""
    groups, taps = problem.groups, problem.taps
    filters, channels = shape[0] // groups, shape[1]
    few, cells = of_each_filter(problem, most), channels * taps
    if few >= cells:
        return None
    turns = order(draw(groups * filters).reshape(groups, filters)) * few
    cell = (turns[..., None] + np.arange(few)) % cells
    group = np.arange(groups)[:, None, None]
    channel = order(draw(groups * channels).reshape(groups, channels))[group, cell % channels]
    tap = order(draw(groups * cells).reshape(groups, channels, taps))[group, channel, cell // channels]
    mask = np.zeros((groups, filters, channels, taps), bool)
    mask[group, np.arange(filters)[:, None], channel, tap] = True
    return mask.reshape(shape)


def gradients(problem: Problem, shape: tuple[int, ...], most: int, draw: Draw) -> Bools | None:
    """A filter's next places in an order of the places of all images, and as few as may reach one pixel."""
    batch, filters, *lengths = shape
    cells = batch * prod(lengths)
    mask = np.ones((filters, batch, *lengths), bool)
    if cells > most:
        places = places_in_turn(batch, lengths, draw)
        turns = order(draw(filters)) * most
        mask[:] = False
        mask.reshape(filters, cells)[
            np.arange(filters)[:, None], places[(turns[:, None] + np.arange(most)) % cells]
        ] = True
    mask = np.ascontiguousarray(mask.swapaxes(0, 1))
    # otherwise no channel has more weights
    if of_each_filter(problem, most) * problem.out_channels > most * problem.channels:
        grouped = mask.reshape(batch, problem.groups, -1, *lengths)
        mask = taken_away(grouped, to_pixels(problem), to_places(problem), most, draw).reshape(shape)
    return None if mask.all() else mask


def places_in_turn(batch: int, lengths: Sequence[int], draw: Draw) -> Ints:
    """Places of all images in a random order, in which every third is at the border as long as there are any."""
    inner = np.zeros((batch, *lengths), bool)
    inner[(slice(None), *(slice(1, length - 1) if length > 2 else slice(None) for length in lengths))] = True
    words, turn, flat = draw(inner.size), np.empty(inner.size), inner.ravel()
    for chosen, step in ((flat, 1.5), (~flat, 3.0)):
        turn[np.flatnonzero(chosen)[order(words[chosen])]] = step * np.arange(int(chosen.sum()))
    return order(turn)  # type: ignore[arg-type]


def taken_away(mask: Bools, forth: Step, back: Step, most: int, draw: Draw) -> Bools:
    """Remove entries until at most `most` are seen together.

    Each time a quarter of those go that are seen from where too many are, until there is no such place.

    Parameters
    ----------
    mask : ndarray of bool, images x groups x entries that add up x places
        The entries that there are.
    forth, back : callable
        What adds up entries where they are seen from, and what adds up the points of view of each entry.
    most : int
        How many may be seen together.
    draw : callable
        Gives so many random words.

    Returns
    -------
    ndarray of bool
        The entries that stay.
    """
    words, plane = draw(mask.size), prod(mask.shape[2:])
    mask = mask.copy()
    while True:
        crowded = forth(mask.sum(axis=2).astype(np.float64)) > most
        if not crowded.any():
            return mask
        touched = back(crowded.astype(np.float64)) > 0
        among = np.flatnonzero(mask & touched[:, :, None])
        # of each image and group in turn, so that some stay of each
        mixed = among[np.lexsort((words[among], among // plane))]
        mask.reshape(-1)[mixed[::4]] = False


def of_windows(problem: Problem, shape: tuple[int, ...], most: int, draw: Draw) -> Bools | None:
    """Pixels of a pool, so that no window has too many."""
    return of_pools(shape, most, draw, to_places(problem), to_pixels(problem))


def of_pixels(problem: Problem, shape: tuple[int, ...], most: int, draw: Draw) -> Bools | None:
    """Gradients of the output of a pool, so that no pixel gets too many."""
    return of_pools(shape, most, draw, to_pixels(problem), to_places(problem))


def of_pools(shape: tuple[int, ...], most: int, draw: Draw, forth: Step, back: Step) -> Bools | None:
    """Entries of each channel alone, about as many at first as there may be."""
    seen = largest(forth(np.ones((1, 1, *shape[2:]))))
    if seen <= most:
        return None
    share = np.uint64(2**32 * most // seen)
    mask = (draw(int(np.prod(shape))) >> np.uint64(32) < share).reshape(*shape[:2], 1, *shape[2:])
    return taken_away(mask, forth, back, most, draw).reshape(shape)


def of_columns(problem: Problem, shape: tuple[int, ...], most: int, draw: Draw) -> Bools | None:
    """The next taps of each channel of each image, in one order of all taps."""
    channels, taps, batch = problem.channels, problem.taps, problem.batch
    if taps <= most:
        return None
    turns = order(draw(channels * batch)).reshape(channels, batch) * most
    tap = order(draw(taps))[(turns[..., None] + np.arange(most)) % taps]
    mask = np.zeros((channels, batch, taps), bool)
    np.put_along_axis(mask, tap, values=True, axis=2)
    wide = np.broadcast_to(mask.transpose(0, 2, 1)[:, :, None], (channels, taps, problem.places, batch))
    return wide.reshape(shape)


RULES: dict[tuple[str, str], Callable[[Problem, tuple[int, ...], int, Draw], Bools | None]] = {
    ("conv2d", "weight"): weights,
    ("conv2d", "grad_output"): gradients,
    ("avg_pool2d", "x"): of_windows,
    ("avg_pool2d", "grad_output"): of_pixels,
    ("max_pool2d", "grad_output"): of_pixels,
    ("col2im", "columns"): of_columns,
}
