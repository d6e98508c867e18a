"""Convolution and pooling by im2col, forward and backward, in NumPy; the module itself is a subject of the gate.

Arrays are NCHW, float32 or float64, in any memory layout. Arguments are never changed. Results are C-contiguous, and
share no memory with an argument or with another result. Options mean what they mean in `torch.nn.functional`.
"""

from impl.conv import conv2d, conv2d_backward
from impl.im2col import col2im, im2col
from impl.layers import AvgPool2d, Conv2d, MaxPool2d
from impl.pool import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward

__all__ = [
    "AvgPool2d",
    "Conv2d",
    "MaxPool2d",
    "avg_pool2d",
    "avg_pool2d_backward",
    "col2im",
    "conv2d",
    "conv2d_backward",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
]
