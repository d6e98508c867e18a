"""Results of qualifying the gate: every fault, the checks that find it, and how well the gate explains it."""

import shlex
from dataclasses import dataclass
from statistics import median

from convgate.judging.checks import CHECKS

__all__ = ["Explained", "JudgedFault", "Kill", "Qualification"]

FORMAT_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Kill:
    """The first case on which a check fails.

    Parameters
    ----------
    case : int
        Its number among the cases of its operator, from 1.
    spec : str
        Spec of the case.
    seconds : float
        Time on one core to judge the cases of this operator up to and including it. If it crashes or blocks its
        process, this includes the time until that is noticed.
    """

    case: int
    spec: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A failure that the gate reports for a fault.

    Parameters
    ----------
    check, symptom, minimal : str
        The failing check, its symptom, and the spec of the smallest case.
    conditions : tuple of str or None
        The conditions under which it fails; None if none were found.
    having, failing : int
        Number of tried cases that meet the conditions, and how many of these fail.
    """

    check: str
    symptom: str
    minimal: str
    conditions: tuple[str, ...] | None
    having: int = 0
    failing: int = 0


@dataclass(frozen=True, kw_only=True)
class JudgedFault:
    """A fault and how the gate reports it.

    Parameters
    ----------
    name, bug_class, operator, stage, depth, diff, smallest, after, trigger
        As in the catalogue: `diff` is the change, `smallest` the spec of the smallest case that shows the fault,
        `after` the spec of a case to run before it, if needed, `trigger` the conditions under which the fault shows.
    kills : dict
        Check to its first failing case. If the fault crashes or blocks its process, only the checks that represent
        cases are known.
    without_torch : tuple of str
        The checks that find it without PyTorch.
    usual : bool
        Whether the usual test finds it.
    failures : tuple of Explained
        The failures that the gate reports: one, or several if the fault has several effects.
    exact : bool or None
        Whether the conditions of the failures match the trigger exactly: those of at least one failure hold whenever
        the fault shows, and none hold otherwise. None if nothing was explained.
    small : bool or None
        Whether one of the minimal cases is as simple, in geometry and options, as the smallest that shows the fault.
        None if nothing was minimised.
    """

    name: str
    bug_class: int
    operator: str
    stage: str
    depth: int
    diff: str
    smallest: str
    after: str = ""
    trigger: tuple[str, ...]
    kills: dict[str, Kill]
    without_torch: tuple[str, ...]
    usual: bool
    failures: tuple[Explained, ...]
    exact: bool | None
    small: bool | None

    @property
    def found_by(self) -> str:
        """The check that finds it first, by case and then by precedence; empty if none does."""
        order = list(CHECKS)
        return min(self.kills, key=lambda check: (self.kills[check].case, order.index(check)), default="")

    @property
    def by_gradients(self) -> bool:
        """Whether gradient checks find it without other checks."""
        return any(check.subject_alone and check.name in self.kills for check in CHECKS.values())


@dataclass(frozen=True, kw_only=True)
class Qualification:
    """A run of the gate over the catalogue.

    Parameters
    ----------
    format_version : int
        Version of the file format.
    profile, seed : str, int
        Profile and seed of the gate.
    names : tuple of str
        Patterns of the requested faults; empty for all.
    faults : tuple of JudgedFault
        The judged faults.
    started_at : str
        Time in UTC, ISO 8601.
    seconds : float
        Duration of the run.
    jobs : int
        Number of worker processes.
    explained : bool
        Whether failures were minimised and explained; if not, the faults have none.
    versions : dict
        Versions of convgate, NumPy, PyTorch and Python.
    resumed : int
        Number of faults that an earlier, interrupted run had judged.
    """

    format_version: int = FORMAT_VERSION
    profile: str
    seed: int
    names: tuple[str, ...] = ()
    faults: tuple[JudgedFault, ...]
    started_at: str
    seconds: float
    jobs: int
    explained: bool
    versions: dict[str, str]
    resumed: int = 0

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        quick = () if self.explained else ("--quick",)
        words = ("convgate", "qualify", *self.names, *quick, "--profile", self.profile, "--seed", str(self.seed))
        return shlex.join(words)

    @property
    def survivors(self) -> tuple[JudgedFault, ...]:
        """The faults that no check finds."""
        return tuple(fault for fault in self.faults if not fault.kills)

    @property
    def median_case(self) -> float:
        """The median number of cases to a kill."""
        found = [fault.kills[fault.found_by].case for fault in self.faults if fault.kills]
        return median(found) if found else float("nan")
