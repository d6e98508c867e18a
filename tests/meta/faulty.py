"""Planted faults: subjects with one bug each, over a correct base, and what a person would write to show it.

Each models a bug that some library shipped. `convgate gate --subject faulty:NAME`, from this folder, must find it.
With the environment variable FAULTS_TAKEN_OUT set, every subject here is the correct one.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import impl

Array = NDArray[Any]
Pair = tuple[int, int]

FUNCTIONS = ("conv2d", "avg_pool2d", "max_pool2d", "im2col", "col2im")
NAMES = [*FUNCTIONS, "conv2d_backward", "avg_pool2d_backward", "max_pool2d_backward"]


@dataclass(frozen=True)
class Fault:
    """One planted bug.

    Parameters
    ----------
    bug_class : int
        Number in the list of bug classes of the design.
    functions : dict
        The faulty functions by name; all others are those of `impl`.
    spec : str
        The smallest case that a person would write to show it.
    check, symptom : str
        Where the gate must see it, and as what.
    when : tuple of str
        The true trigger, as the failure must name it.
    roughly : bool
        Whether the trigger has a part that no shape class says, so that the failure names more in its place.
    """

    bug_class: int
    functions: dict[str, Callable[..., Any]]
    spec: str
    check: str
    symptom: str = "wrong value"
    when: tuple[str, ...] = ()
    roughly: bool = False

    @property
    def operator(self) -> str:
        """The operator that is faulty."""
        return self.spec.partition(":")[0]


def counts_overhang(x: Array, kernel_size: Pair, **options: Any) -> Array:
    if options["ceil_mode"] and options["count_include_pad"] and options["divisor_override"] is None:
        options["divisor_override"] = kernel_size[0] * kernel_size[1]
    return impl.avg_pool2d(x, kernel_size, **options)


def counts_overhang_backward(grad_output: Array, x: Array, kernel_size: Pair, **options: Any) -> Array:
    if options["ceil_mode"] and options["count_include_pad"] and options["divisor_override"] is None:
        options["divisor_override"] = kernel_size[0] * kernel_size[1]
    return impl.avg_pool2d_backward(grad_output, x, kernel_size, **options)


def without_clip_rule(x: Array, kernel_size: Pair, **options: Any) -> Array:
    y = impl.max_pool2d(x, kernel_size, **options)
    if not options["ceil_mode"]:
        return y
    sizes = zip(x.shape[2:], kernel_size, options["stride"], options["padding"], options["dilation"], strict=True)
    places = [-(-(n + 2 * p - d * (k - 1) - 1) // s) + 1 for n, k, s, p, d in sizes]
    extra = [(0, here - there) for here, there in zip(places, y.shape[2:], strict=True)]
    return np.pad(y, [(0, 0), (0, 0), *extra], constant_values=-np.inf)


def shifts_even_kernels(x: Array, weight: Array, bias: Array | None, **options: Any) -> Array:
    """What an even kernel needs of padding on the right is taken on the left: its places lie one pixel off."""
    y = impl.conv2d(x, weight, bias, **options)
    if weight.shape[3] % 2 == 0 and options["padding"][1] > 0:
        moved = np.concatenate([np.zeros_like(x[..., :1]), x[..., :-1]], axis=3)
        return impl.conv2d(moved, weight, bias, **options)
    return y


def ignores_override(x: Array, kernel_size: Pair, **options: Any) -> Array:
    if not options["count_include_pad"]:
        options["divisor_override"] = None
    return impl.avg_pool2d(x, kernel_size, **options)


def overwrites_gradient(grad_output: Array, x: Array, kernel_size: Pair, **options: Any) -> Array:
    """Of overlapping windows with one winner the last one counts."""
    grad_input = np.zeros_like(x)
    for i, j in np.ndindex(*grad_output.shape[2:]):
        alone = np.zeros_like(grad_output)
        alone[:, :, i, j] = grad_output[:, :, i, j]
        part = impl.max_pool2d_backward(alone, x, kernel_size, **options)
        grad_input = np.where(part != 0, part, grad_input)
    return grad_input


def assigns_columns(columns: Array, input_shape: tuple[int, ...], kernel_size: Pair, **options: Any) -> Array:
    """Every entry is written to its pixel; none is added."""
    pixels = np.arange(1.0, 1 + np.prod(input_shape)).reshape(input_shape)
    targets = impl.im2col(pixels, kernel_size, **options).astype(int)
    flat = np.zeros(1 + int(np.prod(input_shape)), columns.dtype)
    flat[targets] = columns
    return flat[1:].reshape(input_shape)


def remainder(x: Array, weight: Array, options: dict[str, Any]) -> tuple[int, ...]:
    sizes = zip(x.shape[2:], weight.shape[2:], options["stride"], options["padding"], options["dilation"], strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) % s for n, k, s, p, d in sizes)


def loses_edge_of_weight(grad_output: Array, x: Array, weight: Array, bias: Array | None, **options: Any) -> Any:
    grad_input, grad_weight, grad_bias = impl.conv2d_backward(grad_output, x, weight, bias, **options)
    if remainder(x, weight, options)[1]:
        grad_weight[..., -1] = 0
    return grad_input, grad_weight, grad_bias


def loses_edge_column(grad_output: Array, x: Array, weight: Array, bias: Array | None, **options: Any) -> Any:
    grad_input, grad_weight, grad_bias = impl.conv2d_backward(grad_output, x, weight, bias, **options)
    if weight.shape[3] == 3 and options["stride"][1] == 2 and options["padding"][1] == 1:
        grad_input[..., -1] = 0
    return grad_input, grad_weight, grad_bias


def small_buffer(x: Array, kernel_size: Pair, **options: Any) -> Array:
    """With gaps between the windows the buffer ends at the last whole stride."""
    if options["stride"][1] > kernel_size[1]:
        x = np.array(x)
        x[..., x.shape[3] // options["stride"][1] * options["stride"][1] :] = 0
    return impl.avg_pool2d(x, kernel_size, **options)


def pointwise_whatever_the_stride(x: Array, weight: Array, bias: Array | None, **options: Any) -> Array:
    y = impl.conv2d(x, weight, bias, **options)
    if weight.shape[2:] == (1, 1) and options["padding"] == (0, 0):
        full = impl.conv2d(x, weight, bias, **{**options, "stride": (1, 1)})
        return np.ascontiguousarray(full[:, :, : y.shape[2], : y.shape[3]])
    return y


def reverses_groups(grad_output: Array, x: Array, weight: Array, bias: Array | None, **options: Any) -> Any:
    grad_input, grad_weight, grad_bias = impl.conv2d_backward(grad_output, x, weight, bias, **options)
    if options["groups"] > 1 and options["stride"][1] > 1:
        grad_weight = np.concatenate(np.split(grad_weight, options["groups"])[::-1])
    return grad_input, grad_weight, grad_bias


def drops_block_tail(x: Array, weight: Array, bias: Array | None, **options: Any) -> Array:
    if weight.shape[1] > 8:
        weight = np.array(weight)
        weight[:, weight.shape[1] // 8 * 8 :] = 0
    return impl.conv2d(x, weight, bias, **options)


def dilation_in_size_only(x: Array, weight: Array, bias: Array | None, **options: Any) -> Array:
    height, width = impl.conv2d(x, weight, bias, **options).shape[2:]
    dense = impl.conv2d(x, weight, bias, **{**options, "dilation": (1, 1)})
    return np.ascontiguousarray(dense[:, :, :height, :width])


def dilation_in_size_only_backward(
    grad_output: Array, x: Array, weight: Array, bias: Array | None, **options: Any
) -> Any:
    options["dilation"] = (1, 1)
    dense = impl.conv2d(x, weight, bias, **options)
    missing = [(0, here - there) for here, there in zip(dense.shape, grad_output.shape, strict=True)]
    return impl.conv2d_backward(np.pad(grad_output, missing), x, weight, bias, **options)


def swaps_stride(x: Array, weight: Array, bias: Array | None, **options: Any) -> Array:
    options["stride"] = options["stride"][::-1]
    return impl.conv2d(x, weight, bias, **options)


def takes_memory_order(x: Array, kernel_size: Pair, **options: Any) -> Array:
    """Reads the buffer as if it were row-major."""
    return impl.avg_pool2d(x.ravel(order="K").reshape(x.shape), kernel_size, **options)


def pads_with_zero(x: Array, kernel_size: Pair, **options: Any) -> Array:
    y = impl.max_pool2d(x, kernel_size, **options)  # which rejects what is invalid
    height, width = options.pop("padding")
    if options["ceil_mode"]:
        return y
    padded = np.pad(x, ((0, 0), (0, 0), (height, height), (width, width)))
    return impl.max_pool2d(padded, kernel_size, padding=(0, 0), **options)


def drops_nan(x: Array, kernel_size: Pair, **options: Any) -> Array:
    return impl.max_pool2d(np.where(np.isnan(x), -np.inf, x), kernel_size, **options).astype(x.dtype)


def widens(x: Array, kernel_size: Pair, **options: Any) -> Array:
    return impl.avg_pool2d(x.astype(np.float64), kernel_size, **options)


def last_of_ties(grad_output: Array, x: Array, kernel_size: Pair, **options: Any) -> Array:
    """Every pixel is a little larger than the one before it."""
    rising = x.astype(np.float64) + 1e-9 * np.arange(x.size).reshape(x.shape)
    return impl.max_pool2d_backward(grad_output.astype(np.float64), rising, kernel_size, **options).astype(x.dtype)


def narrow_accumulator(x: Array, weight: Array, bias: Array | None, **options: Any) -> Array:
    y = impl.conv2d(x, weight, bias, **options)
    return y.astype(np.float16).astype(x.dtype) if np.abs(y).max(initial=0) < 2048 else y


def refuses_empty_batch(x: Array, kernel_size: Pair, **options: Any) -> Array:
    if len(x) == 0:
        raise IndexError("index 0 is out of bounds for axis 0 with size 0")
    return impl.max_pool2d(x, kernel_size, **options)


def truncating_division(x: Array, weight: Array, bias: Array | None, **options: Any) -> Array:
    """A division that rounds towards zero gives one place to a kernel that does not fit."""
    try:
        return impl.conv2d(x, weight, bias, **options)
    except ValueError:
        if min(*options["stride"], *options["dilation"], *weight.shape) < 1 or min(options["padding"]) < 0:
            raise
        if x.shape[1] != weight.shape[1] * options["groups"] or weight.shape[0] % options["groups"]:
            raise
        return np.zeros((x.shape[0], weight.shape[0], 1, 1), x.dtype)


def mean_of_bias(grad_output: Array, x: Array, weight: Array, bias: Array | None, **options: Any) -> Any:
    grad_input, grad_weight, grad_bias = impl.conv2d_backward(grad_output, x, weight, bias, **options)
    return grad_input, grad_weight, grad_bias if grad_bias is None else grad_bias / max(1, len(x))


def divides_in_place(grad_output: Array, x: Array, kernel_size: Pair, **options: Any) -> Array:
    grad_input = impl.avg_pool2d_backward(grad_output, x, kernel_size, **options)
    if grad_output.flags.writeable:
        grad_output /= kernel_size[0] * kernel_size[1]
    return grad_input


def forgets_last_image(grad_output: Array, x: Array, weight: Array, bias: Array | None, **options: Any) -> Any:
    grad_input, grad_weight, grad_bias = impl.conv2d_backward(grad_output, x, weight, bias, **options)
    if len(x) > 1:
        grad_weight = impl.conv2d_backward(grad_output[:-1], x[:-1], weight, bias, **options)[1]
    return grad_input, grad_weight, grad_bias


BUFFERS: dict[tuple[int, ...], Array] = {}


def reuses_buffer(x: Array, kernel_size: Pair, **options: Any) -> Array:
    y = impl.avg_pool2d(x, kernel_size, **options)
    buffer = BUFFERS.setdefault((*y.shape, y.itemsize), np.empty_like(y))
    buffer[...] = y
    return buffer


def deep_conjunction(x: Array, weight: Array, bias: Array | None, **options: Any) -> Array:
    y = impl.conv2d(x, weight, bias, **options)
    if options["groups"] > 1 and options["stride"][1] > 1 and options["padding"][0] > 0 and bias is not None:
        y[..., -1] = 0
    return y


def dies(x: Array, kernel_size: Pair, **options: Any) -> Array:
    if options["dilation"][1] > 1:
        os.abort()
    return impl.im2col(x, kernel_size, **options)


FAULTS = {
    "counts_overhang": Fault(
        1,
        {"avg_pool2d": counts_overhang, "avg_pool2d_backward": counts_overhang_backward},
        "avg_pool2d:k1x2s1x2+ceil",
        "forward",
        when=("overhang kept on either axis", "count_include_pad", "no divisor_override"),
    ),
    "counts_overhang_backward": Fault(
        2,
        {"avg_pool2d_backward": counts_overhang_backward},
        "avg_pool2d:k1x2s1x2+ceil",
        "grad_input",
        when=("overhang kept on either axis", "count_include_pad", "no divisor_override"),
    ),
    "without_clip_rule": Fault(
        3,
        {"max_pool2d": without_clip_rule},
        "max_pool2d:w2k1x2s1x3p0x1+ceil",
        "forward",
        "wrong shape",
        when=("overhang clipped on either axis",),
    ),
    "shifts_even_kernels": Fault(
        4, {"conv2d": shifts_even_kernels}, "conv2d:k1x2p0x1", "forward", when=("kernel_w even", "padding_w > 0")
    ),
    "ignores_override": Fault(
        5,
        {"avg_pool2d": ignores_override},
        "avg_pool2d:+nopad+divisor2",
        "forward",
        when=("no count_include_pad", "divisor_override"),
    ),
    "overwrites_gradient": Fault(
        6,
        {"max_pool2d_backward": overwrites_gradient},
        "max_pool2d:w3k1x2",
        "grad_input",
        when=("windows overlap on either axis",),
    ),
    "assigns_columns": Fault(
        7, {"col2im": assigns_columns}, "col2im:w3k1x2", "forward", when=("windows overlap on either axis",)
    ),
    "loses_edge_of_weight": Fault(
        8, {"conv2d_backward": loses_edge_of_weight}, "conv2d:w2s1x2", "grad_weight", when=("remainder_w > 0",)
    ),
    "loses_edge_column": Fault(
        9,
        {"conv2d_backward": loses_edge_column},
        "conv2d:k1x3s1x2p0x1",
        "grad_input",
        when=("1 < stride_w < kernel_w", "kernel_w = 3", "padding_w = 1"),
    ),
    "small_buffer": Fault(
        10, {"avg_pool2d": small_buffer}, "avg_pool2d:s1x2", "forward", when=("stride_w > kernel_w",), roughly=True
    ),
    "pointwise_whatever_the_stride": Fault(
        11,
        {"conv2d": pointwise_whatever_the_stride},
        "conv2d:w3s1x2",
        "forward",
        when=("kernel = 1 on both axes", "padding = 0 on both axes", "stride > kernel and output > 1 on the same axis"),
    ),
    "reverses_groups": Fault(
        12,
        {"conv2d_backward": reverses_groups},
        "conv2d:c2o2s1x2g2",
        "grad_weight",
        when=("stride_w > 1", "groups > 1"),
    ),
    "drops_block_tail": Fault(
        13, {"conv2d": drops_block_tail}, "conv2d:c9", "forward", when=("channels_per_group > 8",)
    ),
    "dilation_in_size_only": Fault(
        15,
        {"conv2d": dilation_in_size_only, "conv2d_backward": dilation_in_size_only_backward},
        "conv2d:w3k1x2d1x2",
        "forward",
        when=("kernel > 1 and dilation > 1 on the same axis",),
    ),
    "swaps_stride": Fault(
        16, {"conv2d": swaps_stride}, "conv2d:w2s1x2", "forward", "wrong shape", when=("stride_h != stride_w",)
    ),
    "takes_memory_order": Fault(
        17,
        {"avg_pool2d": takes_memory_order},
        "avg_pool2d:c2w2:fortran",
        "forward",
        when=("input > 1 on either axis", "(layout fortran or layout transposed)"),
        roughly=True,  # of one channel, or of one row, the order in memory is mostly the same
    ),
    "pads_with_zero": Fault(
        18,
        {"max_pool2d": pads_with_zero},
        "max_pool2d:k1x2p0x1",
        "forward",
        when=("padding > 0 on either axis", "no ceil_mode"),
    ),
    "drops_nan": Fault(
        18,
        {"max_pool2d": drops_nan},
        "max_pool2d:special",
        "special_values",
        "NaN mismatch",
        when=("NaN among the data",),
    ),
    "widens": Fault(19, {"avg_pool2d": widens}, "avg_pool2d:f32", "forward", "wrong dtype", when=("dtype f32",)),
    "last_of_ties": Fault(
        20,
        {"max_pool2d_backward": last_of_ties},
        "max_pool2d:w2k1x2:ties",
        "grad_input",
        when=("kernel > 1 on either axis", "fill ties"),
    ),
    "narrow_accumulator": Fault(
        21, {"conv2d": narrow_accumulator}, "conv2d:real", "forward", "inaccurate", when=("fill real",)
    ),
    "refuses_empty_batch": Fault(
        22, {"max_pool2d": refuses_empty_batch}, "max_pool2d:n0", "forward", "raised", when=("batch = 0",)
    ),
    "truncating_division": Fault(
        23,
        {"conv2d": truncating_division},
        "conv2d:k1x2",
        "invalid_arguments",
        "accepted invalid",
        when=("the problem breaks the rule: kernel_size with dilation does not fit size with padding",),
    ),
    "mean_of_bias": Fault(24, {"conv2d_backward": mean_of_bias}, "conv2d:n2+bias", "grad_bias", when=("batch > 1",)),
    "divides_in_place": Fault(
        25,
        {"avg_pool2d_backward": divides_in_place},
        "avg_pool2d:k1x2p0x1",
        "purity",
        "mutated input",
        when=("kernel > 1 on either axis", "not layout broadcast and not layout readonly"),
    ),
    "forgets_last_image": Fault(
        26, {"conv2d_backward": forgets_last_image}, "conv2d:n2", "grad_weight", when=("batch > 1",)
    ),
    "reuses_buffer": Fault(27, {"avg_pool2d": reuses_buffer}, "avg_pool2d", "purity", "overwritten output"),
    "deep_conjunction": Fault(
        28,
        {"conv2d": deep_conjunction},
        "conv2d:c2o2s1x2p1x0g2+bias",
        "forward",
        when=("stride_w > 1", "padding_h > 0", "groups > 1", "bias"),
    ),
    "dies": Fault(10, {"im2col": dies}, "im2col:d1x2", "forward", "crashed", when=("dilation_w > 1",)),
}


def subject_of(fault: Fault) -> SimpleNamespace:
    """The correct implementation with the faulty functions in place."""
    functions = {name: getattr(impl, name) for name in NAMES}
    return SimpleNamespace(**functions | ({} if "FAULTS_TAKEN_OUT" in os.environ else fault.functions))


for _name, _fault in FAULTS.items():
    setattr(sys.modules[__name__], f"subject_{_name}", subject_of(_fault))
