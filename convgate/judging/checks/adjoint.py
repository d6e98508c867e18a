"""The check that the backward pass is the transpose of the forward pass."""

from collections.abc import Iterator
from dataclasses import replace

from convgate.cases.case import Case
from convgate.judging.checks.check import IDENTITIES, Check
from convgate.judging.checks.finite_difference import has_empty_windows
from convgate.judging.checks.outputs import judge_output
from convgate.judging.checks.relational import judge_relations
from convgate.judging.relations import Data, Function, Relation, Relations
from convgate.judging.trial import Trial
from convgate.oracle_list import exact_dot, identities
from convgate.problems.operators import OPERATORS
from convgate.results.verdicts import Result

__all__ = ["ADJOINT", "adjoint"]


def judge_adjoint(trial: Trial) -> Result | None:
    """Judge whether the backward pass is the transpose of the forward pass, and col2im that of im2col."""
    if not trial.on_integers:
        return None
    backward = trial.operator.backward
    lacks = backward is not None and trial.lacks(backward(trial.problem))
    if not lacks and has_empty_windows(trial):
        return Result("adjoint", "vacuous", message="a window lies wholly in padding")
    result = judge_relations("adjoint", RELATIONS, trial)
    other = trial.operator.adjoint_name
    if result is not None and result.verdict == "failed" and other:
        columns = Case(problem=replace(trial.problem, operator=other), dtype=trial.case.dtype, seed=trial.case.seed)
        forward = judge_output("forward", "y", Trial(columns, trial.subject))
        if forward is not None and forward.verdict == "failed":
            message = f"{other} itself is wrong here, so this says nothing of {trial.operator.name}"
            return Result("adjoint", "vacuous", message=message)
    return result


def adjoint(case: Case) -> Iterator[Relation]:
    """<forward(x), g> = <x, backward(g)>, in every array in which the forward pass is linear (max: homogeneous)."""
    problem, operator = case.problem, case.operator
    forward = operator.forward(problem)
    if operator.adjoint_name:
        transpose = OPERATORS[operator.adjoint_name].forward(replace(problem, operator=operator.adjoint_name))
        yield Relation(
            name="<im2col(x), columns> = <x, col2im(columns)>",
            helper=identities.adjoint_of_columns,
            given=(Function(forward), Function(transpose, ("columns",)), Data("x")),
            needs=(exact_dot,),
        )
    if operator.backward is None:
        return
    backward = operator.backward(problem)
    bias = {"bias": Data("bias")} if problem.bias else {}
    for gradient, name in operator.gradients.items():
        if name in operator.shapes(problem) and name != "bias":
            yield Relation(
                name=f"<y, grad_output> = <{name}, {gradient}>" + (" + <bias, grad_bias>" if bias else ""),
                helper=identities.adjoint_of_gradient,
                given=(
                    Function(forward),
                    Function(backward),
                    Data("grad_output"),
                    Data(name),
                    backward.outputs.index(gradient),
                ),
                named=bias,
                needs=(exact_dot,),
            )


RELATIONS = Relations(adjoint, adjoint, adjoint)
ADJOINT = Check(
    name="adjoint",
    judge=judge_adjoint,
    oracle=IDENTITIES,
    asks="backward is the transpose of forward",
    short="adj",
    relations=RELATIONS,
    subject_alone=True,
    few_calls=True,
)
