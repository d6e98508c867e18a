"""What a subject is."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Subject"]

Array = NDArray[np.floating[Any]]
Pair = tuple[int, int]


class Subject(Protocol):
    """The code under test: a module or an object with these functions, or with some of them.

    What is absent is unsupported. Arrays are N x C x H x W, sizes are (height, width), and all options mean what they
    mean in ``torch.nn.functional``. Invalid arguments raise ValueError or TypeError.
    """

    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None = None,
        *,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
    ) -> Array:
        """Convolution; weight is O x C/groups x kernel height x kernel width, bias O."""

    def conv2d_backward(
        self,
        grad_output: Array,
        x: Array,
        weight: Array,
        bias: Array | None = None,
        *,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
    ) -> tuple[Array, Array, Array | None]:
        """Gradients of the input, of the weight, and of the bias if there is one."""

    def avg_pool2d(
        self,
        x: Array,
        kernel_size: Pair,
        *,
        stride: Pair,
        padding: Pair,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Array:
        """Average pooling."""

    def avg_pool2d_backward(
        self,
        grad_output: Array,
        x: Array,
        kernel_size: Pair,
        *,
        stride: Pair,
        padding: Pair,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Array:
        """Gradient of the input."""

    def max_pool2d(
        self, x: Array, kernel_size: Pair, *, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
    ) -> Array:
        """Max pooling."""

    def max_pool2d_backward(
        self,
        grad_output: Array,
        x: Array,
        kernel_size: Pair,
        *,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        ceil_mode: bool,
    ) -> Array:
        """Gradient of the input."""

    def im2col(self, x: Array, kernel_size: Pair, *, stride: Pair, padding: Pair, dilation: Pair) -> Array:
        """Columns, (C * taps) x (places * N), images fastest."""

    def col2im(
        self,
        columns: Array,
        input_shape: tuple[int, int, int, int],
        kernel_size: Pair,
        *,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
    ) -> Array:
        """Sums of columns in the shape of an image."""
