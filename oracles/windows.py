"""The windows of a kernel along one axis, as arrays: what `oracles.definition.taps` lists, made once a geometry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from .definition import average_extent, output_size

__all__ = ["Windows", "windows"]


@dataclass(frozen=True)
class Windows:
    """All windows along one axis.

    Parameters
    ----------
    size, kernel, stride, padding, dilation : int
        As in :func:`oracles.definition.taps`.
    count : int
        How many windows there are.
    """

    size: int
    kernel: int
    stride: int
    padding: int
    dilation: int
    count: int

    @cached_property
    def positions(self) -> np.ndarray:
        """Position that each tap of each window looks at: kernel x count; below 0 or from `size` on is padding."""
        starts = np.arange(self.count) * self.stride - self.padding
        return np.asarray(np.arange(self.kernel)[:, None] * self.dilation + starts)

    @cached_property
    def real(self) -> np.ndarray:
        """Which of these positions lie in the input."""
        return np.asarray((self.positions >= 0) & (self.positions < self.size))

    @cached_property
    def matrix(self) -> np.ndarray:
        """The same as a 0/1 matrix, (kernel * count) x size: row (tap, window) has its one at its position, if any."""
        ones = self.positions.ravel()[:, None] == np.arange(self.size)
        return np.asarray(ones, np.float64)

    @cached_property
    def sums(self) -> np.ndarray:
        """How often each window looks at each position: count x size."""
        return np.asarray(self.matrix.reshape(self.kernel, self.count, self.size).sum(axis=0))

    @cached_property
    def slices(self) -> tuple[tuple[int, slice, slice], ...]:
        """For each tap that meets the input its number, the windows that do so with it, and where they do."""
        found = []
        for tap in range(self.kernel):
            shift = tap * self.dilation - self.padding
            first = max(0, -(shift // self.stride))
            last = min(self.count - 1, (self.size - 1 - shift) // self.stride)
            if first <= last:
                start = first * self.stride + shift
                stop = last * self.stride + shift + 1
                found.append((tap, slice(first, last + 1), slice(start, stop, self.stride)))
        return tuple(found)

    @cached_property
    def padded_extents(self) -> np.ndarray:
        """What an average divides by along this axis if padding counts, for each window."""
        return self._extents(count_include_pad=True)

    @cached_property
    def real_extents(self) -> np.ndarray:
        """What an average divides by along this axis if padding does not count, for each window."""
        return self._extents(count_include_pad=False)

    def _extents(self, *, count_include_pad: bool) -> np.ndarray:
        options = (self.size, self.kernel, self.stride, self.padding)
        extents = [average_extent(i, *options, count_include_pad=count_include_pad) for i in range(self.count)]
        return np.array(extents, np.float64)


@lru_cache(maxsize=4096)
def windows(
    size: int, kernel: int, stride: int, padding: int, dilation: int = 1, *, ceil_mode: bool = False
) -> Windows:
    """All windows along one axis.

    Raises
    ------
    ValueError
        As :func:`oracles.definition.output_size`, which counts them.
    """
    count = output_size(size, kernel, stride, padding, dilation=dilation, ceil_mode=ceil_mode)
    return Windows(size, kernel, stride, padding, dilation, count)
