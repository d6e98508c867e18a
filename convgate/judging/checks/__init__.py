"""The checks: each judges one trial and returns a result.

To add a check, add a file here and a line below, or an entry point of another package in the group
``convgate.checks``.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from convgate.cases.case import Case
from convgate.judging.checks.adjoint import ADJOINT
from convgate.judging.checks.check import Check, is_large
from convgate.judging.checks.finite_difference import FINITE_DIFFERENCE
from convgate.judging.checks.identity import IDENTITY
from convgate.judging.checks.invalid_arguments import INVALID_ARGUMENTS
from convgate.judging.checks.layout import LAYOUT
from convgate.judging.checks.outputs import DIRECT, SPECIAL_VALUES
from convgate.judging.checks.purity import PURITY
from convgate.judging.checks.relational import can_be_asked
from convgate.judging.foresight import calls_of
from convgate.judging.relations import Relations
from convgate.judging.subjects.loader import load_subject
from convgate.judging.subjects.remote import make_ahead, takes_several
from convgate.judging.trial import Trial
from convgate.plugins import Table
from convgate.results.verdicts import DEATHS, Result

__all__ = ["CHECKS", "OUTPUTS", "Check", "checks_for", "judge", "judge_trial", "relations_of"]

# In order of precedence: a failure that a check finds explains those that later checks find on the same case.
CHECKS = Table(
    "convgate.checks",
    Check,
    (*DIRECT, SPECIAL_VALUES, PURITY, FINITE_DIFFERENCE, ADJOINT, IDENTITY, LAYOUT, INVALID_ARGUMENTS),
)
# Outputs by the check that compares them with the definition.
OUTPUTS = {check.name: check.output for check in DIRECT}


def relations_of(check: str) -> Relations | None:
    """The relations that a check verifies, if any."""
    return CHECKS[check].relations


def checks_for(case: Case) -> frozenset[str]:
    """The checks to run on a case: all, or for a large case only those that make few calls."""
    large = is_large(case)
    return frozenset(name for name, check in CHECKS.items() if check.few_calls or not large)


def judge(case: Case, subject: Any, checks: Iterable[str] | None = None) -> tuple[Result, ...]:
    """Run the checks that apply to a case.

    Parameters
    ----------
    case : Case
        The case. For an invalid problem only the check of invalid arguments applies, otherwise all others.
    subject : Any
        A module or object with the functions of the subject protocol, called in this process; or the name of one, to be
        called in a process of its own.
    checks : iterable of str or None
        Names of checks (default: all). Those that do not apply to the case are skipped.

    Returns
    -------
    tuple of Result
        In the order of `CHECKS`.

    Raises
    ------
    ValueError
        If there is no check of a name.
    SubjectError
        If there is no subject of a name.
    """
    asked = tuple(CHECKS if checks is None else checks)
    for name in asked:
        if name not in CHECKS:
            raise ValueError(f"{name!r} is no check; the checks are {', '.join(CHECKS)}")
    return judge_trial(Trial(case, load_subject(subject) if isinstance(subject, str) else subject), asked)


def foresee(trial: Trial, checks: Sequence[Check]) -> None:
    """Have the calls of relations made in one message, where the subject is in another process and all will be made."""
    if not takes_several(trial.subject) or not trial.sampled or trial.rule is not None:
        return
    known = trial.known_results()
    if known is None:
        return
    own, recall = trial.own_arrays()
    rehearsed = [
        (relation, *((trial.arrays(), None) if relation.repeats else (own, recall)))
        for check in checks
        if check.relations is not None and check.relations.can_be_asked(trial.on_lattice, trial.on_integers)
        for relation in check.relations.sample(trial.case)
        if can_be_asked(relation, trial)
    ]
    make_ahead(trial.subject, calls_of(rehearsed, known))


def judge_trial(trial: Trial, checks: Iterable[str] | None = None) -> tuple[Result, ...]:
    """Run the checks that apply to a trial's case, as `judge` does."""
    asked = checks_for(trial.case).intersection(CHECKS if checks is None else checks)
    foresee(trial, [check for name, check in CHECKS.items() if name in asked])
    results = []
    for name, check in CHECKS.items():
        if name in asked and check.of_arguments == (trial.rule is not None):
            result = check.judge(trial)
            if result is not None:
                results.append(result)
                # each further call could crash or hang again
                if result.verdict in DEATHS:
                    break
    make_ahead(trial.subject, ())
    return tuple(results)
