"""The checks that compare outputs with the definition, provided that PyTorch agrees with it."""

from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from convgate.judging.checks.check import DEFINITION, Check
from convgate.judging.checks.results import is_vacuous, not_plain, raised, worst
from convgate.judging.compare import Mismatch, compare
from convgate.judging.determined import excused
from convgate.judging.norm_bound import NormBound
from convgate.judging.trial import Trial
from convgate.oracle_list import Certified
from convgate.problems.operators import Array, Call, ResultsError
from convgate.problems.plain import type_name
from convgate.results.verdicts import Result

__all__ = ["DIRECT", "SPECIAL_VALUES", "judge_output", "judge_whatever_data"]

# If a claim accepts results that are too small by this share, the claim decides and not the result, so it is vacuous.
NOTICED = Fraction(1, 100)


def judge_output(check: str, output: str, trial: Trial) -> Result | None:
    """Compare one output of the subject with the definition, provided that PyTorch agrees with it."""
    call = trial.call_producing(output)
    if call is None:
        return None
    outcome = trial.outcome(call)
    if outcome.missing:
        why = "raises NotImplementedError" if outcome.refused else "is not there"
        return Result(check, "unsupported", message=f"{call.function} {why}", refused=outcome.refused)
    if isinstance(outcome.error, ResultsError):
        return not_plain(check, outcome.error, output=output)
    if outcome.error is not None or outcome.outputs is None:
        return raised(check, outcome.error or RuntimeError("no result"), output=output)
    expected = trial.expected(call).get(output)
    if expected is None:
        return judge_absent(check, output, outcome.outputs[output])
    mismatch, claimed = judge_values(trial, call, output, outcome.outputs[output])
    # a wrong type or dtype needs no oracle
    of_values = mismatch is None or mismatch.symptom not in {"wrong type", "wrong dtype"}
    disagreement = oracles_disagree(trial, call, output) if of_values else None
    if disagreement is not None:
        message = f"{output}{disagreement.message} by PyTorch; the definition says what must be"
        return Result(check, "oracles_disagree", "", message, disagreement.expected, disagreement.actual, output)
    judged = partial(
        Result,
        check,
        output=output,
        factor=claimed.factor if claimed is not None else None,
        claim=trial.error_factor if claimed is not None else None,
        one_oracle=trial.witnessed and trial.witness(call) is None,
    )
    if mismatch is not None:
        where = f"[{','.join(map(str, mismatch.index))}]" if mismatch.index is not None else ""
        text = f"{output}{where} {mismatch.message}"
        return judged(
            verdict="failed",
            symptom=mismatch.symptom,
            message=text,
            expected=mismatch.expected,
            actual=mismatch.actual,
            place=f"{output}{where}" if where else "",
        )
    if claimed is not None and lets_pass(expected, claimed):
        return judged(verdict="vacuous", message="the subject's error_factor lets a result pass that is 1 % too small")
    if is_vacuous(expected):
        return judged(verdict="vacuous", message="nothing but zeros was expected")
    return judged(verdict="passed")


def lets_pass(expected: Certified | Array, claimed: NormBound) -> bool:
    """Whether the claimed bound accepts a result that is too small everywhere by the share `NOTICED`."""
    indices = np.ndindex(expected.shape)
    return all(NOTICED * abs(exactly(expected, index)) <= claimed.at(index) for index in indices)


def exactly(numbers: Certified | Array, index: tuple[int, ...]) -> Fraction:
    """One entry as an exact number."""
    return numbers[index] if isinstance(numbers, Certified) else Fraction(numbers.item(index))


def judge_values(trial: Trial, call: Call, output: str, actual: Any) -> tuple[Mismatch | None, NormBound | None]:
    """The difference of an output from the definition, and the claimed bound, if it was applied.

    It is applied if the output exceeds the bound for adding up the products of the definition. On the lattice the
    nearest integers decide, and the claim only if it allows errors of more than half a step.
    """
    expected, dtype = trial.expected(call)[output], trial.case.dtype
    actual = excused(actual, expected, trial.undetermined(output))
    mismatch = compare(actual, expected, dtype, trial.bound(call, output, dtype), step=trial.step(output))
    claimed = trial.norm_bound(output, trial.error_factor) if mismatch is not None else None
    if claimed is None:
        return mismatch, None
    beyond = compare(actual, expected, dtype, claimed)
    return mismatch if beyond is not None and trial.on_lattice else beyond, claimed


def judge_absent(check: str, output: str, actual: Any) -> Result:
    """Judge the gradient of an absent bias, which must be None."""
    if actual is None:
        return Result(check, "vacuous", message="no bias, so no gradient", output=output)
    name = type_name(actual)
    message = f"{output} must be None without a bias, got {name}"
    return Result(check, "failed", "wrong type", message, "None", name, output)


def oracles_disagree(trial: Trial, call: Call, output: str) -> Mismatch | None:
    """The difference of PyTorch in float64 from the definition; None if they agree or PyTorch has no result."""
    witness = trial.witness(call)
    if witness is None:
        return None
    bound, expected = trial.bound(call, output, "f64"), trial.expected(call)[output]
    found = excused(witness[output], expected, trial.undetermined(output))
    return compare(found, expected, "f64", bound, step=trial.step(output))


def judge_direct(check: str, output: str, trial: Trial) -> Result | None:
    """Judge an output, the forward result or a gradient, on all data except special values."""
    if not trial.finite:
        return None
    return judge_output(check, output, trial)


def judge_special_values(trial: Trial) -> Result | None:
    """Judge whether NaN and infinities appear exactly where they must."""
    if trial.finite:
        return None
    return worst("special_values", (judge_special_output(check.output, trial) for check in DIRECT))


def judge_special_output(output: str, trial: Trial) -> Result | None:
    """Judge one output on data with special values."""
    if trial.error_factor is not None:
        message = "the subject has an error_factor: a transform spreads NaN and infinities over the whole image"
        return Result("special_values", "unsupported", message=message)
    if trial.operator.chooses and output != "y" and np.isnan(trial.values["x"]).any():
        # no document specifies which NaN of a window gets its gradient
        return None
    if output == "grad_bias" and "bias" not in trial.values:
        return None
    return judge_output("special_values", output, trial)


def judge_whatever_data(output: str, trial: Trial) -> Result | None:
    """Judge one output by the check that applies to its data."""
    if trial.finite:
        check = next(check.name for check in DIRECT if check.output == output)
        return judge_output(check, output, trial)
    return judge_special_output(output, trial)


def direct(output: str, *, name: str, asks: str, short: str) -> Check:
    """The check of one output."""
    judge = partial(judge_direct, name, output)
    return Check(name=name, judge=judge, oracle=DEFINITION, asks=asks, short=short, output=output, few_calls=True)


DIRECT = (
    direct("y", name="forward", asks="the result", short="fwd"),
    direct("grad_input", name="grad_input", asks="the gradient of the input", short="gi"),
    direct("grad_weight", name="grad_weight", asks="the gradient of the weight", short="gw"),
    direct("grad_bias", name="grad_bias", asks="the gradient of the bias", short="gb"),
)
SPECIAL_VALUES = Check(
    name="special_values",
    judge=judge_special_values,
    oracle=DEFINITION,
    asks="NaN and infinities where they must be, and nowhere else",
    short="special",
    few_calls=True,
)
