"""What is timed: problems, and the ways to compute them that are put side by side."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import impl

__all__ = ["CONVOLUTIONS", "LARGE", "LATE", "POOLS", "STAGES", "WORKLOADS", "Workload", "contenders"]

Array = NDArray[np.float32]

STAGES = ("forward", "both")


@dataclass(frozen=True)
class Workload:
    """A square problem in float32; "both" is forward and backward.

    Parameters
    ----------
    operator : str
        "conv2d", "avg_pool2d" or "max_pool2d".
    batch, channels, size, filters, kernel, stride, padding, groups : int
        As usual; filters are a pool's channels.
    """

    operator: str
    batch: int
    channels: int
    size: int
    kernel: int
    stride: int = 1
    padding: int = 0
    filters: int = 0
    groups: int = 1

    @property
    def output(self) -> int:
        """Height and width of the output."""
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input."""
        return self.batch, self.channels, self.size, self.size

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output."""
        return self.batch, self.filters or self.channels, self.output, self.output

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of a convolution's weight."""
        return self.filters, self.channels // self.groups, self.kernel, self.kernel

    def operations(self, stage: str) -> int:
        """Additions and multiplications of a convolution; backward has two products as large as forward's."""
        forward = 2 * prod(self.output_shape) * prod(self.weight_shape[1:])
        return forward * (1 if stage == "forward" else 3)

    def traffic(self, stage: str) -> int:
        """Bytes that a pool must read or write at the least.

        Forward x and y; backward their gradients, and for a maximum x once more.
        """
        x, y = prod(self.input_shape), prod(self.output_shape)
        again = x if self.operator == "max_pool2d" else 0
        return 4 * (x + y if stage == "forward" else 2 * (x + y) + again)

    def result_bytes(self, stage: str) -> int:
        """Bytes of the results."""
        weight = prod(self.weight_shape) if self.operator == "conv2d" else 0
        gradients = prod(self.input_shape) + weight if stage == "both" else 0
        return 4 * (prod(self.output_shape) + gradients)


CONVOLUTIONS = {
    "a": Workload("conv2d", 32, 3, 32, 3, 1, 1, filters=32),
    "b": Workload("conv2d", 16, 64, 56, 3, 1, 1, filters=64),
    "c": Workload("conv2d", 8, 3, 224, 7, 2, 3, filters=64),
    "d": Workload("conv2d", 16, 256, 14, 3, 1, 1, filters=256),
    "e": Workload("conv2d", 16, 64, 56, 1, filters=256),
    "f": Workload("conv2d", 16, 64, 56, 3, 1, 1, filters=64, groups=64),
    "h": Workload("conv2d", 1, 64, 56, 3, 1, 1, filters=64),
    "i": Workload("conv2d", 1, 1, 4, 3, filters=1),
}
POOLS = {
    f"g, {operator[:3]} {kernel}": Workload(operator, 32, 64, 56, kernel, 2, padding)
    for operator in ("avg_pool2d", "max_pool2d")
    for kernel, padding in ((2, 0), (3, 1))
}
WORKLOADS = CONVOLUTIONS | POOLS
# Late layers, of many channels and few places.
LATE = {
    "4 x 4": Workload("conv2d", 64, 256, 4, 3, 1, 1, filters=256),
    "1 x 1": Workload("conv2d", 256, 512, 1, 1, filters=512),
}
# A batch so large that columns of all of it would show.
LARGE = {"b, N = 64": replace(CONVOLUTIONS["b"], batch=64)}


def contenders(workload: Workload, stage: str) -> dict[str, Callable[[], object]]:
    """Ways to compute a workload by name: all of them on the same data."""
    rng = np.random.default_rng(0)
    x, grad = (rng.standard_normal(shape, np.float32) for shape in (workload.input_shape, workload.output_shape))
    if workload.operator == "conv2d":
        weight = rng.standard_normal(workload.weight_shape, np.float32)
        return convolutions(workload, stage, x, weight, grad)
    return pools(workload, stage, x, grad)


def convolutions(w: Workload, stage: str, x: Array, weight: Array, grad: Array) -> dict[str, Callable[[], object]]:
    """impl, PyTorch, the textbook's im2col, and the bare matrix products."""
    stride, padding, pair = (w.stride,) * 2, (w.padding,) * 2, (1, 1)
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": pair, "groups": w.groups}
    tx, tw, tg = (torch.from_numpy(each) for each in (x, weight, grad))
    backward = torch.ops.aten.convolution_backward

    def ours() -> object:
        y = impl.conv2d(x, weight, **options)
        return y if stage == "forward" else (y, impl.conv2d_backward(grad, x, weight, **options))

    def theirs() -> object:
        y = torch.nn.functional.conv2d(tx, tw, **options)
        if stage == "forward":
            return y
        mask = [True, True, False]
        return y, backward(tg, tx, tw, None, stride, padding, pair, False, [0, 0], w.groups, mask)

    return {
        "impl": ours,
        "torch": theirs,
        "textbook": lambda: textbook_convolution(w, stage, x, weight, grad),
        "product": bare_products(w, stage),
    }


