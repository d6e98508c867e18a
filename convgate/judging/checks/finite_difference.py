"""The check that compares gradients with exact central differences of the forward pass."""

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from convgate.cases.case import Case
from convgate.judging.checks.check import DIFFERENCES, Check
from convgate.judging.checks.relational import judge_relations
from convgate.judging.relations import Data, Function, Relation, Relations
from convgate.judging.trial import Trial
from convgate.oracle_list import exact_dot, finite_difference
from convgate.problems.operators import Call, Operator
from convgate.problems.problem import Problem
from convgate.results.verdicts import Result

__all__ = ["FINITE_DIFFERENCE", "all_differences", "finite_differences", "has_empty_windows"]

# Jacobians need 2 * inputs + outputs images, so they are checked only up to this many inputs and outputs.
MOST_BASIS_VECTORS = 24


def has_empty_windows(trial: Trial) -> bool:
    """Whether a window of a max pool lies wholly in padding, where finite data give minus infinity."""
    if not trial.operator.chooses:
        return False
    y = trial.expected(trial.operator.forward(trial.problem))["y"]
    return not np.isfinite(np.asarray(y)).all()


def judge_finite_difference(trial: Trial) -> Result | None:
    """Compare gradients with exact central differences."""
    if not trial.on_integers or trial.operator.backward is None:
        return None
    if trial.operator.chooses and not trial.lacks(trial.operator.backward(trial.problem)):
        options: dict[str, Any] = {"kernel_size": trial.problem.kernel_size}
        options |= trial.operator.forward(trial.problem).options
        try:
            finite_difference.require_max_differentiable(trial.values["x"], **options, step=1)
        except finite_difference.NotDifferentiableError as refusal:
            return Result("finite_difference", "vacuous", message=str(refusal))
        if has_empty_windows(trial):
            return Result("finite_difference", "vacuous", message="a window lies wholly in padding")
    return judge_relations("finite_difference", RELATIONS, trial)


def finite_differences(case: Case) -> Iterator[Relation]:
    """Each gradient equals central differences of the forward pass: exact on the lattice with a step of one quantum."""
    for name in differentiated(case):
        yield central_difference(case, (name,))
    yield from jacobians(case)


def all_differences(case: Case) -> Iterator[Relation]:
    """All gradients in one relation: if all arrays of a bilinear function move at once, only even terms cancel."""
    names = differentiated(case)
    if names:
        yield central_difference(case, names)
    yield from jacobians(case)


def differentiated(case: Case) -> tuple[str, ...]:
    """The arrays that have gradients."""
    if case.operator.backward is None:
        return ()
    arrays = case.operator.shapes(case.problem)
    return tuple(name for name in case.operator.gradients.values() if name in arrays)


def central_difference(case: Case, names: tuple[str, ...]) -> Relation:
    """The relation for the gradients with respect to some arrays, along a random direction of each."""
    problem, operator = case.problem, case.operator
    forward, backward = operator.forward(problem), backward_of(operator, problem)
    outputs = tuple(backward.outputs.index(output) for output, name in operator.gradients.items() if name in names)
    gradients = [output for output, name in operator.gradients.items() if name in names]
    along = f"along {names[0]} = 2 * step * <{gradients[0]}, direction>"
    return Relation(
        name="central difference of <y, grad_output> "
        + (along if len(names) == 1 else "= 2 * step * <gradients, directions>"),
        helper=finite_difference.central_difference,
        given=(
            Function(forward, names, "y"),
            Function(backward),
            tuple(map(Data, names)),
            Data("grad_output"),
            outputs,
            operator.quantum(problem),
            case.seed,
        ),
        needs=(exact_dot, finite_difference.random_direction),
    )


def backward_of(operator: Operator, problem: Problem) -> Call:
    """The backward call of an operator that has one."""
    if operator.backward is None:
        raise ValueError(f"{operator.name} has no backward function")
    return operator.backward(problem)


def jacobians(case: Case) -> Iterator[Relation]:
    """The whole Jacobian with respect to x, if it needs few basis vectors."""
    problem, operator = case.problem, case.operator
    if operator.backward is None or not problem.batch:
        return
    arrays = operator.shapes(problem)
    inputs, outputs = prod(arrays["x"][1:]), prod(arrays["grad_output"][1:])
    if max(inputs, outputs) <= MOST_BASIS_VECTORS:
        yield Relation(
            name="Jacobian by central differences = Jacobian by the backward pass",
            helper=finite_difference.jacobians,
            given=(
                Function(operator.forward(problem), ("x",), "y"),
                Function(operator.backward(problem), ("grad_output", "x"), "grad_input"),
                Data("x"),
                Data("grad_output"),
                operator.quantum(problem),
            ),
            needs=(finite_difference.forward_jacobian, finite_difference.backward_jacobian),
            also=tuple(replace(problem, batch=batch) for batch in (2 * inputs, outputs)),
        )


RELATIONS = Relations(finite_differences, all_differences, all_differences)
FINITE_DIFFERENCE = Check(
    name="finite_difference",
    judge=judge_finite_difference,
    oracle=DIFFERENCES,
    asks="gradients against differences of the results",
    short="fd",
    relations=RELATIONS,
    subject_alone=True,
)
