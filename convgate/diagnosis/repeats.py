"""Whether repeated calls on the same data differ: what a subject leaves to chance, or to threads that race.

What it keeps from calls on other data is another matter (`convgate.run.state_leaks`), so here it is called on nothing
else.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convgate.cases.case import POINTS, Case, case_rule
from convgate.judging.checks.relational import judge_relation
from convgate.judging.checks.results import is_vacuous
from convgate.judging.relations import Data, Function, Relation, arrays_of
from convgate.judging.trial import Trial
from convgate.results.verdicts import Result

__all__ = ["CALLS", "MORE_CALLS", "REPEATABLE", "differing_calls", "repeatable", "repeated_calls"]

# What differs in one call of 20 is missed by 100 calls in 0.6 % of the cases (0.95**100).
CALLS = 100
# Where a failure does not come back it may be rarer: one call in 300 is missed by 1,000 in 4 %.
MORE_CALLS = 1_000
SECONDS = 2.0
# What must hold, after the name of a function.
REPEATABLE = "gives the same result whenever it is called"


def differing_calls(
    function: Callable[..., Any], calls: int, seconds: float, **arrays: NDArray[Any]
) -> tuple[str, str]:
    """Call a function on the same data again and again, until a result differs from the one before.

    The first result is left out, as what was kept from calls on other data may have made it. It stands on its own, as
    its source is copied into scripts that reproduce a failure.

    Parameters
    ----------
    function : callable
        Takes the arrays.
    calls : int
        How many at the most.
    seconds : float
        After which no more calls are made.
    **arrays : ndarray
        By name; what the function writes into them is undone.

    Returns
    -------
    (str, str)
        What is and what must be: the symptom and its details, or twice that nothing is wrong.
    """
    import time  # noqa: PLC0415 - scripts that hold this function import nothing for it

    pure = "nothing wrong"
    before = {name: np.array(array) for name, array in arrays.items()}

    def called() -> list[Any]:
        try:
            returned = function(*arrays.values())
        except BaseException as error:  # noqa: BLE001 - to raise is a result here
            returned = (np.array(f"raised {type(error).__name__}"),)
        for name, array in arrays.items():
            if array.flags.writeable:
                array[...] = before[name]
        results = returned if isinstance(returned, tuple | list) else (returned,)
        return [np.array(each) for each in results if each is not None]

    called()
    last, started = called(), time.monotonic()
    for number in range(calls):
        now = called()
        same = len(now) == len(last) and all(
            a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | ((a != a) & (b != b))).all())  # noqa: PLR0124 - NaN
            for a, b in zip(now, last, strict=True)
        )
        if not same:
            details = f"call {number + 3} on the same data gives another result than the one before"
            return f"not deterministic: {details}", pure
        if time.monotonic() - started > seconds:
            break
    return pure, pure


def repeatable(case: Case, calls: int) -> Iterator[Relation]:
    """For each function of a case's operator, that it gives the same result whenever it is called on the same data."""
    for make in (case.operator.forward, case.operator.backward):
        if make is not None:
            call = make(case.problem)
            yield Relation(
                name=f"{call.function} {REPEATABLE}",
                helper=differing_calls,
                given=(Function(call, arrays_of(call)), calls, SECONDS),
                named={name: Data(name) for name in arrays_of(call)},
                symptom="",
                rounded=False,
                repeats=True,
            )


def repeated_calls(case: Case, subject: Any, relation: str, calls: int = CALLS) -> Result | None:
    """Judge whether a function gives the same result whenever it is called on the data of a case.

    On the lattice, as there all sums are exact: elsewhere the last bits may depend on where arrays lie in memory. And
    on the plain one, as what a function keeps from earlier calls may be too large for tiny data to show beside it.

    Parameters
    ----------
    case : Case
        A valid one.
    subject : Any
        The code under test.
    relation : str
        Name of the function, and `REPEATABLE`.
    calls : int
        How many, at the most.

    Returns
    -------
    Result or None
        Of the check of purity; None if the relation is none of these, if the data cannot be on the lattice, or if all
        results must be zero, so that there is nothing to see.
    """
    found = next((each for each in repeatable(case, calls) if each.name == relation), None)
    trial = Trial(case, subject)
    if found is None or trial.rule is not None:
        return None
    if case.fill not in {"lattice", POINTS} or not trial.on_lattice:
        twin = replace(case, fill="lattice", points=())
        if case_rule(twin) is not None:
            return None
        trial = Trial(twin, subject)
    (function,) = found.functions
    makes = (trial.operator.forward, trial.operator.backward)
    call = next(call for make in makes if make is not None and (call := make(trial.problem)).function == function)
    if all(is_vacuous(each) for each in trial.expected(call).values()):
        return None
    return judge_relation("purity", found, trial)
