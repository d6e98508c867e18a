"""A host that calls a shared library with a C interface (convgate.h): ``library_host PATH``."""

import ctypes
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from convgate.judging.subjects.wire import PROTOCOL, ClosedError, read_message, write_message

__all__ = ["ARRAYS", "CArray", "COptions", "main"]

# How many arrays each function returns.
ARRAYS = {
    "conv2d": 1,
    "conv2d_backward": 3,
    "avg_pool2d": 1,
    "avg_pool2d_backward": 1,
    "max_pool2d": 1,
    "max_pool2d_backward": 1,
    "im2col": 1,
    "col2im": 1,
}
DTYPES = (np.dtype("f4"), np.dtype("f8"))
MOST_AXES = 8
ERRORS = {1: "ValueError", 2: "NotImplementedError"}
PAIRS = ("kernel_size", "stride", "padding", "dilation")


class CArray(ctypes.Structure):
    """``convgate_array``."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("dtype", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("shape", ctypes.c_int64 * MOST_AXES),
    )


class COptions(ctypes.Structure):
    """``convgate_options``."""

    _fields_ = (
        *((name, ctypes.c_int64 * 2) for name in PAIRS),
        ("groups", ctypes.c_int64),
        ("divisor_override", ctypes.c_int64),
        ("input_shape", ctypes.c_int64 * 4),
        ("ceil_mode", ctypes.c_int32),
        ("count_include_pad", ctypes.c_int32),
    )


def main(path: str) -> None:
    """Answer requests with what a library returns, until nobody asks any more."""
    library = ctypes.CDLL(os.path.abspath(path))  # noqa: PTH100 - without a slash the loader searches elsewhere
    library.convgate_functions.restype = ctypes.c_char_p
    library.convgate_call.restype = ctypes.c_int
    source, target = int(os.environ["CONVGATE_IN"]), int(os.environ["CONVGATE_OUT"])
    functions = library.convgate_functions().decode().split(",")
    write_message(target, {"protocol": PROTOCOL, "functions": functions})
    with suppress(ClosedError):
        while True:
            request, arrays = read_message(source)
            write_message(target, *reply(library, request, arrays))


def reply(
    library: ctypes.CDLL, request: Mapping[str, Any], arrays: Sequence[np.ndarray[Any, Any]]
) -> tuple[dict[str, Any], list[np.ndarray[Any, Any]]]:
    """What a library makes of a call."""
    name = request["call"]
    if any(each.dtype not in DTYPES or each.ndim > MOST_AXES for each in arrays):
        return {"error": "NotImplementedError", "message": "not float32 or float64"}, []
    given = [np.ascontiguousarray(each) for each in arrays]
    before = [each.copy() for each in given]
    values = iter([each["value"] for each in request["arguments"] if "value" in each])
    options = options_of(name, values, request["options"])
    inputs = (CArray * max(1, len(given)))(*map(as_c, given))
    outputs = (CArray * ARRAYS[name])()
    status = library.convgate_call(name.encode(), inputs, len(given), ctypes.byref(options), outputs, len(outputs))
    if status:
        return {"error": ERRORS.get(status, "RuntimeError"), "message": f"{name} returned {status}"}, []
    returned: list[np.ndarray[Any, Any]] = []
    places: list[int | None] = []
    for each in outputs:
        places.append(len(returned) if each.data else None)
        if each.data:
            returned.append(from_c(each))
            library.convgate_free(ctypes.c_void_p(each.data))
    changed = [number for number, each in enumerate(given) if each.tobytes() != before[number].tobytes()]
    moved = {str(number): len(returned) + place for place, number in enumerate(changed)}
    return {"outputs": places, "changed": moved}, [*returned, *(given[number] for number in changed)]


def options_of(name: str, values: Any, options: Mapping[str, Any]) -> COptions:
    """The options of a call, those among its positional arguments too."""
    found = COptions(groups=1, count_include_pad=1)
    for pair in PAIRS:
        setattr(found, pair, (ctypes.c_int64 * 2)(1, 1) if pair != "padding" else (ctypes.c_int64 * 2)(0, 0))
    if name == "col2im":
        found.input_shape = (ctypes.c_int64 * 4)(*next(values))
    if not name.startswith("conv2d"):
        found.kernel_size = (ctypes.c_int64 * 2)(*next(values))
    for option, value in options.items():
        if option in PAIRS:
            setattr(found, option, (ctypes.c_int64 * 2)(*value))
        else:
            setattr(found, option, int(value or 0))
    return found


def as_c(array: np.ndarray[Any, Any]) -> CArray:
    """An array as the library sees it."""
    shape = (ctypes.c_int64 * MOST_AXES)(*array.shape)
    return CArray(array.ctypes.data, DTYPES.index(array.dtype), array.ndim, shape)


def from_c(array: CArray) -> np.ndarray[Any, Any]:
    """A copy of an array that the library has made."""
    shape = tuple(array.shape[: array.ndim])
    dtype = DTYPES[array.dtype]
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer(ctypes.string_at(array.data, size), dtype).reshape(shape)


if __name__ == "__main__":
    main(sys.argv[1])
