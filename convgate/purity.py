"""What a pure function keeps: its inputs, its earlier results, and its answer.

Each function takes a callable and its arrays and returns what is and what should be, in that order. Each stands on its
own, as its source is copied into scripts that reproduce a failure.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "held_and_first_result",
    "inputs_after_and_before",
    "kept_and_first_result",
    "read_only_results",
    "repeated_and_first_result",
    "second_and_first_result",
    "shared_arrays",
]


def inputs_after_and_before(function: Callable[..., Any], **arrays: NDArray[Any]) -> tuple[str, str]:
    """What the call changed in its inputs, which are to be as they were."""
    before = {name: np.array(array) for name, array in arrays.items()}
    function(*arrays.values())
    for name, then in before.items():
        now = arrays[name]
        for index in np.argwhere((now != then) & ~((now != now) & (then != then))):  # noqa: PLR0124 - NaN
            place = tuple(int(i) for i in index)
            return f"{name}[{','.join(map(str, place))}] = {now[place]} in place of {then[place]}", "as they were"
    return "as they were", "as they were"


def shared_arrays(function: Callable[..., Any], *arrays: NDArray[Any]) -> tuple[int, int]:
    """How many pairs of results, or of an input and a result, share memory; there must be 0."""
    returned = function(*arrays)
    results = [each for each in (returned if isinstance(returned, tuple | list) else (returned,)) if each is not None]
    shared = sum(bool(np.shares_memory(result, array)) for result in results for array in arrays)
    for number, result in enumerate(results):
        shared += sum(bool(np.shares_memory(result, other)) for other in results[:number])
    return shared, 0


def read_only_results(function: Callable[..., Any], *arrays: NDArray[Any]) -> tuple[int, int]:
    """How many results cannot be written to; there must be 0."""
    returned = function(*arrays)
    results = [each for each in (returned if isinstance(returned, tuple | list) else (returned,)) if each is not None]
    return sum(not np.asarray(result).flags.writeable for result in results), 0


def second_and_first_result(function: Callable[..., Any], *arrays: NDArray[Any]) -> tuple[Any, Any]:
    """The first result that differs when the same call is made again after another one; (0, 0) if none."""

    def results(*inputs: NDArray[Any]) -> list[NDArray[Any]]:
        returned = function(*inputs)
        return [
            np.array(each)
            for each in (returned if isinstance(returned, tuple | list) else (returned,))
            if each is not None
        ]

    first = results(*arrays)
    results(*(array + array for array in arrays))
    for again, once in zip(results(*arrays), first, strict=True):
        if not np.array_equal(again, once, equal_nan=True):
            return again, once
    return 0, 0


def kept_and_first_result(function: Callable[..., Any], *arrays: NDArray[Any]) -> tuple[Any, Any]:
    """The first result that a later call with other data overwrites, now and before; (0, 0) if none."""
    returned = function(*arrays)
    held = [each for each in (returned if isinstance(returned, tuple | list) else (returned,)) if each is not None]
    before = [np.array(each) for each in held]
    function(*(array + array for array in arrays))
    for now, then in zip(held, before, strict=True):
        if not np.array_equal(now, then, equal_nan=True):
            return now, then
    return 0, 0


def repeated_and_first_result(
    function: Callable[..., Any], others: tuple[Callable[[], Any], ...], *arrays: NDArray[Any]
) -> tuple[Any, Any]:
    """The first result that differs when the same call is made again after others; (0, 0) if none."""

    def results() -> list[NDArray[Any]]:
        returned = function(*arrays)
        return [
            np.array(each)
            for each in (returned if isinstance(returned, tuple | list) else (returned,))
            if each is not None
        ]

    first = results()
    for other in others:
        other()
    for again, once in zip(results(), first, strict=True):
        if not np.array_equal(again, once, equal_nan=True):
            return again, once
    return 0, 0


def held_and_first_result(
    function: Callable[..., Any], others: tuple[Callable[[], Any], ...], *arrays: NDArray[Any]
) -> tuple[Any, Any]:
    """The first result that other calls overwrite, now and before; (0, 0) if none."""
    returned = function(*arrays)
    held = [each for each in (returned if isinstance(returned, tuple | list) else (returned,)) if each is not None]
    before = [np.array(each) for each in held]
    for other in others:
        other()
    for now, then in zip(held, before, strict=True):
        if not np.array_equal(now, then, equal_nan=True):
            return now, then
    return 0, 0
