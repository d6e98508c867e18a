"""The input of reporters: the record of a run, and facts derived from its cases."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convgate.results.coverage import CoverageMap
from convgate.results.record import RunRecord

__all__ = ["CaseFacts", "Summary"]


@dataclass(frozen=True)
class CaseFacts:
    """The case of a spec, as plain data.

    Parameters
    ----------
    arguments : dict
        All fields of the case.
    classes : dict
        Its shape classes in words, by feature; empty for an invalid problem.
    """

    arguments: Mapping[str, Any]
    classes: Mapping[str, str]


@dataclass(frozen=True)
class Summary:
    """A run, as passed to every reporter.

    Parameters
    ----------
    record : RunRecord
        The record of the run.
    command : str
        The command that repeats the run; empty if there is none.
    next_step : str
        A sentence that suggests the next step.
    oracles : dict
        Heading of each oracle to its checks, and each of these to the property that it checks, in words.
    coverage_maps : callable
        Returns the coverage map of each operator, which takes seconds to compute.
    case_facts : callable
        Returns the facts of a spec.
    """

    record: RunRecord
    command: str
    next_step: str
    oracles: Mapping[str, Mapping[str, str]]
    coverage_maps: Callable[[], Sequence[CoverageMap]]
    case_facts: Callable[[str], CaseFacts]
