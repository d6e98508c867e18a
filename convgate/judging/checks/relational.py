"""Judging relations between results of the subject itself."""

from typing import Any

import numpy as np

from convgate.judging.checks.results import is_vacuous, not_plain, raised, worst
from convgate.judging.compare import describe
from convgate.judging.norm_bound import believed, relations_may_round
from convgate.judging.relations import Recall, Relation, Relations, agree, evaluate
from convgate.judging.subjects.loader import error_factor, supports
from convgate.judging.trial import RAISED, Trial
from convgate.problems.operators import Arrays, ResultsError
from convgate.problems.plain import NotPlainError, type_name
from convgate.results.verdicts import Result

__all__ = ["can_be_asked", "judge_relation", "judge_relations"]


def judge_relation(check: str, relation: Relation, trial: Trial) -> Result:
    """Judge whether one relation holds."""
    if not can_be_asked(relation, trial):
        return Result(check, "unsupported", message=relation.name)
    arrays, recall = (trial.arrays(), None) if relation.repeats else trial.own_arrays()
    found = judge_on(check, relation, trial, arrays, recall)
    if found.verdict == "failed" and not relation.repeats and not trial.kept(arrays):
        # a call before this one has changed them
        return judge_on(check, relation, trial, trial.arrays(), None)
    return found


def can_be_asked(relation: Relation, trial: Trial) -> bool:
    """Whether a subject has the functions of a relation, and supports its other problems."""
    there = all(callable(getattr(trial.subject, name, None)) for name in relation.functions)
    return there and all(supports(trial.subject, problem) for problem in relation.also)


def judge_on(check: str, relation: Relation, trial: Trial, arrays: Arrays, recall: Recall | None) -> Result:
    """Judge whether one relation holds on the arrays of a case; the subject must have all of its functions."""
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
    """Whether the claimed normwise error of a subject can explain that a relation between integers does not hold."""
    if trial.error_factor is None:
        return False
    others = (error_factor(trial.subject, problem) for problem in relation.also)
    factor = max(trial.error_factor, *(each for each in others if each is not None), 1)
    steps = {output: trial.step(output) for output in trial.operator.terms}
    return relations_may_round(trial.problem, trial.values, trial.case.dtype, factor, steps)


def difference(actual: Any, expected: Any) -> tuple[str, str, str]:
    """The first difference between two results, in words and with both values."""
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


def judge_relations(check: str, relations: Relations, trial: Trial) -> Result | None:
    """Judge whether all relations of one kind hold on lattice data.

    Relations that move the data by a step, or add to them, need a lattice of integers; those about effects on
    arguments and about memory layout can use a lattice with any step.
    """
    if not relations.can_be_asked(trial.on_lattice, trial.on_integers):
        return None
    asked = relations.sample if trial.sampled else relations.together
    found = worst(check, (judge_relation(check, relation, trial) for relation in asked(trial.case)))
    if trial.sampled and found is not None and found.verdict == "unsupported" and not found.refused:
        # the subject does not support the other problems of this part
        found = worst(check, (judge_relation(check, relation, trial) for relation in relations.each(trial.case)))
    if found is None or found.verdict != "failed" or asked is relations.each:
        return found
    # if a single relation fails as well, it is more precise
    closer = worst(check, (judge_relation(check, relation, trial) for relation in relations.each(trial.case)))
    return closer if closer is not None and closer.verdict == "failed" else found
