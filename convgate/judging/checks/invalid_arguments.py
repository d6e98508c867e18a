"""The check that invalid arguments are rejected."""

from convgate.cases.case import invalid_calls
from convgate.judging.checks.check import RULES, Check
from convgate.judging.checks.results import died, worst
from convgate.judging.subjects.host import HostDiedError
from convgate.judging.trial import Trial
from convgate.problems.operators import Call
from convgate.results.verdicts import Result

__all__ = ["INVALID_ARGUMENTS"]


def judge_invalid_arguments(trial: Trial) -> Result | None:
    """Judge whether the forward and the backward function reject invalid arguments with ValueError or TypeError."""
    return worst("invalid_arguments", (judge_rejection(call, trial) for call in invalid_calls(trial.case)))


def judge_rejection(call: Call, trial: Trial) -> Result:
    """Judge whether one call rejects its arguments; the message starts with the broken rule."""
    outcome = trial.outcome(call)
    check, output = "invalid_arguments", call.outputs[0]
    if outcome.missing:
        return Result(check, "unsupported", output=output)
    if isinstance(outcome.error, ValueError | TypeError):
        return Result(check, "passed", output=output)
    must_be = "ValueError or TypeError"
    text = f"{trial.rule}: {call.function} must raise {must_be}"
    if isinstance(outcome.error, HostDiedError):
        return died(check, outcome.error, output=output)
    if outcome.error is not None:
        name = type(outcome.error).__name__
        return Result(check, "failed", "raised", f"{text}, got {name}", must_be, name, output)
    return Result(check, "failed", "accepted invalid", text, must_be, "a result", output)


INVALID_ARGUMENTS = Check(
    name="invalid_arguments",
    judge=judge_invalid_arguments,
    oracle=RULES,
    asks="what is invalid is refused",
    short="inv",
    few_calls=True,
    of_arguments=True,
)
