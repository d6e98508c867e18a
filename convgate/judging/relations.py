"""Relations that a subject must keep: a helper that makes both sides, and what it is given.

What a check evaluates and what the script that reproduces a failure contains come from the same relation, so that the
two cannot differ: a script holds the helper's source and calls it with the same arguments, written out as Python. A
helper returns a pair: what is, and what it must be equal to.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from convgate.cases.case import Case
from convgate.judging.subjects.remote import holding
from convgate.problems.operators import SEVERAL, Array, Arrays, Call, Shape, perform, source_of
from convgate.problems.plain import Plain
from convgate.problems.problem import Problem

__all__ = ["Data", "Function", "Recall", "Relation", "Relations", "agree", "arrays_of", "evaluate", "turn"]

# What a subject made of a call on these very arrays, if that is known; None if it is not.
Recall = Callable[[Call, Arrays], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Data:
    """One of the case's arrays, as an argument of a helper."""

    name: str


@dataclass(frozen=True)
class Function:
    """A call of the subject as a function of some of its arrays, as an argument of a helper.

    Parameters
    ----------
    call : Call
        The call.
    of : tuple of str
        Names of the arrays that it is a function of; the case's own stand for the others.
    output : str or None
        The output that it gives, or None for all that is returned.
    ones : dict
        Shapes of arrays of ones that stand for the case's own.
    """

    call: Call
    of: tuple[str, ...] = ()
    output: str | None = None
    ones: Mapping[str, Shape] = field(default_factory=dict)

    def source(self) -> str:
        """The function in Python."""
        dtype = next(iter(self.ones), "")
        ones = {name: f"np.ones({shape}, {dtype}.dtype)" for name, shape in self.ones.items()}
        return f"lambda {', '.join(self.of)}: {source_of(self.call, self.output, arrays=ones)}".replace(
            "lambda :", "lambda:"
        )

    def bound(self, subject: Any, arrays: Arrays, recall: Recall | None) -> Callable[..., Any]:
        """The function itself."""

        def function(*given: Array) -> Any:
            own = dict(zip(self.of, given, strict=True))
            if self.ones:
                dtype = arrays[next(iter(self.ones))].dtype
                own |= {name: np.ones(shape, dtype) for name, shape in self.ones.items()}
            called = {**arrays, **own}
            known = recall(self.call, called) if recall is not None else None
            outputs = perform(subject, self.call, called) if known is None else known
            if self.output is not None:
                return outputs[self.output]
            return next(iter(outputs.values())) if len(outputs) == 1 else tuple(outputs.values())

        return function


@dataclass(frozen=True, kw_only=True)
class Relation:
    """One relation, applied to one problem.

    Parameters
    ----------
    name : str
        What must hold, in words.
    helper : callable
        Makes what is and what must be.
    given : tuple
        Its arguments: `Function`, `Data`, tuples of these, or values that stand for themselves.
    named : dict
        Its keyword arguments, of the same kinds.
    needs : tuple of callable
        The functions that the helper calls.
    symptom : str
        What it means if the relation does not hold; empty if what is says so itself, in front of a colon.
    rounded : bool
        Whether both sides are integers up to rounding (the lattice), and so compared as integers.
    repeats : bool
        Whether it asks what a call does when it is made again, so that no call may be remembered.
    also : tuple of Problem
        The other problems on which it calls the subject.
    """

    name: str
    helper: Callable[..., tuple[Any, Any]]
    given: tuple[Any, ...]
    named: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[Callable[..., Any], ...] = ()
    symptom: str = "wrong value"
    rounded: bool = True
    repeats: bool = False
    also: tuple[Problem, ...] = ()

    @property
    def source(self) -> str:
        """Expression that gives what is and what must be."""
        arguments = [in_python(each) for each in self.given]
        arguments += [f"{name}={in_python(each)}" for name, each in self.named.items()]
        return f"{self.helper.__name__}({', '.join(arguments)})"

    @property
    def helpers(self) -> tuple[Callable[..., Any], ...]:
        """The functions that `source` calls."""
        return (*self.needs, self.helper)

    @property
    def functions(self) -> frozenset[str]:
        """The subject's functions that the relation calls."""
        return frozenset(each.call.function for each in functions_in(self.given))


