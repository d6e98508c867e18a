"""What is special among the data is told with the array that it stands in."""

import numpy as np
import pytest

from convgate.cases.case import values_of
from convgate.cases.spec import parse_spec
from convgate.diagnosis.conditions import list_conditions, met_by

CASES = [parse_spec(f"conv2d:c2h3w3o2k2+bias:special:{seed}") for seed in range(40)]


@pytest.mark.parametrize("array", ["x", "weight", "bias", "grad_output"])
def test_a_special_value_is_looked_for_in_each_array(array: str) -> None:
    found = {each.text: each.met for each in list_conditions([(case,) for case in CASES])}
    data = [values_of(case)[array] for case in CASES]
    for text, test in (("NaN", np.isnan), ("infinity", np.isinf), ("NaN or infinity", lambda each: ~np.isfinite(each))):
        met = [bool(test(each).any()) for each in data]
        assert found[f"{text} in {array}"].tolist() == met
        assert 0 < sum(met) < len(CASES)


def test_a_case_that_passes_with_several_data_has_what_any_of_them_has() -> None:
    conditions = {each.text: each.met for each in list_conditions([(CASES[0],), tuple(CASES)])}
    assert all(conditions[f"NaN in {array}"][1] for array in ("x", "weight", "grad_output"))


def test_data_that_are_plain_have_none() -> None:
    first = next(case for case in CASES if np.isnan(values_of(case)["weight"]).any())
    (met,) = met_by([["NaN in weight"]], [first, parse_spec("conv2d:c2h3w3o2k2+bias")])
    assert met is not None
    assert met.tolist() == [True, False]
