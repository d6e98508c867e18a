"""What a check is."""

from collections.abc import Callable
from dataclasses import dataclass

from convgate.cases.case import Case, broken_rule
from convgate.judging.relations import Relations
from convgate.judging.trial import Trial
from convgate.results.verdicts import Result

__all__ = ["DEFINITION", "DIFFERENCES", "IDENTITIES", "RULES", "Check", "is_large"]

# What stands behind a check, as the heading of a report.
DEFINITION = "The definition and PyTorch"
DIFFERENCES = "Exact finite differences"
IDENTITIES = "Identities"
RULES = "The rules of the arguments"

# Terms of a forward pass beyond which more calls of the subject cost more than they tell: what they look for does not
# need large data, and is seen on small ones.
MOST_RELATION_WORK = 50_000


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check: everything that is particular to it.

    Parameters
    ----------
    name : str
        As in results, records and reports.
    judge : callable
        Trial to what the check found; None where it has nothing to say.
    oracle : str
        What stands behind it, as a heading.
    asks : str
        What it asks, in words.
    short : str
        Head of its column in the kill matrix.
    output : str
        The output that it compares with the definition, if it is one output.
    relations : Relations or None
        The relations that it asks for, if it asks for such.
    of_values : bool
        Whether the values decide: it cannot pass whatever they are.
    subject_alone : bool
        Whether it looks at nothing but forward and backward of the subject.
    few_calls : bool
        Whether it is asked on large cases too, as it calls the subject no more than the case itself does.
    of_arguments : bool
        Whether it applies to invalid problems, and to no others.
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
    """Whether a valid case is one of much work."""
    return broken_rule(case) is None and case.operator.work(case.problem) > MOST_RELATION_WORK
