"""What reporters get: the record of a run, and what is worked out from its cases."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convgate.results.coverage import CoverageMap
from convgate.results.record import RunRecord

__all__ = ["CaseFacts", "Summary"]


@dataclass(frozen=True)
class CaseFacts:
    """What a spec stands for.

    Parameters
    ----------
    arguments : dict
        All fields of the case, as plain data.
    classes : dict
        Its shape classes in words, by feature; none of an invalid problem.
    """

    arguments: Mapping[str, Any]
    classes: Mapping[str, str]


@dataclass(frozen=True)
class Summary:
    """A run, as every reporter gets it.

    Parameters
    ----------
    record : RunRecord
        The run.
    command : str
        The command that makes the same run again; empty if there is none.
    next_step : str
        What to do now, in a sentence.
    oracles : dict
        What stands behind the checks, as a heading, to its checks, and each of these to what it asks, in words.
    coverage_maps : callable
        Returns the map of each operator's coverage, which takes seconds to draw up.
    case_facts : callable
        Returns what a spec stands for.
    """

    record: RunRecord
    command: str
    next_step: str
    oracles: Mapping[str, Mapping[str, str]]
    coverage_maps: Callable[[], Sequence[CoverageMap]]
    case_facts: Callable[[str], CaseFacts]
