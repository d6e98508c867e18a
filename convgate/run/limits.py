"""Limits of time and number, each in one place."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long something may take, in seconds, and how often it may happen.

    Whatever a subject does, a run ends. The limits are so far from what a sound subject needs that a slow machine does
    not change a verdict.

    Parameters
    ----------
    case_seconds : float
        For one case by itself. It takes some milliseconds, in a slow subject a second.
    seconds_a_term : float
        Beside that, for each term of a forward pass: some tens of calls of a subject that takes a microsecond for each,
        as loops of an interpreter do.
    loading_seconds : float
        To import the subject.
    covering_seconds : float
        To find the cases that cover the shape classes, which calls the subject's ``supports``.
    fresh_seconds : float
        For the calls of a whole run without oracles, and one case, in a fresh process.
    random_seconds : float
        To find out whether a function is random.
    minimizing_seconds : float
        To make the failing cases of one operator and check small.
    when_seconds : float
        To find out when one failure occurs.
    max_seconds : float or None
        For the judging of a run; None for as long as it takes.
    most_dead : int
        A subject that dies or hangs so often on one operator is not asked about it again.
    most_dead_candidates : int
        To make a case small on which a subject dies or hangs, so many more may do: each costs a process or
        `exercise_seconds`.
    ahead : int
        Shards that are handed to each worker ahead of time.
    """

    case_seconds: float = 5.0
    seconds_a_term: float = 2e-5
    loading_seconds: float = 60.0
    covering_seconds: float = 120.0
    fresh_seconds: float = 60.0
    random_seconds: float = 120.0
    minimizing_seconds: float = 300.0
    when_seconds: float = 120.0
    max_seconds: float | None = None
    most_dead: int = 3
    most_dead_candidates: int = 30
    ahead: int = 3

    @property
    def exercise_seconds(self) -> float:
        """For the calls of one check on one case, without oracles."""
        return 0.6 * self.case_seconds

    @property
    def second_try_seconds(self) -> float:
        """For a case that was not back in time although each of its calls is: the machine may have stood still."""
        return 4 * self.case_seconds

    @property
    def shard_seconds(self) -> float:
        """For a shard; if it takes longer, its cases are judged one by one."""
        return 4 * self.case_seconds
