"""What came of qualifying the gate: every fault, what found it, and how well it was explained."""

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
        The case.
    seconds : float
        How long it takes on one core to judge the cases of this operator up to it. Where it kills or blocks its
        process, with the time until that is seen.
    """

    case: int
    spec: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Explained:
    """One of the failures that the gate tells a fault by.

    Parameters
    ----------
    check, symptom, minimal : str
        What fails, how, and the spec of the smallest case.
    conditions : tuple of str or None
        When it fails; None if that could not be found out.
    having, failing : int
        How many of the cases that were tried meet the conditions, and how many of these fail.
    """

    check: str
    symptom: str
    minimal: str
    conditions: tuple[str, ...] | None
    having: int = 0
    failing: int = 0


@dataclass(frozen=True, kw_only=True)
class JudgedFault:
    """A fault and what the gate made of it.

    Parameters
    ----------
    name, bug_class, operator, stage, depth, diff, smallest, after, trigger
        As in the catalogue: `diff` is what somebody wrote, `smallest` the spec of the smallest case that shows it,
        `after` that of the one before it, if it takes one, `trigger` the conditions under which it shows.
    kills : dict
        Check to its first failing case. Where it kills or blocks its process, only the checks that a case is
        remembered for are known.
    without_torch : tuple of str
        The checks that find it where PyTorch is not asked.
    usual : bool
        Whether the usual test finds it.
    failures : tuple of Explained
        What the gate tells of it: one failure, or several where it shows in several ways.
    exact : bool or None
        Whether the failures are said to occur exactly when the fault shows: wherever it does, at least one of them;
        elsewhere, none. So one that is said to occur too often is enough to make it false. None
        where nothing was explained.
    small : bool or None
        Whether one of the minimal cases is as simple, in its geometry and options, as the smallest that shows it. None
        where nothing was minimised.
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
        """The check that finds it first, on equal cases the first in the order of blame; empty if none does."""
        order = list(CHECKS)
        return min(self.kills, key=lambda check: (self.kills[check].case, order.index(check)), default="")

    @property
    def by_gradients(self) -> bool:
        """Whether the gradient checks alone find it."""
        return any(check.subject_alone and check.name in self.kills for check in CHECKS.values())


@dataclass(frozen=True, kw_only=True)
class Qualification:
    """A run of the gate over the catalogue.

    Parameters
    ----------
    format_version : int
        Of the file.
    profile, seed : str, int
        As in a run of the gate.
    names : tuple of str
        The faults that were asked for, as patterns; none for all.
    faults : tuple of JudgedFault
        What became of them.
    started_at : str
        Time in UTC, ISO 8601.
    seconds : float
        How long it took.
    jobs : int
        Worker processes.
    explained : bool
        Whether failures were minimised and explained; if not, the faults have none.
    versions : dict
        Of convgate, NumPy, PyTorch and Python.
    resumed : int
        How many of the faults an earlier, interrupted run had judged.
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
        """The command that makes it."""
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
