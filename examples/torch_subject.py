"""torch.nn.functional as a subject: `convgate gate --subject torch_subject`, from this folder."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from numpy.typing import NDArray

Array = NDArray[Any]


def tensor(array: Array) -> torch.Tensor:
    """Copy an array of any layout into a tensor that records gradients."""
    return torch.from_numpy(np.array(array, order="C")).requires_grad_()


@contextmanager
def rejections() -> Iterator[None]:
    """What PyTorch rejects is a ValueError in the subject protocol; unsupported stays what it is."""
    try:
        yield
    except NotImplementedError:
        raise
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def require_images(x: Array) -> None:
    """PyTorch takes an image without a batch axis for one image; the protocol does not."""
    if x.ndim != 4:
        raise ValueError(f"x must have 4 axes, got {x.ndim}")


def call(function: Callable[..., torch.Tensor], *arrays: Array, **options: Any) -> Array:
    """Call a PyTorch function on arrays."""
    require_images(arrays[0])
    with rejections():
        return function(*map(tensor, arrays), **options).detach().numpy()


def gradients(function: Callable[..., torch.Tensor], grad_output: Array, *arrays: Array, **options: Any) -> list[Array]:
    """Gradients of every array, by autograd, which would convert a grad_output of another dtype."""
    require_images(arrays[0])
    if grad_output.dtype != arrays[0].dtype:
        raise TypeError(f"grad_output must be of dtype {arrays[0].dtype}, got {grad_output.dtype}")
    inputs = [tensor(array) for array in arrays]
    with rejections():
        y = function(*inputs, **options)
        return [each.numpy() for each in torch.autograd.grad(y, inputs, tensor(grad_output))]


def conv2d(x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Array:
    """Convolve."""
    return call(F.conv2d, *(array for array in (x, weight, bias) if array is not None), **options)


def conv2d_backward(grad_output: Array, x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Any:
    """Gradients of x, weight and, if there is one, bias."""
    arrays = [array for array in (x, weight, bias) if array is not None]
    found = gradients(F.conv2d, grad_output, *arrays, **options)
    return (*found, None) if bias is None else tuple(found)


def avg_pool2d(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
    """Average."""
    return call(F.avg_pool2d, x, kernel_size=kernel_size, **options)


def avg_pool2d_backward(grad_output: Array, x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
    """Gradient of x."""
    return gradients(F.avg_pool2d, grad_output, x, kernel_size=kernel_size, **options)[0]


def max_pool2d(x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
    """Take maxima."""
    return call(F.max_pool2d, x, kernel_size=kernel_size, **options)


def max_pool2d_backward(grad_output: Array, x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
    """Gradient of x; PyTorch writes out of bounds where a window lies wholly in padding."""
    if not np.isfinite(max_pool2d(np.zeros_like(x), kernel_size, **options)).all():
        raise NotImplementedError("a window lies wholly in padding")
    return gradients(F.max_pool2d, grad_output, x, kernel_size=kernel_size, **options)[0]
