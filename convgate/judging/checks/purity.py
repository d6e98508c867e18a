"""Inputs stay as they are, results belong to the caller, and the same call gives the same result."""

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
    """What the calls on the case's own data do to these and to their results; and on the lattice, what others do.

    The first is seen at every call, whatever the data, and is made sure of only where something is wrong with it.
    """
    for make in (trial.operator.forward, trial.operator.backward):
        if make is not None and trial.is_suspect(make(trial.problem)):
            result = judge_relation("purity", kept_alone(trial.case, make), trial)
            if result.verdict == "failed":
                return result
    return None if is_large(trial.case) else judge_relations("purity", RELATIONS, trial)


def purity_relations(case: Case) -> Iterator[Relation]:
    """Inputs stay as they are, results belong to the caller, and the same call gives the same result."""
    for make in (case.operator.forward, case.operator.backward):
        if make is not None:
            yield kept_alone(case, make)
            for what in other_problems(case):
                yield kept_beside(case, make, what)


def one_purity_relation(case: Case) -> Iterator[Relation]:
    """One of these, which the case's seed and sizes choose."""
    made: list[Callable[[], Relation]] = []
    for make in (case.operator.forward, case.operator.backward):
        if make is not None:
            made.append(partial(kept_alone, case, make))
            made += [partial(kept_beside, case, make, what) for what in other_problems(case)]
    yield made[turn(case) % len(made)]()


def kept_alone(case: Case, make: Callable[[Problem], Call]) -> Relation:
    """What a call keeps when it is made again."""
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
    """What a call keeps when another problem comes in between."""
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
    """Shapes of the arrays that a call of another problem takes, the data first, whose dtype they have."""
    shapes = operator.shapes(problem)
    return {name: shape for name, shape in shapes.items() if name in call.arguments}


def other_problems(case: Case) -> dict[str, Callable[[], tuple[Problem, ...]]]:
    """Problems that are like a case's but for a few options, by what the last of them has; each made when asked for.

    What a subject keeps from one call to the next it may find again by too few options: so one problem differs in
    sizes, one in the stride, one has a larger kernel but, where ceil_mode lets it, an output of the same shape, and one
    has pixels where this one has padding. The stride is changed after the sizes, as what is kept of a single call,
    and found by its sizes, is this case's until then.
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
