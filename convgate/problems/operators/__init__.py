"""The operators that convgate judges, one file each."""

from convgate.problems.operators.avg_pool2d import AVG_POOL2D
from convgate.problems.operators.base import Array, Arrays, Call, Operator, ResultsError, Shape, perform, source_of
from convgate.problems.operators.conv2d import CONV2D
from convgate.problems.operators.im2col import COL2IM, IM2COL
from convgate.problems.operators.max_pool2d import MAX_POOL2D
from convgate.problems.problem import Problem

__all__ = [
    "FUNCTIONS",
    "OPERATORS",
    "SEVERAL",
    "Array",
    "Arrays",
    "Call",
    "Operator",
    "ResultsError",
    "Shape",
    "perform",
    "source_of",
]

OPERATORS = {each.name: each for each in (CONV2D, AVG_POOL2D, MAX_POOL2D, IM2COL, COL2IM)}

CALLS = [
    make(Problem(operator=operator.name))
    for operator in OPERATORS.values()
    for make in (operator.forward, operator.backward)
    if make is not None
]
# The functions of the subject protocol, and those of them that return more than one result.
FUNCTIONS = tuple(call.function for call in CALLS)
SEVERAL = tuple(call.function for call in CALLS if len(call.outputs) > 1)
