"""Verdicts of checks and cases."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["DEATHS", "FAILING", "NOT_DETERMINISTIC", "VERDICTS", "Result", "primary_failure"]

VERDICTS = ("passed", "failed", "unsupported", "vacuous", "crashed", "timed_out", "oracles_disagree")

# Verdicts for a subject whose process ended or did not return, and all verdicts that fail a run.
DEATHS = frozenset({"crashed", "timed_out"})
FAILING = frozenset({"failed", *DEATHS})

# The symptom of a call that gives different results at different times; the check purity reports it.
NOT_DETERMINISTIC = "not deterministic"


@dataclass(frozen=True)
class Result:
    """The result of one check.

    Parameters
    ----------
    check : str
        Name of the check.
    verdict : str
        One of `VERDICTS`.
    symptom : str
        The kind of failure, if it is one.
    message : str
        One line for people.
    expected, actual : str
        The expected and the actual value at the entry that the message names.
    output : str
        The output concerned, if there is one.
    place : str
        The wrong entry, such as ``y[0,0,1,1]``, if there is one.
    relation : str
        Name of the relation that does not hold, if there is one.
    factor : float or None
        The error factor that was applied, if the subject claims one and is not right without it.
    claim : float or None
        The factor that the subject claims in this case, which can exceed `factor`.
    refused : bool
        Whether the subject raised NotImplementedError although its ``supports`` accepted the problem.
    one_oracle : bool
        Whether only the definition decided, because PyTorch does not define the result.
    """

    check: str
    verdict: str
    symptom: str = ""
    message: str = ""
    expected: str = ""
    actual: str = ""
    output: str = ""
    place: str = ""
    relation: str = ""
    factor: float | None = None
    claim: float | None = None
    refused: bool = False
    one_oracle: bool = False


def primary_failure(results: Iterable[Result]) -> Result | None:
    """The failure that represents a case.

    Checks run in order of precedence: a wrong forward pass makes finite differences and identities fail too, so the
    first failure explains the others. But nondeterminism, if found, explains all others.
    """
    failed = [result for result in results if result.verdict in FAILING]
    return next((result for result in failed if result.symptom == NOT_DETERMINISTIC), failed[0] if failed else None)
