"""Events of a run."""

from dataclasses import dataclass
from pathlib import Path

from convgate.results.failure import Failure
from convgate.results.record import RunRecord

__all__ = ["Event", "FailureSaved", "Minimizing", "Progressed", "RunFinished", "RunStarted", "ShardJudged"]


@dataclass(frozen=True)
class RunStarted:
    """The subject is loaded, and `cases` cases will be judged."""

    subject: str
    operators: tuple[str, ...]
    cases: int


@dataclass(frozen=True)
class ShardJudged:
    """A shard is judged: `cases` of `planned` cases, of which `failing` fail."""

    cases: int
    planned: int
    failing: int


@dataclass(frozen=True)
class Minimizing:
    """All cases are judged, and `groups` groups of failing cases will be minimised."""

    groups: int


@dataclass(frozen=True)
class FailureSaved:
    """A failure is minimised and saved in `folder`."""

    failure: Failure
    folder: Path


@dataclass(frozen=True)
class RunFinished:
    """The run is finished; this is its record."""

    record: RunRecord


@dataclass(frozen=True)
class Progressed:
    """Progress of a phase of a run over many subjects."""

    phase: str
    done: int
    total: int


Event = RunStarted | ShardJudged | Minimizing | FailureSaved | RunFinished
