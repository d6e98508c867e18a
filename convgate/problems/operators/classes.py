"""Shape classes: the boundary classes that problems are sorted into, as coverage counts classes and not raw numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from convgate.problems.block_sizes import FEW, LEAST_BLOCK, is_past_block, is_whole
from convgate.problems.problem import PAIRS, Problem, output_size, span

__all__ = [
    "AXIS_NAMES",
    "BATCH",
    "CEIL_AXES",
    "CHANNELS",
    "DILATED_AXES",
    "DILATION",
    "EMPTY_WINDOW",
    "LARGE_KERNEL",
    "PLAIN_AXES",
    "Axis",
    "AxisFeature",
    "Block",
    "Feature",
    "axis_of",
    "count_class",
    "count_classes",
    "flag",
    "padding_windows",
    "places_of",
    "span_of",
]

# Suffixes of the names of height and width.
AXIS_NAMES = ("h", "w")
# From this on kernels are large: fast ones are written for up to 5 x 5, and 7 x 7 with a stride.
LARGE_KERNEL = 6


class Axis(NamedTuple):
    """The options of one axis, in the order of `PAIRS`, and ceil_mode."""

    size: int
    kernel_size: int
    stride: int
    padding: int
    dilation: int
    ceil_mode: bool


@dataclass(frozen=True)
class AxisFeature:
    """A feature of one axis.

    Parameters
    ----------
    name : str
        Such as ``stride``.
    classes : tuple of str
        The classes in words, with ``{a}`` where h or w is to stand: ``stride_{a} > kernel_{a}``.
    of : callable
        The options of an axis to the number of its class.
    """

    name: str
    classes: tuple[str, ...]
    of: Callable[[Axis], int]


@dataclass(frozen=True)
class Feature:
    """A feature of a problem as a whole.

    Parameters
    ----------
    name : str
        Such as ``groups``.
    classes : tuple of str
        The classes in words: ``groups = 1``.
    of : callable
        A problem to the number of its class.
    """

    name: str
    classes: tuple[str, ...]
    of: Callable[[Problem], int]


@dataclass(frozen=True)
class Block:
    """Features that depend on the same options, and on no others.

    Parameters
    ----------
    features : tuple of Feature
        The features.
    choices : tuple of dict
        Options by name that bring about every combination of classes that there is.
    """

    features: tuple[Feature, ...]
    choices: tuple[Mapping[str, Any], ...]


def axis_of(problem: Problem, axis: int) -> Axis:
    """The options of the height (0) or the width (1)."""
    size, kernel, stride, padding, dilation = (getattr(problem, name)[axis] for name in PAIRS)
    return Axis(size, kernel, stride, padding, dilation, problem.ceil_mode)


def places_of(axis: Axis) -> int:
    """Number of places of the kernel on one axis."""
    size, kernel, stride, padding, dilation, ceil_mode = axis
    return output_size(size, kernel, stride, padding, dilation, ceil_mode=ceil_mode)


def span_of(axis: Axis) -> int:
    """Pixels from the first tap to the last, both counted."""
    return span(axis.kernel_size, axis.dilation)


def kernel_class(axis: Axis) -> int:
    """1, even or odd."""
    return 0 if axis.kernel_size == 1 else 1 + axis.kernel_size % 2


def stride_class(axis: Axis) -> int:
    """1, less than the kernel, the same, or more."""
    if axis.stride == 1:
        return 0
    return 1 + compared(axis.stride, axis.kernel_size)


def padding_class(axis: Axis) -> int:
    """None, less than the kernel, or as much and more."""
    return 0 if axis.padding == 0 else 1 + (axis.padding >= axis.kernel_size)


def compared(left: int, right: int) -> int:
    """0 if the left one is less, 1 if they are the same, 2 if it is more."""
    return 1 + (left > right) - (left < right)


def remainder_class(axis: Axis) -> int:
    """Whether the stride divides the room that the kernel has."""
    return int((axis.size + 2 * axis.padding - span_of(axis)) % axis.stride > 0)


def overhang_class(axis: Axis) -> int:
    """What ceil_mode does here: nothing, one more place that overhangs, or none as it would start beyond the input."""
    if not axis.ceil_mode or not remainder_class(axis):
        return 0
    return 1 if places_of(axis) > places_of(axis._replace(ceil_mode=False)) else 2


@cache
def padding_windows(axis: Axis) -> tuple[int, int]:
    """Number of windows with no tap in the input, and of all windows."""
    taps = range(0, span_of(axis), axis.dilation)
    starts = [place * axis.stride - axis.padding for place in range(places_of(axis))]
    empty = sum(not any(0 <= start + tap < axis.size for tap in taps) for start in starts)
    return empty, len(starts)


DILATION = AxisFeature("dilation", ("dilation_{a} = 1", "dilation_{a} > 1"), lambda axis: int(axis.dilation > 1))
OVERHANG = AxisFeature("overhang", ("no overhang_{a}", "overhang_{a} kept", "overhang_{a} clipped"), overhang_class)
EMPTY_WINDOW = AxisFeature(
    "empty_window",
    ("no window_{a} in padding alone", "a window_{a} in padding alone"),
    lambda axis: int(padding_windows(axis)[0] > 0),
)
PLAIN_AXES = (
    AxisFeature("kernel", ("kernel_{a} = 1", "kernel_{a} even", "kernel_{a} odd, > 1"), kernel_class),
    AxisFeature(
        "large_kernel",
        (f"kernel_{{a}} < {LARGE_KERNEL}", f"kernel_{{a}} >= {LARGE_KERNEL}"),
        lambda axis: int(axis.kernel_size >= LARGE_KERNEL),
    ),
    AxisFeature(
        "stride",
        ("stride_{a} = 1", "1 < stride_{a} < kernel_{a}", "stride_{a} = kernel_{a} > 1", "stride_{a} > kernel_{a}"),
        stride_class,
    ),
    AxisFeature(
        "padding", ("padding_{a} = 0", "0 < padding_{a} < kernel_{a}", "padding_{a} >= kernel_{a}"), padding_class
    ),
    AxisFeature("remainder", ("remainder_{a} = 0", "remainder_{a} > 0"), remainder_class),
    AxisFeature(
        "output",
        ("output_{a} = 1", "output_{a} = 2", "output_{a} > 2"),
        lambda axis: min(places_of(axis), 3) - 1,
    ),
    AxisFeature(
        "input",
        ("input_{a} < span_{a}", "input_{a} = span_{a}", "input_{a} > span_{a}"),
        lambda axis: compared(axis.size, span_of(axis)),
    ),
)
DILATED_AXES = (*PLAIN_AXES, DILATION, EMPTY_WINDOW)
CEIL_AXES = (*PLAIN_AXES, OVERHANG)


def flag(name: str) -> Block:
    """A boolean option, which depends on nothing else."""
    feature = Feature(name, (f"no {name}", name), lambda problem: int(getattr(problem, name)))
    return Block((feature,), ({name: False}, {name: True}))


def count_class(count: int) -> int:
    """1, few, whole blocks, or past a block."""
    if count == 1:
        return 0
    return 2 if is_whole(count) else 1 + 2 * is_past_block(count)


def count_classes(name: str) -> tuple[str, ...]:
    """The same in words."""
    tail = f"no multiple of {LEAST_BLOCK}"
    return (
        f"{name} = 1",
        f"1 < {name} < {FEW}, {tail}",
        f"{name} is a multiple of {LEAST_BLOCK}",
        f"{name} > {FEW}, {tail}",
    )


BATCH = Block(
    (Feature("batch", ("batch = 0", "batch = 1", "batch > 1"), lambda problem: min(problem.batch, 2)),),
    tuple({"batch": batch} for batch in (1, 2, 3, 0)),  # a witness takes the first that fits
)
CHANNELS = Block(
    (Feature("channels", count_classes("channels"), lambda problem: count_class(problem.channels)),),
    tuple({"channels": channels} for channels in (1, 2, 3, 4, 8, 9, 16, 17)),
)
