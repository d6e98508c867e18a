"""When a case fails: what the failing problems around it have in common and the passing ones have not."""

from dataclasses import dataclass
from typing import Any

from convgate.case import Case
from convgate.checks import Result

__all__ = ["When", "fails_when", "sentence"]


@dataclass(frozen=True, kw_only=True)
class When:
    """A conjunction of conditions, and how well it tells failing from passing problems.

    Parameters
    ----------
    conditions : tuple of str
        In words; all of them hold for the minimal case.
    having, failing : int
        How many of the problems that were tried have all the conditions, and how many of these fail.
    others, passing : int
        How many have not, and how many of these pass.
    """

    conditions: tuple[str, ...]
    having: int
    failing: int
    others: int
    passing: int


def sentence(when: When) -> str:
    """What a report says after "It"."""
    if not when.conditions:
        return f"fails on {when.failing:,} of {when.having:,} problems tried around it"
    return (
        f"fails when {' and '.join(when.conditions)} ({when.failing:,} of {when.having:,}), "
        f"passes otherwise ({when.passing:,} of {when.others:,})"
    )


def fails_when(case: Case, subject: Any, failure: Result) -> When | None:
    """Find the conditions under which a subject fails as it does on a minimal case."""
