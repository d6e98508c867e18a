"""The operators that convgate judges, one file each."""

from convgate.problems.operators.avg_pool2d import AVG_POOL2D
from convgate.problems.operators.base import Array, Arrays, Call, Operator, ResultsError, Shape, perform, source_of
from convgate.problems.operators.conv2d import CONV2D
from convgate.problems.operators.im2col import COL2IM, IM2COL
from convgate.problems.operators.max_pool2d import MAX_POOL2D

__all__ = ["OPERATORS", "Array", "Arrays", "Call", "Operator", "ResultsError", "Shape", "perform", "source_of"]

OPERATORS = {each.name: each for each in (CONV2D, AVG_POOL2D, MAX_POOL2D, IM2COL, COL2IM)}
