"""The check that the memory layout of the arrays does not change results."""

from collections.abc import Iterator
from functools import partial

from convgate.cases.case import Case
from convgate.cases.lattice import step_of
from convgate.judging.checks.check import IDENTITIES, Check
from convgate.judging.checks.relational import judge_relations
from convgate.judging.relations import Data, Function, Relation, Relations, arrays_of
from convgate.oracle_list import identities
from convgate.problems.operators import Call

__all__ = ["LAYOUT", "layout", "whole_layout"]


def layout(case: Case) -> Iterator[Relation]:
    """The memory layout of the arrays does not change results: a relation for each output."""
    what = case.laid_out or "arrays"
    for call in calls_laid_out(case):
        for output in outputs_of(case, call):
            yield Relation(
                name=f"{output} of {case.layout} {what} = {output} of contiguous {what}",
                helper=identities.row_major,
                given=(Function(call, arrays_of(call), output), (unit(case, output),), *map(Data, arrays_of(call))),
            )


def whole_layout(case: Case) -> Iterator[Relation]:
    """The memory layout does not change results: a relation for all outputs of a call."""
    what = case.laid_out or "arrays"
    for call in calls_laid_out(case):
        units = tuple(unit(case, output) for output in outputs_of(case, call))
        yield Relation(
            name=f"{call.function} of {case.layout} {what} = {call.function} of contiguous {what}",
            helper=identities.row_major,
            given=(Function(call, arrays_of(call)), units, *map(Data, arrays_of(call))),
        )


def calls_laid_out(case: Case) -> Iterator[Call]:
    """The calls that take an array with an unusual layout."""
    if case.layout != "contiguous":
        for make in (case.operator.forward, case.operator.backward):
            if make is not None and (not case.laid_out or case.laid_out in make(case.problem).arguments):
                yield make(case.problem)


def outputs_of(case: Case, call: Call) -> tuple[str, ...]:
    """The outputs of a call, without the gradient of an absent bias."""
    return tuple(output for output in call.outputs if output != "grad_bias" or case.problem.bias)


def unit(case: Case, output: str) -> float:
    """The reciprocal of the lattice step of an output, by which both sides are multiplied and rounded to integers."""
    return 2.0 ** -step_of(case.operator, case.dtype, case.fill, output)


RELATIONS = Relations(layout, whole_layout, whole_layout, any_step=True)
LAYOUT = Check(
    name="layout",
    judge=partial(judge_relations, "layout", RELATIONS),
    oracle=IDENTITIES,
    asks="the same whatever the layout in memory",
    short="lay",
    relations=RELATIONS,
    of_values=False,
)
