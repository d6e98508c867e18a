"""impl against every oracle, on whatever Hypothesis can think of."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import impl
from convgate.cases.case import Case
from convgate.cases.spec import format_spec
from convgate.judging.checks import judge
from convgate.problems.operators import OPERATORS
from convgate.sources.strategies import cases


@pytest.mark.parametrize("operator", OPERATORS)
def test_impl_conforms(operator: str) -> None:
    """No check fails, and the oracles agree; a failing case is shrunk and shown as a spec."""

    @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data())
    def conforms(data: st.DataObject) -> None:
        case = data.draw(cases(operator))
        for result in judge(case, impl):
            assert result.verdict in {"passed", "vacuous"}, f"{format_spec(case)}: {result}"

    conforms()


@pytest.mark.parametrize("operator", OPERATORS)
def test_few_cases_are_vacuous(operator: str) -> None:
    """What is drawn mostly shows something, so a pass means something."""
    seen: list[Case] = []

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(cases(operator))
    def look(case: Case) -> None:
        seen.append(case)

    look()
    verified = sum(any(result.verdict == "passed" for result in judge(case, impl)) for case in seen)
    assert verified > 0.8 * len(seen)
