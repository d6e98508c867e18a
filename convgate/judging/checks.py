"""The checks: each looks at one trial and says what it found."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from convgate.cases.case import Case, broken_rule, invalid_calls
from convgate.judging.compare import Mismatch, compare, describe
from convgate.judging.determined import excused
from convgate.judging.norm_bound import NormBound, believed, relations_may_round
from convgate.judging.relations import (
    Recall,
    Relation,
    Relations,
    adjoint,
    agree,
    all_differences,
    evaluate,
    finite_differences,
    identity,
    kept_alone,
    layout,
    one_identity,
    one_purity_relation,
    purity_relations,
    whole_layout,
)
from convgate.judging.subjects.loader import error_factor, supports
from convgate.judging.trial import RAISED, Trial
from convgate.oracle_list import Certified, finite_difference
from convgate.problems.operators import Array, Arrays, Call, ResultsError
from convgate.problems.plain import NotPlainError, type_name
from convgate.results.text import cut
from convgate.results.verdicts import OUTPUTS, Result, primary_failure

__all__ = ["CHECKS", "RELATIONS", "judge", "judge_trial", "judge_whatever_data"]

# A result that is too small by this share must not pass by what a subject claims: otherwise the claim was judged, and
# not the result.
NOTICED = Fraction(1, 100)
# Of what a subject says.
MOST_CHARACTERS = 2_000


def raised(check: str, error: BaseException, *, output: str = "", relation: str = "") -> Result:
    """A subject raised on a valid problem."""
    name = type(error).__name__
    try:
        text = " ".join(str(error).split()).encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    except RAISED:
        text = ""
    message = f"raised {name}: {cut(text, MOST_CHARACTERS)}" if text else f"raised {name}"
    return Result(
        check, "failed", "raised", message, expected="a result", actual=name, output=output, relation=relation
    )


def not_plain(check: str, error: Exception, *, output: str = "", relation: str = "") -> Result:
    """A subject returned something else than arrays of NumPy's own of the right dtype, or not as many."""
    symptom, _, text = str(error).partition(": ")
    message = f"{relation}: {text}" if relation else text
    return Result(check, "failed", symptom, message, "ndarray", text, output, relation=relation)


def judge_output(check: str, output: str, trial: Trial) -> Result | None:
    """Compare one output of the subject with the definition, once PyTorch agrees with that."""
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
    # what it is, no oracle needs to be asked
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
    """Whether a result that is too small everywhere, by as much as must be noticed, would be within the bound."""
    indices = np.ndindex(expected.shape)
    return all(NOTICED * abs(exactly(expected, index)) <= claimed.at(index) for index in indices)


def exactly(numbers: Certified | Array, index: tuple[int, ...]) -> Fraction:
    """One entry as an exact number."""
    return numbers[index] if isinstance(numbers, Certified) else Fraction(numbers.item(index))


