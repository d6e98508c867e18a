"""Where the windows of a kernel lie: the geometry that convolution and pooling share.

Everything here holds for any number of spatial axes. A window starts every `stride` pixels of the padded input and
takes `kernel_size` pixels, `dilation` apart, along each axis.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, TypeGuard, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Sizes", "Windows", "count", "is_integer", "output_size", "remembered", "sizes", "span"]

Sizes: TypeAlias = int | Sequence[int]

_Checked = TypeVar("_Checked", bound="Callable[..., Windows]")

_MANY = (Sequence, np.ndarray)


def is_integer(value: object) -> TypeGuard[int]:
    """Whether `value` is an integer, Python's or NumPy's; a bool is not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def sizes(name: str, value: Sizes, axes: int, *, minimum: int) -> tuple[int, ...]:
    """One integer for each axis, out of a single integer or a sequence of them.

    Raises
    ------
    TypeError
        If an entry is not an integer; a bool is not.
    ValueError
        If the number of entries is not `axes`, or an entry is less than `minimum`.
    """
    entries = (value,) * axes if is_integer(value) else tuple(value) if isinstance(value, _MANY) else ()
    if not entries or not all(map(is_integer, entries)):
        raise TypeError(f"{name} must be an integer or {axes} integers, got {value!r}")
    if len(entries) != axes:
        raise ValueError(f"{name} must have {axes} entries, one for each axis, got {len(entries)}: {value!r}")
    result = tuple(int(entry) for entry in entries)
    if min(result) < minimum:
        raise ValueError(f"{name} must be at least {minimum} on every axis, got {result}")
    return result


def count(name: str, value: int) -> int:
    """Return `value` as a positive integer.

    Raises
    ------
    TypeError
        If it is not an integer; a bool is not.
    ValueError
        If it is less than 1.
    """
    if not is_integer(value):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return int(value)


def span(kernel_size: int, dilation: int) -> int:
    """Pixels from the first to the last that a kernel takes along an axis, both counted."""
    return dilation * (kernel_size - 1) + 1


