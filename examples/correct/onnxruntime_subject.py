"""ONNX Runtime as a subject: models of one node, made for each call. It has no gradients.

It needs the extra `onnxruntime`.
Run it from this folder: convgate gate --subject onnxruntime_subject
"""

from functools import lru_cache
from typing import Any

import numpy as np
import onnxruntime
import valid
from onnx import TensorProto, helper
from valid import Array, Pair

# Opset 22 counts the average's divisor as PyTorch does.
OPSET = 22


@lru_cache(maxsize=256)
def session(operator: str, ranks: tuple[int, ...], dtype: str, attributes: tuple[tuple[str, Any], ...]) -> Any:
    """A model with one node, whose inputs have so many axes."""
    kind = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}[dtype]
    names = [f"input{i}" for i in range(len(ranks))]
    node = helper.make_node(operator, names, ["y"], **dict(attributes))
    shapes = [[f"{name}_{axis}" for axis in range(rank)] for name, rank in zip(names, ranks, strict=True)]
    inputs = [helper.make_tensor_value_info(name, kind, shape) for name, shape in zip(names, shapes, strict=True)]
    outputs = [helper.make_tensor_value_info("y", kind, ["n", "c", "h", "w"])]
    graph = helper.make_graph([node], "one node", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(operator: str, *arrays: Array, **attributes: Any) -> Array:
    """What a node gives for some arrays."""
    found = session(operator, tuple(array.ndim for array in arrays), arrays[0].dtype.name, tuple(attributes.items()))
    feeds = {f"input{i}": np.array(array, order="C") for i, array in enumerate(arrays)}
    return np.array(found.run(None, feeds)[0])


def conv2d(
    x: Array, weight: Array, bias: Array | None = None, *, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Convolve."""
    valid.convolution(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    arrays = [array for array in (x, weight, bias) if array is not None]
    return run("Conv", *arrays, strides=stride, pads=(*padding, *padding), dilations=dilation, group=groups)


def avg_pool2d(
    x: Array,
    kernel_size: Pair,
    *,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    """Average; ONNX has no divisor_override."""
    valid.pool(x, kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode)
    valid.require(divisor_override != 0, "divisor_override must not be 0")
    if divisor_override is not None:
        raise NotImplementedError("ONNX has no divisor_override")
    counted = {"ceil_mode": int(ceil_mode), "count_include_pad": int(count_include_pad)}
    return run("AveragePool", x, kernel_shape=kernel_size, strides=stride, pads=(*padding, *padding), **counted)


def max_pool2d(x: Array, kernel_size: Pair, *, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool) -> Array:
    """Take maxima."""
    valid.pool(x, kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    if not np.isfinite(x).all():
        raise NotImplementedError("its maximum starts at the lowest finite number, so it drops NaN and minus infinity")
    shape = {"kernel_shape": kernel_size, "strides": stride, "pads": (*padding, *padding), "dilations": dilation}
    return run("MaxPool", x, **shape, ceil_mode=int(ceil_mode))


def supports(problem: Any) -> bool:
    """All but a divisor_override, and maxima over windows wholly in padding, which a dilated kernel may have."""
    if problem.operator == "max_pool2d":
        return all(map(sees_input, problem.size, problem.padding, problem.dilation))
    return problem.divisor_override is None


def sees_input(size: int, padding: int, dilation: int) -> bool:
    """Whether every window has a tap in the input: none steps over it."""
    return padding == 0 or dilation <= size


# Conv and AveragePool have no float64 on the CPU.
dtypes = ("f32",)
