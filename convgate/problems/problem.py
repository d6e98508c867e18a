"""Problems: an operator's geometry and options, frozen, without data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

from convgate.problems.axis import Axis, output_size, with_options

__all__ = ["Problem", "as_options", "replace_axis", "with_axes"]

# The options of a problem by name, those of the axes among them.
OPTIONS = (
    "operator",
    "batch",
    "channels",
    "size",
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "groups",
    "bias",
    "ceil_mode",
    "count_include_pad",
    "divisor_override",
)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Geometry and options of one call of an operator.

    A problem may be invalid (a stride of 0, say): whether it is, its operator's ``broken_rule`` says.
    Options that an operator does not have stay at their defaults.

    Parameters
    ----------
    operator : str
        Name of the operator, as in the subject protocol.
    batch, channels : int
        Number of images, and of channels of the input.
    axes : tuple of Axis
        The spatial axes, height first.
    out_channels, groups : int
        Of a convolution.
    bias : bool
        Whether a convolution has one.
    ceil_mode, count_include_pad, divisor_override
        As in ``torch.nn.functional``.

    Attributes
    ----------
    size, kernel_size, stride, padding, dilation, output_size : tuple of int
        The options of the axes, and the size of the output, with a number for each axis.
    """

    operator: str
    batch: int = 1
    channels: int = 1
    axes: tuple[Axis, ...] = (Axis(), Axis())
    out_channels: int = 1
    groups: int = 1
    bias: bool = False
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: int | None = None

    @property
    def size(self) -> tuple[int, ...]:
        """Pixels of the input along each axis."""
        return tuple([axis.size for axis in self.axes])

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """Taps of the kernel along each axis."""
        return tuple([axis.kernel_size for axis in self.axes])

    @property
    def stride(self) -> tuple[int, ...]:
        """Pixels from one window to the next along each axis."""
        return tuple([axis.stride for axis in self.axes])

    @property
    def padding(self) -> tuple[int, ...]:
        """Pixels of padding on either side of each axis."""
        return tuple([axis.padding for axis in self.axes])

    @property
    def dilation(self) -> tuple[int, ...]:
        """Pixels from one tap to the next along each axis."""
        return tuple([axis.dilation for axis in self.axes])

    @cached_property
    def output_size(self) -> tuple[int, ...]:
        """Size of the output along each axis; below 1 where the kernel does not fit."""
        return tuple([output_size(axis, ceil_mode=self.ceil_mode) for axis in self.axes])

    @property
    def places(self) -> int:
        """Number of places of the kernel: the product of the output's sizes."""
        return prod(self.output_size)

    @property
    def taps(self) -> int:
        """Number of taps of the kernel: the product of its sizes."""
        return prod(self.kernel_size)


def as_options(problem: Problem) -> dict[str, Any]:
    """The options of a problem by name, those of the axes with a number for each axis.

    These are the fields of ``supports`` in the protocol of subjects.
    """
    return {name: getattr(problem, name) for name in OPTIONS}


def with_axes(problem: Problem, **options: int | Sequence[int]) -> Problem:
    """Set options of the axes by their names: one number for all axes, or a number for each."""
    count = len(problem.axes)
    each = {name: (value,) * count if isinstance(value, int) else value for name, value in options.items()}
    numbers = zip(*each.values(), strict=True)
    axes = zip(problem.axes, numbers, strict=True)
    return replace(
        problem, axes=tuple(with_options(axis, **dict(zip(each, chosen, strict=True))) for axis, chosen in axes)
    )


def replace_axis(problem: Problem, number: int, axis: Axis) -> Problem:
    """Put an axis in the place of one of a problem: 0 is the first, -1 the last."""
    axes = list(problem.axes)
    axes[number] = axis
    return replace(problem, axes=tuple(axes))
