"""PyTorch and its autograd on the CPU: the only file that imports torch.

NumPy arrays of any memory layout come in and are copied; NumPy arrays of their dtype go out, sharing memory with
nothing. What PyTorch rejects (``RuntimeError``) is a ``ValueError`` here. So is what it takes although no answer is
defined: an image without a batch axis; zero input channels, for which it returns zero output channels; a dilation
of 0, if the batch is empty; and a gradient of another dtype than the data, which autograd converts.

A number that is not finite in the weight or in the gradient of a convolution meets the zeros of the padding in some
of PyTorch's kernels (``0 * inf`` is NaN) and is left out in others; the definition leaves it out. In x it is safe.

``NotImplementedError`` means *no opinion*: the problem is well defined, but PyTorch cannot be asked.

- The gradient of a max pool with a window wholly in padding, which dilation makes possible. The forward value is right
  (minus infinity), but the saved index lies outside the image, and the backward kernel writes there: the heap is
  corrupted.
- Any dtype but float16, float32 and float64: for integers PyTorch truncates averages and has no gradients.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
import torch.fx.experimental.symbolic_shapes  # the first gradient loads it, which takes a while: so it is loaded here
import torch.nn.functional as F  # noqa: N812 - the name by which everybody knows it

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "col2im",
    "conv2d",
    "conv2d_backward",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
]

Pair: TypeAlias = tuple[int, int]


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """Convolve; see :func:`oracles.definition.conv2d`, whose shapes and errors are the same."""
    _check_convolution(weight, dilation)
    image, kernel, offset = _image(x), _tensor(weight), None if bias is None else _tensor(bias)
    with _rejections():
        return _numpy(F.conv2d(image, kernel, offset, stride, padding, dilation, groups))


def conv2d_backward(
    grad_output: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Differentiate; see :func:`oracles.definition.conv2d_backward`, whose shapes and errors are the same."""
    _check_convolution(weight, dilation)
    inputs = [_image(x), _tensor(weight)] + ([] if bias is None else [_tensor(bias)])
    gradient = _gradient(grad_output, x)
    with _rejections():
        for tensor in inputs:
            tensor.requires_grad_()
        y = F.conv2d(inputs[0], inputs[1], inputs[2] if bias is not None else None, stride, padding, dilation, groups)
        gradients = [_numpy(g) for g in torch.autograd.grad(y, inputs, gradient)]
    return gradients[0], gradients[1], None if bias is None else gradients[2]


