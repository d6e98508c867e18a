"""A subject in plain Python, without NumPy, that speaks the protocol of docs/protocol.md: max pooling.

Judge it with: convgate gate --subject "exec:python3 examples/exec/reference.py"
"""

import itertools
import json
import math
import os
import struct
from typing import Any

SOURCE = os.fdopen(int(os.environ["CONVGATE_IN"]), "rb")
TARGET = os.fdopen(int(os.environ["CONVGATE_OUT"]), "wb")
Ints = list[int]
LETTERS = {"<f4": "f", "<f8": "d"}


def receive() -> tuple[dict[str, Any], bytes]:
    """The header and the arrays of the next request."""
    frame = SOURCE.read(16)
    if not frame:
        raise SystemExit  # nobody asks any more
    _, header_length, body_length = struct.unpack("<4sIQ", frame)
    return json.loads(SOURCE.read(header_length)), SOURCE.read(body_length)


def send(header: dict[str, Any], body: bytes = b"") -> None:
    """Send a reply."""
    text = json.dumps({"arrays": [], **header}).encode()
    TARGET.write(struct.pack("<4sIQ", b"CVG2", len(text), len(body)) + text + body)
    TARGET.flush()


def places(size: int, kernel: int, stride: int, padding: int, dilation: int, *, ceil_mode: bool) -> int:
    """Number of windows along one axis."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    # a window that would start beyond the input and its left padding is dropped
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


def largest(values: list[float]) -> float:
    """The maximum; NaN if there is one."""
    return next((value for value in values if math.isnan(value)), max(values, default=-math.inf))


def max_pool2d(
    shape: Ints, x: tuple[float, ...], kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, *, ceil_mode: bool
) -> tuple[Ints, list[float]]:
    """Shape and values of the result."""
    sizes = shape[2:]
    if len(shape) != 4 or min(*shape[1:], *kernel, *stride, *dilation) < 1:
        raise ValueError("sizes must be positive")
    if any(not 0 <= p <= k // 2 for p, k in zip(padding, kernel, strict=True)):
        raise ValueError("padding must be at most half of the kernel")
    height, width = (
        places(*axis, ceil_mode=ceil_mode) for axis in zip(sizes, kernel, stride, padding, dilation, strict=True)
    )
    if min(height, width) < 1:
        raise ValueError("the kernel does not fit")
    y = []
    for plane, i, j in itertools.product(range(shape[0] * shape[1]), range(height), range(width)):
        rows = range(i * stride[0] - padding[0], i * stride[0] - padding[0] + kernel[0] * dilation[0], dilation[0])
        columns = range(j * stride[1] - padding[1], j * stride[1] - padding[1] + kernel[1] * dilation[1], dilation[1])
        seen = [(r, c) for r in rows for c in columns if 0 <= r < sizes[0] and 0 <= c < sizes[1]]
        y.append(largest([x[(plane * sizes[0] + r) * sizes[1] + c] for r, c in seen]))
    return [*shape[:2], height, width], y


send({"protocol": 2, "functions": ["max_pool2d"]})
while True:
    request, body = receive()
    (call,), (kind,) = request["calls"], request["arrays"]
    letter = LETTERS[kind["dtype"]]
    try:
        data = struct.unpack(f"<{len(body) // struct.calcsize(letter)}{letter}", body)
        found, values = max_pool2d(kind["shape"], data, call["arguments"][1]["value"], **call["options"])
    except ValueError as error:
        send({"replies": [{"error": "ValueError", "message": str(error)}]})
    else:
        output = {"dtype": kind["dtype"], "shape": found}
        send({"replies": [{"outputs": [0]}], "arrays": [output]}, struct.pack(f"<{len(values)}{letter}", *values))
