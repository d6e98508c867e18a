"""Problems: an operator's geometry and options, frozen, without data."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

__all__ = ["PAIRS", "Pair", "Problem", "clipped_window", "output_size", "overhang", "span", "swap_axes", "with_axis"]

# The options that have a height and a width.
PAIRS = ("size", "kernel_size", "stride", "padding", "dilation")

Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True, order=True)
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
    size, kernel_size, stride, padding, dilation : pair of int
        Height and width, in pixels of the input.
    out_channels, groups : int
        Of a convolution.
    bias : bool
        Whether a convolution has one.
    ceil_mode, count_include_pad, divisor_override
        As in ``torch.nn.functional``.
    """

    operator: str
    batch: int = 1
    channels: int = 1
    size: Pair = (1, 1)
    out_channels: int = 1
    kernel_size: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    bias: bool = False
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: int | None = None

    @cached_property
    def output_size(self) -> Pair:
        """Height and width of the output; below 1 where the kernel does not fit."""
        axes = zip(self.size, self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        height, width = (output_size(*axis, ceil_mode=self.ceil_mode) for axis in axes)
        return height, width

    @property
    def places(self) -> int:
        """Number of places of the kernel: height times width of the output."""
        return prod(self.output_size)

    @property
    def taps(self) -> int:
        """Number of taps of the kernel: its height times its width."""
        return prod(self.kernel_size)


def span(kernel: int, dilation: int) -> int:
    """Pixels from the first to the last tap of a kernel, both counted, along one axis."""
    return dilation * (kernel - 1) + 1


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int, *, ceil_mode: bool = False) -> int:
    """Number of places of a kernel along one axis.

    The formula is that of ``torch.nn.Conv2d`` and ``torch.nn.MaxPool2d``. With ``ceil_mode`` the last window may
    overhang, but a window that would start beyond the input and its left padding is dropped. Below 1 means that the
    kernel does not fit. A stride below 1 gives 0.
    """
    if stride < 1:
        return 0
    room = size + 2 * padding - span(kernel, dilation)
    if not ceil_mode:
        return room // stride + 1
    places = -(-room // stride) + 1
    return places - 1 if (places - 1) * stride >= size + padding else places


def overhang(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Pixels by which the last window of ceil_mode reaches beyond the padded input along one axis; 0 if it does not."""
    places = output_size(size, kernel, stride, padding, dilation, ceil_mode=True)
    return max(0, (places - 1) * stride + span(kernel, dilation) - size - 2 * padding) if places > 0 else 0


def clipped_window(place: int, size: int, kernel: int, stride: int, padding: int, *, real: bool) -> int:
    """Pixels of an undilated window that lie in the padded input, or, if `real`, in the input itself, on one axis."""
    start = place * stride - padding
    stop = min(start + kernel, size + padding)
    if real:
        return min(stop, size) - max(start, 0)
    return stop - start


def swap_axes(problem: Problem) -> Problem:
    """Exchange height and width in every option."""
    mirrored: dict[str, Any] = {name: getattr(problem, name)[::-1] for name in PAIRS}
    return replace(problem, **mirrored)


def with_axis(problem: Problem, axis: int, **options: int) -> Problem:
    """Set options of one axis: 0 is the height, 1 the width."""
    changed: dict[str, Any] = {}
    for name, value in options.items():
        pair = list(getattr(problem, name))
        pair[axis] = value
        changed[name] = tuple(pair)
    return replace(problem, **changed)