def avg_pool2d(
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """Average; see :func:`oracles.definition.avg_pool2d`, whose shapes and errors are the same."""
    image = _image(x)
    with _rejections():
        return _numpy(F.avg_pool2d(image, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override))


def avg_pool2d_backward(
    grad_output: np.ndarray,
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """Differentiate; see :func:`oracles.definition.avg_pool2d_backward`, whose shapes and errors are the same."""
    image, gradient = _image(x), _gradient(grad_output, x)
    with _rejections():
        image.requires_grad_()
        y = F.avg_pool2d(image, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
        return _numpy(torch.autograd.grad(y, image, gradient)[0])


def max_pool2d(
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> np.ndarray:
    """Take maxima; see :func:`oracles.definition.max_pool2d`, whose shapes and errors are the same."""
    image = _image(x)
    with _rejections():
        return _numpy(F.max_pool2d(image, kernel_size, stride, padding, dilation, ceil_mode))


def max_pool2d_backward(
    grad_output: np.ndarray,
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> np.ndarray:
    """Differentiate; see :func:`oracles.definition.max_pool2d_backward`, whose shapes and errors are the same.

    Raises
    ------
    NotImplementedError
        If a window lies wholly in padding: PyTorch would write outside the gradient's memory.
    """
    image, gradient = _image(x), _gradient(grad_output, x)
    with _rejections():
        image.requires_grad_()
        y = F.max_pool2d(image, kernel_size, stride, padding, dilation, ceil_mode)
        # Asked of the geometry, not of the saved index, which such a window may well have inside the image (it wraps).
        for size, k, s, p, d, count in zip(
            x.shape[2:], kernel_size, stride or kernel_size, padding, dilation, y.shape[2:], strict=True
        ):
            starts = (index * s - p for index in range(count))
            if not all(any(0 <= start + t * d < size for t in range(k)) for start in starts):
                raise NotImplementedError(
                    f"a window lies wholly in padding (size {size}, kernel_size {k}, stride {s}, padding {p}, "
                    f"dilation {d}); PyTorch's backward writes outside its memory there"
                )
        return _numpy(torch.autograd.grad(y, image, gradient)[0])


def im2col(
    x: np.ndarray,
    kernel_size: Pair,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
) -> np.ndarray:
    """Unfold; see :func:`oracles.definition.im2col`, whose shapes and errors are the same."""
    image = _image(x)
    with _rejections():
        blocks = F.unfold(image, kernel_size, dilation, padding, stride)
        return _numpy(blocks.permute(1, 2, 0).reshape(blocks.shape[1], -1))


def col2im(
    columns: np.ndarray,
    input_shape: tuple[int, int, int, int],
    kernel_size: Pair,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
) -> np.ndarray:
    """Fold; see :func:`oracles.definition.col2im`, whose shapes and errors are the same."""
    source = _tensor(columns)
    _check_image_shape(input_shape)
    batch, channels, height, width = input_shape
    with _rejections():
        # Unfolding an empty batch costs nothing and has PyTorch itself count the windows.
        blocks = F.unfold(source.new_empty((0, channels, height, width)), kernel_size, dilation, padding, stride)
        _, rows, count = blocks.shape
        if columns.shape != (rows, count * batch):
            raise ValueError(f"columns has shape {columns.shape}; these options require {(rows, count * batch)}")
        blocks = source.reshape(rows, count, batch).permute(2, 0, 1)
        return _numpy(F.fold(blocks, (height, width), kernel_size, dilation, padding, stride))


@contextmanager
def _rejections() -> Iterator[None]:
    """Turn PyTorch's rejections into ``ValueError``; ``NotImplementedError``, a ``RuntimeError`` too, stays."""
    try:
        yield
    except NotImplementedError:
        raise
    except RuntimeError as error:
        raise ValueError(f"PyTorch rejects these arguments: {error}") from error


def _tensor(array: np.ndarray) -> torch.Tensor:
    """Copy: PyTorch takes neither negative strides nor read-only memory, and must not share any."""
    if array.dtype not in {np.dtype("float16"), np.dtype("float32"), np.dtype("float64")}:
        raise NotImplementedError(
            f"dtype is {array.dtype}; PyTorch has an opinion on float16, float32 and float64 only"
        )
    return torch.from_numpy(np.array(array, order="C"))


def _gradient(grad_output: np.ndarray, x: np.ndarray) -> torch.Tensor:
    if grad_output.dtype != x.dtype:
        raise ValueError(f"grad_output is of dtype {grad_output.dtype}; it must be of that of x, {x.dtype}")
    return _tensor(grad_output)


def _image(x: np.ndarray) -> torch.Tensor:
    _check_image_shape(x.shape)
    return _tensor(x)


def _check_image_shape(shape: tuple[int, ...]) -> None:
    """Check what PyTorch does not: an image without a batch axis, and one without channels, it takes silently."""
    if len(shape) != 4 or min(shape[1:]) < 1:
        raise ValueError(f"the input's shape is {tuple(shape)}; it must be (N, C, H, W), where only N may be 0")


def _check_convolution(weight: np.ndarray, dilation: Pair) -> None:
    """Check what PyTorch lets pass with an empty batch, where nothing is computed."""
    if weight.ndim != 4 or min(weight.shape) < 1:
        raise ValueError(f"weight has shape {weight.shape}; it must be (O, C / groups, kh, kw), each at least 1")
    if min(dilation) < 1:
        raise ValueError(f"dilation is {dilation}; it must be at least 1")


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    """Copy, row-major, so that the result owns its memory and keeps no graph alive."""
    return np.array(tensor.detach().numpy(), order="C")
