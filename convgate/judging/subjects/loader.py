"""Find a subject by its name."""

import importlib
from functools import cache
from math import inf
from typing import Any

import numpy as np

from convgate.judging.subjects.host import Host, HostDiedError
from convgate.judging.subjects.remote import PREFIXES, RemoteError, RemoteSubject, command_of
from convgate.judging.subjects.wire import ProtocolError
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem

__all__ = [
    "DEFAULT_SUBJECT",
    "LOCAL",
    "SubjectError",
    "error_factor",
    "functions_of",
    "load_subject",
    "operators_of",
    "renewed",
    "supports",
    "takes",
    "wants",
]

DEFAULT_SUBJECT = "impl"
# In front of a Python subject that is to run in this process.
LOCAL = "local:"


class SubjectError(Exception):
    """The subject cannot be loaded, or has nothing to judge."""


@cache
def load_subject(name: str) -> Any:
    """The subject of that name, loaded once: in a process of its own, which stays.

    See `loaded`.
    """
    return loaded(name)


def loaded(name: str) -> Any:
    """Start a subject in a process of its own.

    Parameters
    ----------
    name : str
        A module's dotted name, and after a colon an attribute of it if not the module itself is the subject;
        ``python:PATH NAME`` for the same in another environment; ``exec:COMMAND`` for a program; ``lib:PATH`` for a
        shared library. ``local:NAME`` is a Python subject in this process, for those that are known to be harmless.

    Raises
    ------
    SubjectError
        If there is no such module or attribute, importing or starting it fails, or it has none of the protocol's
        functions.
    """
    subject = imported(name.removeprefix(LOCAL)) if name.startswith(LOCAL) else started(name)
    if not functions_of(subject):
        wanted = ", ".join(OPERATORS)
        raise SubjectError(f"subject {name!r} has none of the functions of the protocol ({wanted}, ...)")
    return subject


def renewed(name: str) -> Any:
    """The same subject in a process that has made no call yet; never in this one."""
    subject = load_subject(name.removeprefix(LOCAL))
    subject.host.renew()
    return subject


def started(name: str) -> RemoteSubject:
    """A subject in a process of its own."""
    try:
        return RemoteSubject(Host(command_of(name)))
    except (HostDiedError, ProtocolError, RemoteError, OSError, ValueError) as error:
        if name.startswith(PREFIXES):
            raise SubjectError(
                f"subject {name!r} could not be started ({error}); give exec:COMMAND of a program that "
                "speaks the protocol, lib:PATH of a shared library, or python:PATH MODULE"
            ) from error
        raise SubjectError(not_loaded(name, str(error))) from error


def not_loaded(name: str, what: str) -> str:
    """The message for a Python subject that cannot be loaded."""
    if name.endswith(".py"):
        what += "; a module's name has no .py"
    return (
        f"subject {name!r} could not be loaded ({what}); give MODULE or MODULE:ATTRIBUTE, "
        f"importable from the folder that you stand in"
    )


def imported(name: str) -> Any:
    """A module, or an attribute of one."""
    module_name, _, attribute = name.partition(":")
    try:
        subject = importlib.import_module(module_name)
        for part in attribute.split(".") if attribute else []:
            subject = getattr(subject, part)
    except BaseException as error:
        raise SubjectError(not_loaded(name, f"{type(error).__name__}: {error}")) from error
    return subject


def operators_of(name: str) -> tuple[str, ...]:
    """Load a subject, tell which operators it has, and let go of it."""
    subject = loaded(name)
    if isinstance(subject, RemoteSubject):
        subject.host.stop()
    return functions_of(subject)


def functions_of(subject: Any) -> tuple[str, ...]:
    """The operators whose forward function a subject has."""
    return tuple(name for name in OPERATORS if callable(getattr(subject, name, None)))


def supports(subject: Any, problem: Problem) -> bool:
    """Whether a subject wants to be asked about a problem; yes, unless its own ``supports`` says no.

    It is asked about invalid problems too, but may raise on those; that is a no.

    Raises
    ------
    SubjectError
        If its ``supports`` raises on a valid problem.
    """
    asked = getattr(subject, "supports", None)
    if not callable(asked):
        return True
    try:
        return bool(asked(problem))
    except Exception as error:
        if OPERATORS[problem.operator].broken_rule(problem) is not None:
            return False
        raise SubjectError(f"supports({problem}) {what_went_wrong(error)}") from error


def what_went_wrong(error: Exception) -> str:
    """How a call of a subject ended without an answer, in words."""
    if isinstance(error, HostDiedError):
        return f"did not come back: {error}"
    return f"raised {type(error).__name__}: {error}"


def takes(subject: Any, dtype: str) -> bool:
    """Whether a subject takes arrays of a dtype, "f32" or "f64"; yes, unless it has ``dtypes`` without it."""
    return dtype in getattr(subject, "dtypes", (dtype,))


def wants(subject: Any, problem: Problem, dtype: str) -> bool:
    """Whether a subject wants to be asked about a problem in a dtype: it supports the one and takes the other."""
    return takes(subject, dtype) and supports(subject, problem)


def error_factor(subject: Any, problem: Problem) -> float | None:
    """How accurate in norm a subject says that it is on a valid problem.

    Returns
    -------
    float or None
        The number of unit roundoffs of the norms that its errors stay under (docs/normwise.md). None if it has no
        ``error_factor``, or that says None: then it adds up the products of the definition.

    Raises
    ------
    SubjectError
        If its ``error_factor`` raises or gives anything but None and finite numbers from 1.
    """
    asked = getattr(subject, "error_factor", None)
    if not callable(asked):
        return None
    try:
        factor = asked(problem)
    except Exception as error:
        raise SubjectError(f"error_factor({problem}) {what_went_wrong(error)}") from error
    if factor is None:
        return None
    number = isinstance(factor, float | int | np.number) and not isinstance(factor, bool)
    if not number or not 1 <= factor < inf:
        raise SubjectError(
            f"error_factor({problem}) gave {factor!r}; it must be a finite number of unit roundoffs, at least 1, "
            "or None where the subject adds up the products of the definition"
        )
    return float(factor)
