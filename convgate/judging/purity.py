"""What a pure function keeps: its inputs, its earlier results, and its answer.

Each function takes a callable and its arrays by name, and returns what is and what should be, in that order: the
symptom and its details, or twice that nothing is wrong. Each stands on its own, as its source is copied into scripts
that reproduce a failure.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["impure_alone", "impure_beside"]


def impure_alone(function: Callable[..., Any], **arrays: NDArray[Any]) -> tuple[str, str]:  # noqa: C901 - one promise after the other
    """Call a function, with other data, and once more: inputs stay, results belong to the caller, and answers too."""
    pure = "nothing wrong"

    def called(*inputs: NDArray[Any]) -> list[NDArray[Any]]:
        returned = function(*inputs)
        found = [each for each in (returned if isinstance(returned, tuple | list) else (returned,)) if each is not None]
        for each in found:
            # a class of the subject's own would say itself whether it is equal to what it was
            if type(each) is not np.ndarray:
                raise TypeError(f"a result must be numpy.ndarray itself, got {type(each).__name__}")
        return found

    before = {name: np.array(array) for name, array in arrays.items()}
    results = called(*arrays.values())
    for name, then in before.items():
        now = arrays[name]
        if (now.shape, now.dtype) != (then.shape, then.dtype):
            return f"mutated input: {name} was {then.dtype} {then.shape}, is {now.dtype} {now.shape}", pure
        different = (now != then) & ~((now != now) & (then != then))  # noqa: PLR0124 - NaN
        if different.any():
            place = tuple(int(i) for i in np.argwhere(different)[0])
            return f"mutated input: {name}{list(place)} was {then[place]}, is {now[place]}", pure
        if now.tobytes() != then.tobytes():
            return f"mutated input: a zero or NaN of {name} has other bits", pure
    held = [(result, np.array(result)) for result in results]
    for number, result in enumerate(results):
        for other in (*arrays.values(), *results[:number]):
            if np.shares_memory(result, other):
                return "aliased output: a result shares memory with an input or with another result", pure
        places = np.zeros(1, np.intp)
        for length, stride in zip(result.shape, () if result.flags.forc else result.strides, strict=False):
            places = np.add.outer(places, np.arange(length) * stride).ravel()
        if (np.diff(np.sort(places)) < result.itemsize).any():
            return "aliased output: entries of a result share memory with one another", pure
        if not result.flags.writeable:
            return "read-only output: a result cannot be written to", pure
    called(*(array + array for array in arrays.values()))
    if not all(np.array_equal(now, then, equal_nan=True) for now, then in held):
        return "overwritten output: the next call changed a result", pure
    again = called(*arrays.values())
    if not all(np.array_equal(new, then, equal_nan=True) for new, (_, then) in zip(again, held, strict=True)):
        return "not deterministic: the same call gives another result the second time", pure
    return pure, pure


def impure_beside(
    function: Callable[..., Any], others: tuple[Callable[[], Any], ...], **arrays: NDArray[Any]
) -> tuple[str, str]:
    """Call a function, then others, then it once more: neither its first result nor its answer changes."""
    pure = "nothing wrong"

    def called() -> list[NDArray[Any]]:
        returned = function(*arrays.values())
        found = [each for each in (returned if isinstance(returned, tuple | list) else (returned,)) if each is not None]
        for each in found:
            # a class of the subject's own would say itself whether it is equal to what it was
            if type(each) is not np.ndarray:
                raise TypeError(f"a result must be numpy.ndarray itself, got {type(each).__name__}")
        return found

    held = [(result, np.array(result)) for result in called()]
    for other in others:
        try:  # noqa: SIM105 - scripts that hold this function import nothing for it
            other()
        except BaseException:  # noqa: BLE001, S110 - whether others are right is no matter of purity
            pass
    if not all(np.array_equal(now, then, equal_nan=True) for now, then in held):
        return "overwritten output: a call of another problem changed a result", pure
    again = called()
    if not all(np.array_equal(new, then, equal_nan=True) for new, (_, then) in zip(again, held, strict=True)):
        return "not deterministic: the same call gives another result after one of another problem", pure
    return pure, pure
