"""Verdicts: what checks, cases and runs can come to."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["DEATHS", "FAILING", "NOT_DETERMINISTIC", "VERDICTS", "Result", "primary_failure"]

VERDICTS = ("passed", "failed", "unsupported", "vacuous", "crashed", "timed_out", "oracles_disagree")

# The subject's process ended, or did not come back; and all that fail a run.
DEATHS = frozenset({"crashed", "timed_out"})
FAILING = frozenset({"failed", *DEATHS})

# The symptom of what gives one result now and another then, which purity tells.
NOT_DETERMINISTIC = "not deterministic"


@dataclass(frozen=True)
class Result:
    """What one check found.

    Parameters
    ----------
    check : str
        Name of the check.
    verdict : str
        One of `VERDICTS`.
    symptom : str
        What kind of failure, if it is one.
    message : str
        One line for a person.
    expected, actual : str
        What must be there and what is, at the place that the message names.
    output : str
        The output concerned, if it is one.
    place : str
        The wrong entry, such as ``y[0,0,1,1]``, if it is one.
    relation : str
        Name of the relation that does not hold, if it is one.
    factor : float or None
        The error factor by which it was judged, if the subject claims one and is not right without it.
    claim : float or None
        What the subject claims then, which can be more than is believed.
    refused : bool
        Whether the subject raised NotImplementedError on what its ``supports`` let through.
    one_oracle : bool
        Whether PyTorch had no opinion, so that the definition alone decided.
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
    """The failure that a case is remembered for.

    Checks stand in the order of blame: a wrong forward pass makes finite differences and identities fail too, so the
    first failure explains the others. But what is not deterministic explains whatever else is wrong, here and now.
    """
    failed = [result for result in results if result.verdict in FAILING]
    return next((result for result in failed if result.symptom == NOT_DETERMINISTIC), failed[0] if failed else None)
