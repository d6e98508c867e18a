"""Shape classes: the boundary classes that problems are sorted into, as coverage counts classes and not raw numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from convgate.problems.axis import Axis, output_size
from convgate.problems.block_sizes import FEW, LEAST_BLOCK, is_past_block, is_whole
from convgate.problems.problem import Problem

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
    "AxisFeature",
    "Block",
    "Feature",
    "count_class",
    "count_classes",
    "flag",
    "padding_windows",
]

# Suffixes of the names of height and width.
AXIS_NAMES = ("h", "w")
# From this on kernels are large: fast ones are written for up to 5 x 5, and 7 x 7 with a stride.
LARGE_KERNEL = 6


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
        An axis, and whether ceil_mode is on, to the number of its class.
    """

    name: str
    classes: tuple[str, ...]
    of: Callable[[Axis, bool], int]


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


def kernel_class(axis: Axis, _: bool) -> int:
    """1, even or odd."""
    return 0 if axis.kernel_size == 1 else 1 + axis.kernel_size % 2


def stride_class(axis: Axis, _: bool) -> int:
    """1, less than the kernel, the same, or more."""
    if axis.stride == 1:
        return 0
    return 1 + compared(axis.stride, axis.kernel_size)


def padding_class(axis: Axis, _: bool) -> int:
    """None, less than the kernel, or as much and more."""
    return 0 if axis.padding == 0 else 1 + (axis.padding >= axis.kernel_size)


def compared(left: int, right: int) -> int:
    """0 if the left one is less, 1 if they are the same, 2 if it is more."""
    return 1 + (left > right) - (left < right)


def remainder_class(axis: Axis, _: bool) -> int:
    """Whether the stride divides the room that the kernel has."""
    return int((axis.padded_size - axis.span) % axis.stride > 0)


def overhang_class(axis: Axis, ceil_mode: bool) -> int:
    """What ceil_mode does here: nothing, one more place that overhangs, or none as it would start beyond the input."""
    if not ceil_mode or not remainder_class(axis, ceil_mode):
        return 0
    return 1 if output_size(axis, ceil_mode=True) > output_size(axis) else 2


@cache
def padding_windows(axis: Axis, ceil_mode: bool) -> tuple[int, int]:
    """Number of windows with no tap in the input, and of all windows."""
    taps = range(0, axis.span, axis.dilation)
    starts = [place * axis.stride - axis.padding_before for place in range(output_size(axis, ceil_mode=ceil_mode))]
    empty = sum(not any(0 <= start + tap < axis.size for tap in taps) for start in starts)
    return empty, len(starts)


DILATION = AxisFeature("dilation", ("dilation_{a} = 1", "dilation_{a} > 1"), lambda axis, _: int(axis.dilation > 1))
OVERHANG = AxisFeature("overhang", ("no overhang_{a}", "overhang_{a} kept", "overhang_{a} clipped"), overhang_class)
EMPTY_WINDOW = AxisFeature(
    "empty_window",
    ("no window_{a} in padding alone", "a window_{a} in padding alone"),
    lambda axis, ceil_mode: int(padding_windows(axis, ceil_mode)[0] > 0),
)
PLAIN_AXES = (
    AxisFeature("kernel", ("kernel_{a} = 1", "kernel_{a} even", "kernel_{a} odd, > 1"), kernel_class),
    AxisFeature(
        "large_kernel",
        (f"kernel_{{a}} < {LARGE_KERNEL}", f"kernel_{{a}} >= {LARGE_KERNEL}"),
        lambda axis, _: int(axis.kernel_size >= LARGE_KERNEL),
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
        lambda axis, ceil_mode: min(output_size(axis, ceil_mode=ceil_mode), 3) - 1,
    ),
    AxisFeature(
        "input",
        ("input_{a} < span_{a}", "input_{a} = span_{a}", "input_{a} > span_{a}"),
        lambda axis, _: compared(axis.size, axis.span),
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
