"""Limits of time and number, each in one place."""

from dataclasses import dataclass

from convgate.judging.subjects.host import CALL_SECONDS

__all__ = ["Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long something may take, in seconds, and how often it may happen.

    Whatever a subject does, a run ends. The limits are so far from what a sound subject needs that a slow machine does
    not change a verdict.

    Parameters
    ----------
    case_seconds : float
        For one call of the subject, beside the time that its work takes. A call on a small case takes less than a
        millisecond, in a slow subject a second.
    covering_seconds : float
        To find the cases that cover the shape classes, which calls the subject's ``supports``.
    shard_seconds : float
        For a shard, whose calls have their own limits: beyond that the judge itself must be stuck.
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
        A subject that crashes or hangs so often on one operator is not asked about it again before it is known when it
        does so.
    most_rounds : int
        So often that is found out for more such cases, until the operator is given up.
    ahead : int
        Shards that are handed to each worker ahead of time.
    """

    case_seconds: float = CALL_SECONDS
    covering_seconds: float = 120.0
    shard_seconds: float = 3600.0
    fresh_seconds: float = 60.0
    random_seconds: float = 120.0
    minimizing_seconds: float = 300.0
    when_seconds: float = 120.0
    max_seconds: float | None = None
    most_dead: int = 3
    most_rounds: int = 3
    ahead: int = 3
