"""What a run tells those who watch it."""

from dataclasses import dataclass
from pathlib import Path

from convgate.results.failure import Failure
from convgate.results.record import RunRecord

__all__ = ["Event", "FailureSaved", "Minimizing", "Progressed", "RunFinished", "RunStarted", "ShardJudged"]


@dataclass(frozen=True)
class RunStarted:
    """The subject is loaded; so many cases will be judged."""

    subject: str
    operators: tuple[str, ...]
    cases: int


@dataclass(frozen=True)
class ShardJudged:
    """Some cases more are judged; so many of them fail."""

    cases: int
    planned: int
    failing: int


@dataclass(frozen=True)
class Minimizing:
    """All cases are judged; so many groups of failing ones will be minimised."""

    groups: int


@dataclass(frozen=True)
class FailureSaved:
    """A failure is minimised and saved in a folder."""

    failure: Failure
    folder: Path


@dataclass(frozen=True)
class RunFinished:
    """The end, with the record."""

    record: RunRecord


@dataclass(frozen=True)
class Progressed:
    """How far a phase of a run over many subjects has come."""

    phase: str
    done: int
    total: int


Event = RunStarted | ShardJudged | Minimizing | FailureSaved | RunFinished
