"""What a function may return: arrays that are exactly NumPy's own, and nothing that only behaves like one.

A subclass decides itself what ``==``, ``+`` and ``np.abs`` mean: comparisons of a masked array are masked, ``*`` of a
matrix is another product, and any class can say that it equals whatever it is held against. So types are asked for
exactly, before anything is done with a result. The classes stand on their own, as their source is copied into scripts
that reproduce a failure.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["NotPlainError", "Plain", "several", "type_name"]


class NotPlainError(TypeError):
    """A function returned something that is no array of NumPy's own, or one of another dtype."""


class Plain:
    """A subject whose results are looked at before anybody uses them.

    Its functions raise NotPlainError, starting with what is wrong and a colon, unless each result is None or exactly a
    numpy.ndarray of the dtype of the arguments. Several results may come in a tuple or list, or in a class made of
    one, as named tuples are; they are read by their places, whatever that class says of its entries.

    Parameters
    ----------
    subject : Any
        A module or object with the functions of the subject protocol.
    several : tuple of str
        The functions that return more than one result.
    """

    def __init__(self, subject: Any, several: tuple[str, ...]) -> None:
        self.subject = subject
        self.several = several

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self.subject, name)

        def checked(*arguments: Any, **options: Any) -> Any:
            dtypes = [each.dtype for each in arguments if type(each) is np.ndarray]
            returned = function(*arguments, **options)
            bases = [base for base in (tuple, list) if name in self.several and issubclass(type(returned), base)]
            results = tuple(bases[0].__getitem__(returned, slice(None))) if bases else (returned,)
            for each in results:
                if each is None:
                    continue
                if type(each) is not np.ndarray:
                    what = type.__dict__["__name__"].__get__(type(each))
                    raise NotPlainError(f"wrong type: {name} must return numpy.ndarray itself, got {what}")
                if each.dtype not in dtypes:
                    raise NotPlainError(f"wrong dtype: {name} must return {dtypes[0]}, got {each.dtype}")
            return results if bases else returned

        return checked


def several(returned: Any) -> tuple[Any, ...] | None:
    """The entries of a tuple or list, read by their places whatever a subclass says of them; None of anything else."""
    kind = type(returned)
    if issubclass(kind, tuple):
        return tuple.__getitem__(returned, slice(None))
    return tuple(list.__getitem__(returned, slice(None))) if issubclass(kind, list) else None


def type_name(value: Any) -> str:
    """The name of a value's class, whatever the class of that class makes of it."""
    name: str = type.__dict__["__name__"].__get__(type(value))
    return name
