"""Axes: size, kernel, stride, padding and dilation along one spatial axis, and what follows from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

__all__ = [
    "AXIS_OPTIONS",
    "Axis",
    "clipped_window",
    "make_axes",
    "output_size",
    "overhang",
    "padding_as_pixels",
    "with_options",
]

Value = TypeVar("Value")

# The options of an axis by their names in a problem, where each has a number for each axis.
AXIS_OPTIONS = ("size", "kernel_size", "stride", "padding", "dilation")


@dataclass(frozen=True, kw_only=True, order=True)
class Axis:
    """The options of an operator along one spatial axis.

    Parameters
    ----------
    size : int
        Pixels of the input.
    kernel_size : int
        Taps of the kernel.
    stride : int
        Pixels from one window to the next.
    padding_before, padding_after : int
        Pixels of padding before the first pixel and after the last.
    dilation : int
        Pixels from one tap to the next.
    """

    size: int = 1
    kernel_size: int = 1
    stride: int = 1
    padding_before: int = 0
    padding_after: int = 0
    dilation: int = 1

    @property
    def padding(self) -> int:
        """Padding on either side, as one number.

        Raises
        ------
        ValueError
            If it is not the same on both.
        """
        if self.padding_before != self.padding_after:
            raise ValueError(f"padding is {self.padding_before} before and {self.padding_after} after, not one number")
        return self.padding_before

    @property
    def span(self) -> int:
        """Pixels from the first to the last tap of the kernel, both counted."""
        return self.dilation * (self.kernel_size - 1) + 1

    def size_for(self, places: int) -> int:
        """The size that leaves the kernel so many places, and no pixels over."""
        return (places - 1) * self.stride + self.span - self.padding_before - self.padding_after

    @property
    def padded_size(self) -> int:
        """Pixels of the input with its padding."""
        return self.size + self.padding_before + self.padding_after


def with_options(axis: Axis, **options: int) -> Axis:
    """Set options of an axis by their names in a problem: ``padding`` is that on both sides."""
    return Axis(**{**vars(axis), **by_field(options)})


def make_axes(**options: Sequence[int]) -> tuple[Axis, ...]:
    """Make axes from options with a number for each axis: ``make_axes(size=(5, 7), kernel_size=(3, 2))``.

    Parameters
    ----------
    options : sequence of int
        Those of `AXIS_OPTIONS` that are not 1 (of padding, not 0), of one length.
    """
    fields = by_field(options)
    names = tuple(fields)
    return tuple([made(names, each) for each in zip(*fields.values(), strict=True)])


@lru_cache(maxsize=2**12)
def made(names: tuple[str, ...], numbers: tuple[int, ...]) -> Axis:
    """The axis with some fields; kept, as few axes come in most problems."""
    return Axis(**dict(zip(names, numbers, strict=True)))


def by_field(options: Mapping[str, Value]) -> dict[str, Value]:
    """Options of an axis, given by their names in a problem, by the fields of `Axis`."""
    fields = dict(options)
    if "padding" in fields:
        fields["padding_before"] = fields["padding_after"] = fields.pop("padding")
    return fields


def padding_as_pixels(axis: Axis) -> Axis:
    """The axis with pixels of the input in place of padding."""
    return replace(axis, size=axis.padded_size, padding_before=0, padding_after=0)


def output_size(axis: Axis, *, ceil_mode: bool = False) -> int:
    """Number of places of the kernel along an axis.

    The formula is that of ``torch.nn.Conv2d`` and ``torch.nn.MaxPool2d``. With ``ceil_mode`` the last window may
    overhang, but a window that would start beyond the input and its padding before it is dropped. Below 1 means that
    the kernel does not fit. A stride below 1 gives 0.
    """
    if axis.stride < 1:
        return 0
    room = axis.padded_size - axis.span
    if not ceil_mode:
        return room // axis.stride + 1
    places = -(-room // axis.stride) + 1
    return places - 1 if (places - 1) * axis.stride >= axis.size + axis.padding_before else places


def overhang(axis: Axis) -> int:
    """Pixels by which the last window of ceil_mode reaches beyond the padded input; 0 if it does not."""
    places = output_size(axis, ceil_mode=True)
    return max(0, (places - 1) * axis.stride + axis.span - axis.padded_size) if places > 0 else 0


def clipped_window(axis: Axis, place: int, *, real: bool) -> int:
    """Pixels of an undilated window that lie in the padded input, or, if `real`, in the input itself."""
    start = place * axis.stride - axis.padding_before
    stop = min(start + axis.kernel_size, axis.size + axis.padding_after)
    if real:
        return min(stop, axis.size) - max(start, 0)
    return stop - start
