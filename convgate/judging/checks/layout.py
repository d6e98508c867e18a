"""The layout of the arrays in memory does not matter."""

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
    """The layout of the arrays in memory does not matter."""
    what = case.laid_out or "arrays"
    for call in calls_laid_out(case):
        for output in outputs_of(case, call):
            yield Relation(
                name=f"{output} of {case.layout} {what} = {output} of contiguous {what}",
                helper=identities.row_major,
                given=(Function(call, arrays_of(call), output), (unit(case, output),), *map(Data, arrays_of(call))),
            )


def whole_layout(case: Case) -> Iterator[Relation]:
    """All outputs of a call at once."""
    what = case.laid_out or "arrays"
    for call in calls_laid_out(case):
        units = tuple(unit(case, output) for output in outputs_of(case, call))
        yield Relation(
            name=f"{call.function} of {case.layout} {what} = {call.function} of contiguous {what}",
            helper=identities.row_major,
            given=(Function(call, arrays_of(call)), units, *map(Data, arrays_of(call))),
        )


def calls_laid_out(case: Case) -> Iterator[Call]:
    """The calls that take an array whose layout is not the usual one."""
    if case.layout != "contiguous":
        for make in (case.operator.forward, case.operator.backward):
            if make is not None and (not case.laid_out or case.laid_out in make(case.problem).arguments):
                yield make(case.problem)


def outputs_of(case: Case, call: Call) -> tuple[str, ...]:
    """The outputs of a call; without a bias it has no gradient."""
    return tuple(output for output in call.outputs if output != "grad_bias" or case.problem.bias)


def unit(case: Case, output: str) -> float:
    """The unit of the lattice of an output, inverted: in these units both sides are rounded to integers."""
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