def in_python(argument: Any) -> str:
    """An argument of a helper in Python."""
    if isinstance(argument, Data):
        return argument.name
    if isinstance(argument, Function):
        return argument.source()
    if isinstance(argument, tuple):
        return f"({', '.join(map(in_python, argument))}{',' if len(argument) == 1 else ''})"
    return repr(argument)


def functions_in(arguments: tuple[Any, ...]) -> Iterator[Function]:
    """The functions among some arguments."""
    for each in arguments:
        if isinstance(each, Function):
            yield each
        elif isinstance(each, tuple):
            yield from functions_in(each)


def evaluate(relation: Relation, subject: Any, arrays: Arrays, recall: Recall | None = None) -> tuple[Any, Any]:
    """Work out both sides of a relation; what the subject raises passes through.

    Raises
    ------
    NotPlainError
        If one of its results is no array of NumPy's own, whose arithmetic and comparisons nobody else defines.
    """
    plain = Plain(subject, SEVERAL)

    def value(argument: Any) -> Any:
        if isinstance(argument, Data):
            return arrays[argument.name]
        if isinstance(argument, Function):
            return argument.bound(plain, arrays, None if relation.repeats else recall)
        return tuple(map(value, argument)) if isinstance(argument, tuple) else argument

    with np.errstate(all="ignore"), holding(subject if relation.repeats else None):
        given, named = map(value, relation.given), {name: value(each) for name, each in relation.named.items()}
        actual, expected = relation.helper(*given, **named)
    return actual, expected


def agree(actual: Any, expected: Any, *, rounded: bool) -> bool:
    """Whether two numbers or arrays are the same, after rounding to integers if `rounded`; NaN is the same as NaN.

    What is neither a number or words of Python's nor exactly an array of NumPy's agrees with nothing.
    """
    if not {type(actual), type(expected)} <= {np.ndarray, int, str}:
        return False
    left, right = np.asarray(actual), np.asarray(expected)
    if left.shape != right.shape:
        return False
    if rounded and left.dtype.kind == right.dtype.kind == "f":
        left, right = np.rint(left), np.rint(right)
    both_nan = (left != left) & (right != right)  # noqa: PLR0124 - isnan has no integers of Python's
    return bool(((left == right) | both_nan).all())


@dataclass(frozen=True)
class Relations:
    """The relations of one check.

    Parameters
    ----------
    each : callable
        Case to the relations that must hold, one by one.
    together : callable
        Case to fewer relations that hold if all of these do, and that cost less to ask for; the same where none are
        known. What fails is looked for among `each`.
    sample : callable
        Case to a part of the relations: over the cases of a run all come up.
    any_step : bool
        Whether they can be asked on a lattice of any step: they neither move the data by a step nor add to them.
    """

    each: Callable[[Case], Iterator[Relation]]
    together: Callable[[Case], Iterator[Relation]]
    sample: Callable[[Case], Iterator[Relation]]
    any_step: bool = False

    def can_be_asked(self, on_lattice: bool, on_integers: bool) -> bool:
        """Whether they can be asked on data that are on the lattice or not, with a step of 1 or not."""
        return on_lattice if self.any_step else on_integers


def turn(case: Case) -> int:
    """A number by which one case after the other takes another of some relations."""
    problem = case.problem
    return case.seed + problem.batch + problem.channels + sum(problem.size)


def arrays_of(call: Call) -> tuple[str, ...]:
    """The names of the arrays that a call takes."""
    return tuple(each for each in call.arguments if isinstance(each, str))
