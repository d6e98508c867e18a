"""The host of a shared library with a C interface (convgate.h): ``library_host PATH``."""

import ctypes
import os
import sys
from functools import partial
from typing import Any

import numpy as np

from convgate.judging.subjects.python_host import serve_subject

__all__ = ["ARRAYS", "CArray", "COptions", "Library", "main"]

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
ERRORS = {1: ValueError, 2: NotImplementedError}
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


class Library:
    """A shared library as a subject of Python.

    Parameters
    ----------
    path : str
        The file.

    Raises
    ------
    OSError, AttributeError
        If it cannot be loaded, or lacks a function of convgate.h.
    """

    def __init__(self, path: str) -> None:
        # without a slash the loader searches elsewhere
        self._library = ctypes.CDLL(os.path.abspath(path))  # noqa: PTH100
        self._library.convgate_functions.restype = ctypes.c_char_p
        self._library.convgate_call.restype = ctypes.c_int
        self._library.convgate_free.argtypes = (ctypes.c_void_p,)
        for name in self._library.convgate_functions().decode().split(","):
            if name in ARRAYS:
                setattr(self, name, partial(self._call, name))

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        given = [each for each in arguments if isinstance(each, np.ndarray)]
        if any(each.dtype not in DTYPES or each.ndim > MOST_AXES for each in given):
            raise NotImplementedError("not float32 or float64")
        values = iter([each for each in arguments if isinstance(each, tuple)])
        inputs = (CArray * max(1, len(given)))(*map(as_c, given))
        outputs = (CArray * ARRAYS[name])()
        status = self._library.convgate_call(
            name.encode(), inputs, len(given), ctypes.byref(options_of(name, values, options)), outputs, len(outputs)
        )
        if status:
            raise ERRORS.get(status, RuntimeError)(f"{name} returned {status}")
        returned = [from_c(each) if each.data else None for each in outputs]
        for each in outputs:
            if each.data:
                self._library.convgate_free(each.data)
        return returned[0] if len(returned) == 1 else tuple(returned)


def options_of(name: str, values: Any, options: dict[str, Any]) -> COptions:
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
    return np.frombuffer(bytearray(ctypes.string_at(array.data, size)), dtype).reshape(shape)


def main(path: str) -> None:
    """Answer requests with what a library returns, until nobody asks any more."""
    serve_subject(lambda: Library(path), tuple(ARRAYS), layouts=False)


if __name__ == "__main__":
    main(sys.argv[1])
