"""What every subject here asks of its arguments; what breaks a rule is a ValueError."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
Pair = tuple[int, int]


def require(holds: object, rule: str) -> None:
    """Raise ValueError if a rule is broken."""
    if not holds:
        raise ValueError(rule)


def places(size: int, kernel: int, stride: int, padding: int, dilation: int = 1, *, ceil_mode: bool = False) -> int:
    """Number of places of a kernel along one axis, at least 1."""
    require(min(size, kernel, stride, dilation) >= 1, "size, kernel, stride and dilation must be at least 1")
    require(padding >= 0, "padding must not be negative")
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (count - 1) * stride >= size + padding:
        count -= 1
    require(count >= 1, "the kernel must fit the padded input")
    return count


def convolution(
    x: Array,
    weight: Array,
    bias: Array | None,
    grad_output: Array | None = None,
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Pair:
    """Height and width of a convolution's output, once its arguments are seen to be valid."""
    require(x.ndim == weight.ndim == 4, "x and weight must have four axes")
    require(groups >= 1 and len(weight) >= 1 and len(weight) % groups == 0, "groups must divide the output channels")
    require(x.shape[1] == groups * weight.shape[1] >= 1, "weight must have the channels of a group")
    require(bias is None or bias.shape == weight.shape[:1], "bias must have a number for each output channel")
    arrays = [array for array in (x, weight, bias, grad_output) if array is not None]
    require(len({array.dtype for array in arrays}) == 1, "all arrays must be of one dtype")
    height, width = (
        places(*axis) for axis in zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
    )
    shape = (len(x), len(weight), height, width)
    require(grad_output is None or grad_output.shape == shape, f"grad_output must have the shape {shape}")
    return height, width


def pool(
    x: Array,
    kernel_size: Pair,
    grad_output: Array | None = None,
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> Pair:
    """Height and width of a pool's output, once its arguments are seen to be valid."""
    require(x.ndim == 4 and min(x.shape[1:]) >= 1, "x must have four axes")
    require(grad_output is None or grad_output.dtype == x.dtype, "all arrays must be of one dtype")
    height, width = (
        places(*axis, ceil_mode=ceil_mode)
        for axis in zip(x.shape[2:], kernel_size, stride, padding, dilation, strict=True)
    )
    for kernel, pad in zip(kernel_size, padding, strict=True):
        require(pad <= kernel // 2, "padding must be at most half of the kernel")
    shape = (*x.shape[:2], height, width)
    require(grad_output is None or grad_output.shape == shape, f"grad_output must have the shape {shape}")
    return height, width
