"""Whether repeated calls on the same data differ, for example because of random numbers or race conditions.

State from calls on other data is examined elsewhere (`convgate.run.state_leaks`), so all calls here use the same data.
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

# 100 calls miss a difference that occurs in one call of 20 with a probability of 0.6 % (0.95**100).
CALLS = 100
# For a failure that does not recur: 1,000 calls miss a difference in one call of 300 with a probability of 4 %.
MORE_CALLS = 1_000
SECONDS = 2.0
# The relation, after the name of a function.
REPEATABLE = "gives the same result whenever it is called"


def differing_calls(
    function: Callable[..., Any], calls: int, seconds: float, **arrays: NDArray[Any]
) -> tuple[str, str]:
    """Call a function on the same data repeatedly, until a result differs from the one before.

    The first result is ignored, because state from calls on other data may affect it. This function is self-contained,
    because its source is copied into scripts that reproduce a failure.

    Parameters
    ----------
    function : callable
        Takes the arrays.
    calls : int
        Most calls to make.
    seconds : float
        Time after which no more calls are made.
    **arrays : ndarray
        Arguments by name; changes that the function makes to them are undone.

    Returns
    -------
    (str, str)
        The actual and the expected outcome: the symptom with its details, or "nothing wrong".
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
    """For each function of a case's operator the relation that repeated calls on the same data give the same result."""
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

    The data are on the lattice, where all sums are exact; elsewhere the last bits may depend on memory addresses. They
    are not scaled, because state from earlier calls may be so large that tiny data have no effect.

    Parameters
    ----------
    case : Case
        A valid case.
    subject : Any
        The code under test.
    relation : str
        Name of the function, and `REPEATABLE`.
    calls : int
        Most calls to make.

    Returns
    -------
    Result or None
        A result of the check purity; None if the relation is another one, if the data cannot be on the lattice, or if
        all results must be zero, so that nothing can show.
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