def pools(w: Workload, stage: str, x: Array, grad: Array) -> dict[str, Callable[[], object]]:
    """impl, PyTorch and, forward, the textbook's im2col."""
    kernel, stride, padding, pair = (w.kernel,) * 2, (w.stride,) * 2, (w.padding,) * 2, (1, 1)
    options: dict[str, Any] = {"stride": stride, "padding": padding, "ceil_mode": False}
    tx, tg, aten = torch.from_numpy(x), torch.from_numpy(grad), torch.ops.aten
    if w.operator == "avg_pool2d":
        options |= {"count_include_pad": True, "divisor_override": None}
    else:
        options["dilation"] = pair
    forward, back = getattr(impl, w.operator), getattr(impl, f"{w.operator}_backward")

    def ours() -> object:
        y = forward(x, kernel, **options)
        return y if stage == "forward" else (y, back(grad, x, kernel, **options))

    def theirs() -> object:
        if w.operator == "avg_pool2d":
            y = aten.avg_pool2d(tx, kernel, stride, padding)
            if stage == "forward":
                return y
            return y, aten.avg_pool2d_backward(tg, tx, kernel, stride, padding, False, True, None)
        y, places = aten.max_pool2d_with_indices(tx, kernel, stride, padding)
        if stage == "forward":
            return y
        return y, aten.max_pool2d_with_indices_backward(tg, tx, kernel, stride, padding, pair, False, places)

    found: dict[str, Callable[[], object]] = {"impl": ours, "torch": theirs}
    if stage == "forward":
        found["textbook"] = lambda: textbook_pool(w, x)
    return found


def windows_of(w: Workload, x: Array, value: float) -> Array:
    """What each window sees, N x C x h x w x kh x kw: a view of the padded input."""
    p = w.padding
    padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=value) if p else x
    seen: Array = sliding_window_view(padded, (w.kernel, w.kernel), (2, 3))[:, :, :: w.stride, :: w.stride]
    return seen


def textbook_convolution(w: Workload, stage: str, x: Array, weight: Array, grad: Array) -> object:
    """All columns of the batch, a matrix for each group; one product a group; backward col2im, place by place."""
    g, n, size, k, s = w.groups, w.batch, w.output, w.kernel, w.stride
    seen = windows_of(w, x, 0)
    columns = seen.transpose(1, 4, 5, 0, 2, 3).reshape(g, w.channels // g * k * k, n * size * size)
    filters = weight.reshape(g, w.filters // g, -1)
    product = filters @ columns
    y = np.ascontiguousarray(product.reshape(w.filters, n, size, size).transpose(1, 0, 2, 3))
    if stage == "forward":
        return y
    grad_y = grad.transpose(1, 0, 2, 3).reshape(g, w.filters // g, -1)
    grad_weight = grad_y @ columns.transpose(0, 2, 1)
    grad_columns = (filters.transpose(0, 2, 1) @ grad_y).reshape(w.channels, k, k, n, size, size)
    sums = np.zeros((w.channels, n, *(w.size + 2 * w.padding,) * 2), np.float32)
    for i, j in np.ndindex(k, k):
        sums[:, :, i : i + (size - 1) * s + 1 : s, j : j + (size - 1) * s + 1 : s] += grad_columns[:, i, j]
    inside = slice(w.padding, w.padding + w.size)
    return y, np.ascontiguousarray(sums[:, :, inside, inside].transpose(1, 0, 2, 3)), grad_weight.reshape(weight.shape)


def textbook_pool(w: Workload, x: Array) -> object:
    """All columns of the batch, reduced."""
    if w.operator == "avg_pool2d":
        return windows_of(w, x, 0).reshape(*w.output_shape, -1).mean(axis=-1)
    return windows_of(w, x, -np.inf).reshape(*w.output_shape, -1).max(axis=-1)


def bare_products(w: Workload, stage: str) -> Callable[[], object]:
    """Matrix products of the sizes of a convolution on the whole batch, the matrices being there."""
    rng = np.random.default_rng(1)
    rows, terms, places = w.filters // w.groups, prod(w.weight_shape[1:]), w.batch * w.output**2
    filters, columns, grad_y = (
        rng.standard_normal((w.groups, *shape), np.float32)
        for shape in ((rows, terms), (terms, places), (rows, places))
    )
    if stage == "forward":
        return lambda: filters @ columns
    return lambda: (filters @ columns, columns @ grad_y.transpose(0, 2, 1), filters.transpose(0, 2, 1) @ grad_y)