def judge_values(trial: Trial, call: Call, output: str, actual: Any) -> tuple[Mismatch | None, NormBound | None]:
    """How an output differs from the definition, and the bound that the subject claims, if it was judged by that.

    It is where the subject is not as exact as one that adds up the products of the definition. On the lattice the
    nearest integers decide, and the claim only where it allows for errors of more than half a step.
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
    """Without a bias its gradient is None."""
    if actual is None:
        return Result(check, "vacuous", message="no bias, so no gradient", output=output)
    name = type_name(actual)
    message = f"{output} must be None without a bias, got {name}"
    return Result(check, "failed", "wrong type", message, "None", name, output)


def oracles_disagree(trial: Trial, call: Call, output: str) -> Mismatch | None:
    """How PyTorch in float64 differs from the definition; None if it does not, or has no opinion."""
    witness = trial.witness(call)
    if witness is None:
        return None
    bound, expected = trial.bound(call, output, "f64"), trial.expected(call)[output]
    found = excused(witness[output], expected, trial.undetermined(output))
    return compare(found, expected, "f64", bound, step=trial.step(output))


def is_vacuous(expected: Certified | Array) -> bool:
    """Whether there is nothing to see: no entries, or all zero."""
    return not np.asarray(expected).any()


def judge_direct(check: str, trial: Trial) -> Result | None:
    """Forward and each gradient, on data of every kind but special values."""
    if not trial.finite:
        return None
    return judge_output(check, OUTPUTS[check], trial)


def judge_special_values(trial: Trial) -> Result | None:
    """NaN and infinities appear where they must and nowhere else."""
    if trial.finite:
        return None
    return summary("special_values", (judge_special_output(output, trial) for output in OUTPUTS.values()))


def judge_special_output(output: str, trial: Trial) -> Result | None:
    """One output, on data with special values."""
    if trial.error_factor is not None:
        message = "the subject has an error_factor: a transform spreads NaN and infinities over the whole image"
        return Result("special_values", "unsupported", message=message)
    if trial.operator.name == "max_pool2d" and output != "y" and np.isnan(trial.values["x"]).any():
        # which NaN of a window takes its gradient is a convention that no document fixes
        return None
    if output == "grad_bias" and "bias" not in trial.values:
        return None
    return judge_output("special_values", output, trial)


def judge_whatever_data(output: str, trial: Trial) -> Result | None:
    """One output, by the check that the data are for."""
    if trial.finite:
        check = next(check for check, each in OUTPUTS.items() if each == output)
        return judge_output(check, output, trial)
    return judge_special_output(output, trial)


def summary(check: str, results: Iterable[Result | None]) -> Result | None:
    """The worst of several results of one check: the first failure, or a pass if one passed."""
    found = []
    for result in results:
        if result is None:
            continue
        if result.verdict in {"failed", "oracles_disagree"}:
            return result
        found.append(result)
    for verdict in ("passed", "vacuous", "unsupported"):
        for result in found:
            if result.verdict == verdict:
                return Result(
                    check,
                    verdict,
                    message=result.message,
                    factor=max((each.factor for each in found if each.factor is not None), default=None),
                    claim=max((each.claim for each in found if each.claim is not None), default=None),
                    refused=any(each.refused for each in found),
                    one_oracle=any(each.one_oracle for each in found),
                )
    return None


def judge_relation(check: str, relation: Relation, trial: Trial) -> Result:
    """Whether one relation holds."""
    there = all(callable(getattr(trial.subject, name, None)) for name in relation.functions)
    if not there or not all(supports(trial.subject, problem) for problem in relation.also):
        return Result(check, "unsupported", message=relation.name)
    arrays, recall = (trial.arrays(), None) if relation.repeats else trial.own_arrays()
    found = judge_on(check, relation, trial, arrays, recall)
    if found.verdict == "failed" and not relation.repeats and not trial.kept(arrays):
        # a call before this one has changed them
        return judge_on(check, relation, trial, trial.arrays(), None)
    return found


def judge_on(check: str, relation: Relation, trial: Trial, arrays: Arrays, recall: Recall | None) -> Result:
    """Whether one relation, all of whose functions are there, holds on the arrays of a case."""
    try:
        actual, expected = evaluate(relation, trial.subject, arrays, recall)
        same = agree(actual, expected, rounded=relation.rounded)
        message, is_, must_be = ("", "", "") if same else difference(actual, expected)
    except NotImplementedError:
        return Result(check, "unsupported", message=relation.name, refused=True)
    except (NotPlainError, ResultsError) as error:
        return not_plain(check, error, relation=relation.name)
    except RAISED as error:
        return raised(check, error, relation=relation.name)
    if not same and not relation.symptom:
        symptom, _, details = actual.partition(": ")
        text = f"{relation.name}: {details}"
        return Result(check, "failed", symptom, text, expected, details, relation=relation.name)
    if not same and relation.rounded and rounding_explains(relation, trial):
        message = f"{relation.name}: the subject's error_factor leaves room for half a step"
        factor = believed(trial.problem, trial.error_factor) if trial.error_factor is not None else None
        return Result(check, "vacuous", message=message, factor=factor, claim=trial.error_factor)
    if not same:
        text = f"{relation.name}: {message}"
        return Result(check, "failed", relation.symptom, text, must_be, is_, relation=relation.name)
    nothing = any(not array.size for array in trial.values.values())
    empty = is_vacuous(np.asarray(expected)) if relation.rounded else nothing
    return Result(check, "vacuous" if empty else "passed", message=relation.name)


def rounding_explains(relation: Relation, trial: Trial) -> bool:
    """Whether a subject that is accurate in norm may break a relation between integers."""
    if trial.error_factor is None:
        return False
    others = (error_factor(trial.subject, problem) for problem in relation.also)
    factor = max(trial.error_factor, *(each for each in others if each is not None), 1)
    steps = {output: trial.step(output) for output in trial.operator.terms}
    return relations_may_round(trial.problem, trial.values, trial.case.dtype, factor, steps)


def difference(actual: Any, expected: Any) -> tuple[str, str, str]:
    """In words, and both values, where two results first differ."""
    left, right = np.asarray(actual), np.asarray(expected)
    if not {type(actual), type(expected)} <= {np.ndarray, int, str}:
        is_, must_be = type_name(actual), type_name(expected)
        return f"types {is_} and {must_be} cannot be compared", is_, must_be
    if left.shape != right.shape:
        return f"shapes {left.shape} and {right.shape} differ", str(left.shape), str(right.shape)
    if not left.shape:
        return f"must be {describe(right[()])}, got {describe(left[()])}", describe(left[()]), describe(right[()])
    both_nan = (left != left) & (right != right)  # noqa: PLR0124 - isnan has no integers of Python's
    different = (left != right) & ~both_nan
    index = tuple(int(i) for i in np.argwhere(different)[0])
    is_, must_be = describe(left[index]), describe(right[index])
    return f"[{','.join(map(str, index))}] must be {must_be}, got {is_}", is_, must_be


def judge_relations(check: str, trial: Trial) -> Result | None:
    """Whether all relations of one kind hold, on lattice data.

    Those that move the data by a step, or add to them, ask for a lattice of integers; what a function does to its
    arguments, and where these lie in memory, can be asked on a lattice of any step.
    """
    if not (trial.on_lattice if check in {"layout", "purity"} else trial.on_integers):
        return None
    relations = RELATIONS[check]
    asked = relations.sample if trial.sampled else relations.together
    found = summary(check, (judge_relation(check, relation, trial) for relation in asked(trial.case)))
    if trial.sampled and found is not None and found.verdict == "unsupported" and not found.refused:
        # the subject is not for the other problems of this part
        found = summary(check, (judge_relation(check, relation, trial) for relation in relations.each(trial.case)))
    if found is None or found.verdict != "failed" or asked is relations.each:
        return found
    # one of these says more precisely what is wrong, if it fails as well
    closer = summary(check, (judge_relation(check, relation, trial) for relation in relations.each(trial.case)))
    return closer if closer is not None and closer.verdict == "failed" else found


def judge_purity(trial: Trial) -> Result | None:
    """What the calls on the case's own data do to these and to their results; and on the lattice, what others do.

    The first is seen at every call, whatever the data, and is made sure of only where something is wrong with it.
    """
    for make in (trial.operator.forward, trial.operator.backward):
        if make is not None and trial.is_suspect(make(trial.problem)):
            result = judge_relation("purity", kept_alone(trial.case, make), trial)
            if result.verdict == "failed":
                return result
    return None if is_large(trial.case) else judge_relations("purity", trial)


def has_empty_windows(trial: Trial) -> bool:
    """Whether a window of a max pool lies wholly in padding, where finite data give minus infinity."""
    if trial.operator.name != "max_pool2d":
        return False
    y = trial.expected(trial.operator.forward(trial.problem))["y"]
    return not np.isfinite(np.asarray(y)).all()


def judge_finite_difference(trial: Trial) -> Result | None:
    """Gradients against exact central differences."""
    if not trial.on_integers or trial.operator.backward is None:
        return None
    if trial.operator.name == "max_pool2d" and not trial.lacks(trial.operator.backward(trial.problem)):
        options: dict[str, Any] = dict(trial.operator.forward(trial.problem).options)
        try:
            finite_difference.require_max_differentiable(
                trial.values["x"], trial.problem.kernel_size, **options, step=1
            )
        except finite_difference.NotDifferentiableError as refusal:
            return Result("finite_difference", "vacuous", message=str(refusal))
        if has_empty_windows(trial):
            return Result("finite_difference", "vacuous", message="a window lies wholly in padding")
    return judge_relations("finite_difference", trial)


def judge_adjoint(trial: Trial) -> Result | None:
    """The backward pass is the transpose of the forward pass, and col2im of im2col."""
    if not trial.on_integers:
        return None
    backward = trial.operator.backward
    lacks = backward is not None and trial.lacks(backward(trial.problem))
    if not lacks and has_empty_windows(trial):
        return Result("adjoint", "vacuous", message="a window lies wholly in padding")
    result = judge_relations("adjoint", trial)
    if result is not None and result.verdict == "failed" and trial.operator.name == "im2col":
        columns = Case(problem=replace(trial.problem, operator="col2im"), dtype=trial.case.dtype, seed=trial.case.seed)
        if primary_failure(judge(columns, trial.subject, ["forward"])) is not None:
            return Result("adjoint", "vacuous", message="col2im itself is wrong here, so this says nothing of im2col")
    return result


def judge_invalid_arguments(trial: Trial) -> Result | None:
    """What breaks a rule is rejected with ValueError or TypeError, by the forward and by the backward function."""
    return summary("invalid_arguments", (judge_rejection(call, trial) for call in invalid_calls(trial.case)))


def judge_rejection(call: Call, trial: Trial) -> Result:
    """The same of one call; the message starts with the rule."""
    outcome = trial.outcome(call)
    check, output = "invalid_arguments", call.outputs[0]
    if outcome.missing:
        return Result(check, "unsupported", output=output)
    if isinstance(outcome.error, ValueError | TypeError):
        return Result(check, "passed", output=output)
    must_be = "ValueError or TypeError"
    text = f"{trial.rule}: {call.function} must raise {must_be}"
    if outcome.error is not None:
        name = type(outcome.error).__name__
        return Result(check, "failed", "raised", f"{text}, got {name}", must_be, name, output)
    return Result(check, "failed", "accepted invalid", text, must_be, "a result", output)


# Checks that ask for relations, and the relations they ask for.
RELATIONS: dict[str, Relations] = {
    "finite_difference": Relations(finite_differences, all_differences, all_differences),
    "adjoint": Relations(adjoint, adjoint, adjoint),
    "identity": Relations(identity, identity, one_identity),
    "layout": Relations(layout, whole_layout, whole_layout),
    "purity": Relations(purity_relations, purity_relations, one_purity_relation),
}

# In the order of blame: what a check finds explains what the later ones find on the same case.
CHECKS: dict[str, Callable[[Trial], Result | None]] = {
    **{check: partial(judge_direct, check) for check in OUTPUTS},
    "special_values": judge_special_values,
    "purity": judge_purity,
    "finite_difference": judge_finite_difference,
    "adjoint": judge_adjoint,
    "identity": partial(judge_relations, "identity"),
    "layout": partial(judge_relations, "layout"),
    "invalid_arguments": judge_invalid_arguments,
}


# Terms of a forward pass beyond which more calls of the subject cost more than they tell: what they look for does not
# need large data, and is seen on small ones.
MOST_RELATION_WORK = 50_000
# On large cases these are left: what the calls on the case's own data show.
CHEAP = frozenset({*OUTPUTS, "special_values", "purity", "adjoint", "invalid_arguments"})


def is_large(case: Case) -> bool:
    """Whether a valid case is one of much work."""
    return broken_rule(case) is None and case.operator.work(case.problem) > MOST_RELATION_WORK


def checks_for(case: Case) -> frozenset[str]:
    """The checks that a case is worth: all, but on a large one only those that make few calls."""
    large = is_large(case)
    return CHEAP if large else frozenset(CHECKS)


def judge(case: Case, subject: Any, checks: Iterable[str] = tuple(CHECKS)) -> tuple[Result, ...]:
    """Run the checks that apply to a case.

    Parameters
    ----------
    case : Case
        With an invalid problem only the check of invalid arguments applies, otherwise all others.
    subject : Any
        A module or object with the functions of the subject protocol.
    checks : iterable of str
        Names of checks, of which those that apply and that the case is worth are run.

    Returns
    -------
    tuple of Result
        In the order of `CHECKS`.
    """
    return judge_trial(Trial(case, subject), checks)


def judge_trial(trial: Trial, checks: Iterable[str] = tuple(CHECKS)) -> tuple[Result, ...]:
    """Run the checks that apply to a trial's case, as `judge` does."""
    asked = checks_for(trial.case).intersection(checks)
    results = []
    for name, check in CHECKS.items():
        if name in asked and (name == "invalid_arguments") == (trial.rule is not None):
            result = check(trial)
            if result is not None:
                results.append(result)
    return tuple(results)
