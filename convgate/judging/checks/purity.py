"""The check of purity: inputs do not change, results belong to the caller, and equal calls give equal results."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from convgate.cases.case import Case
from convgate.judging import purity
from convgate.judging.checks.check import IDENTITIES, Check, is_large
from convgate.judging.checks.relational import judge_relation, judge_relations
from convgate.judging.relations import Data, Function, Relation, Relations, arrays_of, turn
from convgate.judging.trial import Trial
from convgate.problems.axis import padding_as_pixels
from convgate.problems.operators import Call, Operator, Shape
from convgate.problems.problem import Problem, with_axes
from convgate.results.verdicts import Result

__all__ = ["PURITY", "kept_alone", "one_purity_relation", "other_problems", "purity_relations"]


def judge_purity(trial: Trial) -> Result | None:
    """Judge the effects of the calls on the case's own data and, on the lattice, those of other calls.

    The former are observed in every call, with any data, and are verified only if something is wrong.
    """
    for make in (trial.operator.forward, trial.operator.backward):
        if make is not None and trial.is_suspect(make(trial.problem)):
            result = judge_relation("purity", kept_alone(trial.case, make), trial)
            if result.verdict == "failed":
                return result
    return None if is_large(trial.case) else judge_relations("purity", RELATIONS, trial)


def purity_relations(case: Case) -> Iterator[Relation]:
    """The relations of purity: inputs do not change, results belong to the caller, and equal calls agree."""
    for make in (case.operator.forward, case.operator.backward):
        if make is not None:
            yield kept_alone(case, make)
            for what in other_problems(case):
                yield kept_beside(case, make, what)


def one_purity_relation(case: Case) -> Iterator[Relation]:
    """One of the relations of purity, selected by the case's seed and sizes."""
    made: list[Callable[[], Relation]] = []
    for make in (case.operator.forward, case.operator.backward):
        if make is not None:
            made.append(partial(kept_alone, case, make))
            made += [partial(kept_beside, case, make, what) for what in other_problems(case)]
    yield made[turn(case) % len(made)]()


def kept_alone(case: Case, make: Callable[[Problem], Call]) -> Relation:
    """The relation that a function keeps its inputs, its results and its answer when it is called again."""
    call = make(case.problem)
    return Relation(
        name=f"{call.function} keeps its inputs, its results and its answer",
        helper=purity.impure_alone,
        given=(Function(call, arrays_of(call)),),
        named={name: Data(name) for name in arrays_of(call)},
        symptom="",
        rounded=False,
        repeats=True,
    )


def kept_beside(case: Case, make: Callable[[Problem], Call], what: str) -> Relation:
    """The relation that a function keeps its results and its answer after a call with another problem."""
    call, others = make(case.problem), other_problems(case)[what]()
    ones = tuple(Function(make(other), ones=ones_of(case.operator, other, make(other))) for other in others)
    return Relation(
        name=f"{call.function} keeps its results and its answer beside a call with {what}",
        helper=purity.impure_beside,
        given=(Function(call, arrays_of(call)), ones),
        named={name: Data(name) for name in arrays_of(call)},
        symptom="",
        rounded=False,
        repeats=True,
        also=others,
    )


def ones_of(operator: Operator, problem: Problem, call: Call) -> dict[str, Shape]:
    """Shapes of the arrays of a call of another problem, beginning with the data array, whose dtype they have."""
    shapes = operator.shapes(problem)
    return {name: shape for name, shape in shapes.items() if name in call.arguments}


def other_problems(case: Case) -> dict[str, Callable[[], tuple[Problem, ...]]]:
    """Problems that differ from a case's in a few options, by the property of the last of them; each made on demand.

    A cache may be keyed by too few options. So one problem differs in sizes, one in the stride, one has a larger kernel
    but, if ceil_mode permits, an output of the same shape, and one has pixels instead of padding. The stride is changed
    after the sizes, because until then a cache of a single call, keyed by sizes, holds this case.
    """
    problem = case.problem

    def images() -> Problem:
        sizes = [size + (1 if side else 2) for side, size in enumerate(problem.size)]
        return with_axes(replace(problem, batch=problem.batch + 1), size=sizes)

    def longer() -> Problem:
        return with_axes(problem, stride=[stride + 1 for stride in problem.stride])

    def larger() -> Problem:
        axes = problem.axes
        return with_axes(
            problem,
            size=[axis.size + axis.dilation for axis in axes],
            kernel_size=[axis.kernel_size + 1 for axis in axes],
        )

    found: dict[str, Callable[[], tuple[Problem, ...]]] = {
        "more and larger images": lambda: (images(),),
        "a larger stride": lambda: (images(), longer()),
        "a larger kernel": lambda: (larger(),),
    }
    if any(problem.padding):
        filled = replace(problem, axes=tuple(map(padding_as_pixels, problem.axes)))
        found["pixels in place of padding"] = lambda: (filled,)
    return found


RELATIONS = Relations(purity_relations, purity_relations, one_purity_relation, any_step=True)
PURITY = Check(
    name="purity",
    judge=judge_purity,
    oracle=IDENTITIES,
    asks="inputs stay as they are, results do not change, whatever is called in between",
    short="pur",
    relations=RELATIONS,
    of_values=False,
    few_calls=True,
)
