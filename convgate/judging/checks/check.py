"""The definition of a check."""

from collections.abc import Callable
from dataclasses import dataclass

from convgate.cases.case import Case, broken_rule
from convgate.judging.relations import Relations
from convgate.judging.trial import Trial
from convgate.results.verdicts import Result

__all__ = ["DEFINITION", "DIFFERENCES", "IDENTITIES", "RULES", "Check", "is_large"]

# The oracles of checks, as headings of reports.
DEFINITION = "The definition and PyTorch"
DIFFERENCES = "Exact finite differences"
IDENTITIES = "Identities"
RULES = "The rules of the arguments"

# Largest number of terms of a forward pass for which checks make further calls. The faults that these find do not need
# larger cases.
MOST_RELATION_WORK = 50_000


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check, with everything specific to it.

    Parameters
    ----------
    name : str
        Name in results, records and reports.
    judge : callable
        Trial to the result of the check; None if the check does not apply.
    oracle : str
        Its oracle, as a heading of reports.
    asks : str
        The property that it checks, in words.
    short : str
        Heading of its column in the kill matrix.
    output : str
        The output that it compares with the definition, if it compares a single output.
    relations : Relations or None
        The relations that it verifies, if any.
    of_values : bool
        Whether it depends on the values of the results; other checks can pass with any values.
    subject_alone : bool
        Whether it uses only the subject's own forward and backward pass.
    few_calls : bool
        Whether it runs on large cases too, because it needs no calls beyond those of the case itself.
    of_arguments : bool
        Whether it applies to invalid problems, and only to these.
    """

    name: str
    judge: Callable[[Trial], Result | None]
    oracle: str
    asks: str
    short: str
    output: str = ""
    relations: Relations | None = None
    of_values: bool = True
    subject_alone: bool = False
    few_calls: bool = False
    of_arguments: bool = False


def is_large(case: Case) -> bool:
    """Whether a case is valid and needs much work."""
    return broken_rule(case) is None and case.operator.work(case.problem) > MOST_RELATION_WORK