def output_size(
    input_size: int, kernel_size: int, *, stride: int, padding: int, dilation: int, ceil_mode: bool = False
) -> int:
    """Windows along one axis; less than 1 if the kernel does not fit.

    Without `ceil_mode` it is the number of windows that lie within the padded input, floor((L + 2p - span) / s) + 1:
    relationship 15 of Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016. With
    `ceil_mode` the last window may reach beyond, but one that would start beyond the input and its left padding is
    dropped, as in PyTorch (the `ceil_mode` note of `torch.nn.MaxPool2d`).
    """
    room = input_size + 2 * padding - span(kernel_size, dilation)
    if not ceil_mode:
        return room // stride + 1
    rounded_up = -(-room // stride) + 1
    return rounded_up - 1 if (rounded_up - 1) * stride >= input_size + padding else rounded_up


@dataclass(frozen=True)
class Windows:
    """The windows of a kernel on an input. Each field has one entry for each spatial axis."""

    input_size: tuple[int, ...]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    output_size: tuple[int, ...]

    @classmethod
    def of(
        cls,
        input_size: tuple[int, ...],
        kernel_size: Sizes,
        *,
        stride: Sizes,
        padding: Sizes,
        dilation: Sizes,
        ceil_mode: bool = False,
    ) -> Windows:
        """Check the options and lay the windows out.

        Raises
        ------
        TypeError
            If an option is not made of integers.
        ValueError
            If an option has the wrong number of entries or is out of its range, or if no window fits.
        """
        axes = len(input_size)
        kernel_size = sizes("kernel_size", kernel_size, axes, minimum=1)
        stride = sizes("stride", stride, axes, minimum=1)
        padding = sizes("padding", padding, axes, minimum=0)
        dilation = sizes("dilation", dilation, axes, minimum=1)
        output = tuple(
            output_size(length, k, stride=s, padding=p, dilation=d, ceil_mode=ceil_mode)
            for length, k, s, p, d in zip(input_size, kernel_size, stride, padding, dilation, strict=True)
        )
        if min(output) < 1:
            spans = tuple(map(span, kernel_size, dilation))
            padded = tuple(length + 2 * p for length, p in zip(input_size, padding, strict=True))
            excess = " by a stride or more" if ceil_mode else ""
            raise ValueError(
                f"kernel_size {kernel_size} with dilation {dilation} spans {spans}, more than the padded input "
                f"{padded}{excess}; use a smaller kernel or dilation, more padding, or a larger input"
            )
        return cls(input_size, kernel_size, stride, padding, dilation, output)

    @functools.cached_property
    def pointwise(self) -> bool:
        """Whether every window is one pixel, and every pixel a window: the columns are the images themselves."""
        ones = (1,) * len(self.input_size)
        return self.kernel_size == self.stride == ones and not any(self.padding)

    @functools.cached_property
    def turns(self) -> bool:
        """Whether the windows that see a pixel are themselves a window, the kernel turned around."""
        return max(self.stride) == 1 and min(self._turned_padding) >= 0

    @functools.cached_property
    def _turned_padding(self) -> tuple[int, ...]:
        return tuple(span(k, d) - 1 - p for k, d, p in zip(self.kernel_size, self.dilation, self.padding, strict=True))

    @functools.cached_property
    def turned(self) -> Windows:
        """The windows on an array of `output_size` that see, for each pixel, what the windows made of it."""
        return replace(self, input_size=self.output_size, output_size=self.input_size, padding=self._turned_padding)

    @functools.cached_property
    def padded_size(self) -> tuple[int, ...]:
        """Size that holds the left padding, the input, and whatever the windows reach beyond it."""
        return tuple(
            max(p + length, (out - 1) * s + span(k, d))
            for length, k, s, p, d, out in zip(
                self.input_size,
                self.kernel_size,
                self.stride,
                self.padding,
                self.dilation,
                self.output_size,
                strict=True,
            )
        )

    @functools.cached_property
    def interior(self) -> tuple[slice, ...]:
        """Where the input lies in an array of `padded_size`."""
        return tuple(slice(p, p + length) for length, p in zip(self.input_size, self.padding, strict=True))

    def rows_seen(self, rows: slice) -> tuple[int, int]:
        """The first padded row, and the one after the last, that some rows of windows see."""
        return rows.start * self.stride[0], (rows.stop - 1) * self.stride[0] + span(
            self.kernel_size[0], self.dilation[0]
        )

    def taps(self, axis: int) -> list[slice]:
        """For each place of the kernel along an axis: which padded pixels it meets, one a window."""
        k, s, d, out = (each[axis] for each in (self.kernel_size, self.stride, self.dilation, self.output_size))
        return [slice(place * d, place * d + (out - 1) * s + 1, s) for place in range(k)]

    def met(self, axis: int, windows: slice) -> list[tuple[int, slice, slice]]:
        """For each place of the kernel along an axis at which some windows meet pixels of the input.

        The place, which of these windows meet one there, and which pixels, one a window.
        """
        k, s, p, d = (each[axis] for each in (self.kernel_size, self.stride, self.padding, self.dilation))
        found = []
        for place in range(k):
            pixel = place * d - p  # that window 0 meets there
            first = max(windows.start, -(pixel // s))
            last = min(windows.stop - 1, (self.input_size[axis] - 1 - pixel) // s)
            if first <= last:
                pixels = slice(first * s + pixel, last * s + pixel + 1, s)
                found.append((place, slice(first - windows.start, last + 1 - windows.start), pixels))
        return found

    def first_past_padding(self, axis: int) -> NDArray[np.int64]:
        """For each window along an axis: the first place of the kernel beyond the padding in front of the input.

        It need not be a place on the input: the window may end before it, or it may lie beyond.
        """
        s, p, d = (each[axis] for each in (self.stride, self.padding, self.dilation))
        start = s * np.arange(self.output_size[axis]) - p
        return np.maximum(-(start // d), 0)

    def places(self) -> Iterator[tuple[slice, ...]]:
        """For each place of the kernel in row-major order: which padded pixels it meets, one a window.

        Within one place no pixel is met twice, so that adding to such a slice loses nothing.
        """
        return itertools.product(*map(self.taps, range(len(self.kernel_size))))


# To lay windows out takes longer than a small convolution; to keep them takes about a kilobyte.
MOST = 1024
_PLAIN = {int, bool, type(None), tuple}


def remembered(lay_out: _Checked) -> _Checked:
    """Keep what a function of shapes and options gives, if these are plain integers and tuples of them.

    They are kept with their types, as 1, True and 1.0 are equal, and not all of them valid. What the function raises is
    raised anew.
    """
    known: dict[tuple[object, ...], Windows] = {}

    @functools.wraps(lay_out)
    def look_up(*arguments: object) -> Windows:
        kinds = tuple(map(type, arguments))
        within = {type(entry) for argument in arguments if type(argument) is tuple for entry in argument}
        if not (_PLAIN.issuperset(kinds) and within == {int}):
            return lay_out(*arguments)
        windows = known.get((arguments, kinds))
        if windows is None:
            windows = lay_out(*arguments)
            if len(known) >= MOST:
                known.clear()
            known[arguments, kinds] = windows
        return windows

    return look_up  # type: ignore[return-value] # it takes what lay_out takes
