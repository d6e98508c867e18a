"""The usual test: a few shapes, random numbers and `allclose` with PyTorch, as a baseline for the gate."""

from typing import Any

import numpy as np

from convgate.cases.case import Case, array_shapes
from convgate.cases.spec import parse_spec
from convgate.judging.trial import RAISED
from convgate.oracle_list import torch_oracle
from convgate.problems.operators import OPERATORS, perform

__all__ = ["found_by_the_usual_test"]

# Compared in float32, with typical tolerances.
RTOL, ATOL = 1e-4, 1e-5


def found_by_the_usual_test(operator: str, subject: Any) -> bool:
    """Whether the usual test fails on a subject: it raises, or a shape or value is wrong."""
    cases = [parse_spec(f"{operator}:{shape}:f32") for shape in OPERATORS[operator].usual_test]
    return not all(close(case, subject, seed) for seed, case in enumerate(cases))


def close(case: Case, subject: Any, seed: int) -> bool:
    """Whether forward and backward are close to PyTorch's."""
    problem, operator = case.problem, case.operator
    random = np.random.default_rng(seed)
    arrays = {name: random.standard_normal(shape).astype("f4") for name, shape in array_shapes(problem).items()}
    calls = [operator.forward(problem)]
    if operator.backward is not None:
        calls.append(operator.backward(problem))
    for call in calls:
        try:
            with np.errstate(all="ignore"):
                found = perform(subject, call, {name: array.copy() for name, array in arrays.items()})
            expected = perform(torch_oracle(), call, arrays)
            for name, array in expected.items():
                same = found[name] is None if array is None else alike(found[name], array)
                if not same:
                    return False
        except RAISED:
            return False
    return True


def alike(found: Any, expected: np.ndarray[Any, Any]) -> bool:
    """Whether two arrays have the same shape and are close."""
    return np.shape(found) == expected.shape and np.allclose(found, expected, rtol=RTOL, atol=ATOL)
