"""The ways that are compared test one subject, the times add up, and the page holds what its command makes."""

import json
import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rates
import throughput
from click.testing import CliRunner
from pages import filled

import impl
from convgate.cases.case import Case
from convgate.cases.spec import format_spec, parse_spec
from convgate.judging.checks import CHECKS, judge
from convgate.problems.axis import make_axes
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem, with_axes
from convgate.run.shards import Shard

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FIGURES: dict[str, Any] = json.loads((DOCS / "throughput.json").read_text(encoding="utf-8"))

SMALL = {
    name: Case(
        problem=Problem(operator=name, channels=2, axes=make_axes(size=(4, 3), kernel_size=(2, 2), stride=(2, 1)))
    )
    for name in OPERATORS
}
TRANSPOSED = {"im2col": "col2im", "col2im": "im2col"}


def with_wrong(function: str) -> SimpleNamespace:
    """Our implementation, one function of which gives results that are too large by a half and one."""
    usual = {name: getattr(impl, name) for name in impl.__all__ if callable(getattr(impl, name))}

    def wrong(*arguments: Any, **options: Any) -> Any:
        result = usual[function](*arguments, **options)
        if isinstance(result, tuple):
            return tuple(None if each is None else each * 1.5 + 1 for each in result)
        return result * 1.5 + 1

    return SimpleNamespace(**usual | {function: wrong})


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("way", rates.WAYS)
def test_every_way_passes_what_is_right_and_sees_wrong_gradients(
    way: str, operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = SMALL[operator]
    rates.WAYS[way]([case])
    backward = OPERATORS[operator].backward
    gradient = TRANSPOSED[operator] if backward is None else backward(case.problem).function
    if backward is None and way == "the gate, all checks":
        gradient = operator  # the other one is an operator of its own, and is judged as such
    monkeypatch.setattr(rates, "impl", with_wrong(gradient))
    with pytest.raises((AssertionError, RuntimeError, ExceptionGroup)):
        rates.WAYS[way]([case])


def test_only_problems_on_which_all_ways_have_an_opinion_are_compared() -> None:
    case = SMALL["max_pool2d"]
    assert rates.fits_all(case)
    assert not rates.fits_all(replace(case, fill="special"))
    assert not rates.fits_all(replace(case, problem=replace(case.problem, batch=0)))
    assert not rates.fits_all(replace(case, problem=with_axes(case.problem, padding=(2, 2))))
    alone = with_axes(case.problem, size=(1, 1), kernel_size=(2, 2), padding=(1, 1), dilation=(2, 2))
    assert not rates.fits_all(replace(case, problem=alone))  # its window sees padding alone


def test_a_sample_takes_every_kth_case_and_shard_of_each_operator() -> None:
    given = [Shard("conv2d", specs=tuple(f"{part}-{i}" for i in range(25))) for part in range(4)]
    drawn = [Shard(name, part=part, count=25) for name in ("conv2d", "im2col") for part in range(4)]
    found = rates.sampled([*given, *drawn], 100)
    assert Counter(shard.operator for shard in found if not shard.specs) == {"conv2d": 2, "im2col": 2}
    specs = [spec for shard in found for spec in shard.specs]
    assert specs == [spec for shard in given for spec in shard.specs][::3]
    assert rates.sampled([*given, *drawn], 10**6) == [*given, *drawn]


@pytest.mark.parametrize(
    ("names", "who"),
    [
        (["numpy.linalg", "impl.conv", "oracles.finite_difference", "convgate.judging.checks"], "the subject"),
        (["torch.nn", "oracles.torch_oracle", "convgate.judging.trial"], "PyTorch"),
        (["oracles.definition", "convgate.judging.trial"], "the definition"),
        (["oracles.exact", "oracles.identities", "convgate.judging.relations"], "finite differences and identities"),
        (["oracles.exact", "convgate.judging.trial"], "the engine"),
        (["implicit", "convgate.judging.checks"], "the engine"),
    ],
)
def test_time_belongs_to_the_innermost_code_that_is_listed(names: list[str], who: str) -> None:
    assert rates.callee(iter(names)) == who


def test_it_is_seen_which_check_is_at_work_in_whose_code_and_the_checks_stay_as_they_were() -> None:
    before, seen, start = dict(CHECKS), Counter[tuple[str, str]](), time.process_time()
    with rates.looked_at(seen):
        # for as long as it takes until each has been at work at one of the moments
        while (spent := time.process_time() - start) < 0.4 or (spent < 10 and not seen_all(seen)):
            judge(SMALL["conv2d"], impl)
    assert before == dict(CHECKS)
    checks, callees = ({pair[i] for pair in seen} for i in (0, 1))
    assert {"purity", "identity"} < checks <= {"", *CHECKS}
    assert {"the subject", "the engine"} < callees <= set(rates.CALLEES)


def seen_all(seen: Counter[tuple[str, str]]) -> bool:
    checks, callees = ({pair[i] for pair in seen} for i in (0, 1))
    return {"purity", "identity"} <= checks and {"the subject", "the engine"} <= callees


def test_rates_count_every_case_and_refuse_to_time_what_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    shards = [Shard(name, specs=(format_spec(case),)) for name, case in SMALL.items()]
    monkeypatch.setattr(rates, "warm_up", lambda: None)
    assert {name: found[0] for name, found in rates.rates(shards).items()} == dict.fromkeys(SMALL, 1)
    monkeypatch.setattr("convgate.run.tasks.load_subject", lambda _: with_wrong("conv2d"))
    with pytest.raises(RuntimeError, match="measure what conforms"):
        rates.rates(shards)


def test_large_cases_stop_before_one_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "warm_up", lambda _: None)
    (first,) = rates.large("0")
    assert first[0] == OPERATORS["conv2d"].work(rates.large_case(*rates.LARGE[10**4]).problem)


def test_large_cases_have_about_as_many_products_as_they_are_named_for() -> None:
    for products, (channels, size) in rates.LARGE.items():
        assert 0.9 < OPERATORS["conv2d"].work(rates.large_case(channels, size).problem) / products < 1.1


def test_a_run_replaces_the_one_of_its_label_and_leaves_the_others() -> None:
    figures = {"problems": ["a"], "runs": [{"label": "before", "n": 1}, {"label": "after", "n": 2}]}
    found = throughput.with_run(figures, {"label": "before", "n": 3})
    assert found == {"problems": ["a"], "runs": [{"label": "before", "n": 3}, {"label": "after", "n": 2}]}
    assert throughput.labels_of(throughput.with_run(found, {"label": "later"})["runs"]) == ["before", "after", "later"]


def test_totals_are_medians_over_processes_and_sums_over_operators() -> None:
    processes = [{"a": (10, cpu, 1.0), "b": (30, 1.0, wall)} for cpu, wall in ((1.0, 3.0), (7.0, 5.0), (3.0, 4.0))]
    found = throughput.totals(processes)
    assert found == {"a": [10, 3.0, 1.0], "b": [30, 1.0, 4.0], throughput.ALL: [40, 4.0, 5.0]}
    assert throughput.per_second(found[throughput.ALL]) == ("10", "8")


def test_the_figures_are_of_all_operators_and_ways_and_the_shares_are_whole() -> None:
    assert all(rates.fits_all(parse_spec(spec)) for spec in FIGURES["problems"])
    for run in FIGURES["runs"]:
        assert list(run["rates"]) == list(run["plans"]) == list(throughput.FULL.most)
        for processes in (*run["rates"].values(), run["beside"]):
            assert len(processes) == throughput.FULL.processes
            assert all(list(process) == list(OPERATORS) for process in processes)
        assert all(list(ways) == list(rates.WAYS) for process in run["beside"] for ways in process.values())
        numbers = {name: ways[way][0] for name, ways in run["beside"][0].items() for way in ways}
        assert numbers == Counter(parse_spec(spec).problem.operator for spec in FIGURES["problems"])
        by_check = throughput.shares_of(run, lambda check, _: check)
        assert set(by_check) <= {"", *CHECKS}
        assert by_check.total() == throughput.shares_of(run, lambda _, who: who).total() > 100


def test_the_figures_do_not_say_where_the_machine_is() -> None:
    for run in FIGURES["runs"]:
        assert not any(re.search(r"(^|\s)/\w", each) for each in run["machine"].values())


def test_a_rate_over_all_is_of_all_cases_in_all_time() -> None:
    run = FIGURES["runs"][0]
    cases, seconds = (np.array([row[i] for row in run["rates"]["smoke"][0].values()]) for i in (0, 1))
    one = {**run, "rates": {"smoke": run["rates"]["smoke"][:1]}}
    assert throughput.rate_of("smoke")(one) == pytest.approx(cases.sum() / seconds.sum())
    assert throughput.rate_of("nightly")(run) is None


def test_the_page_holds_the_tables_of_the_figures() -> None:
    text = (DOCS / "throughput.md").read_text(encoding="utf-8")
    assert filled(text, throughput.tables_of(FIGURES["runs"]), "benchmarks/throughput.py") == text


def test_the_command_makes_the_page_anew_from_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DOCS / "throughput.md").read_text(encoding="utf-8")
    emptied = re.sub(r"(?s)(made by benchmarks/throughput.py -->).*?(<!-- end of)", r"\1\n\2", text)
    assert emptied != text
    (tmp_path / "throughput.md").write_text(emptied, encoding="utf-8")
    monkeypatch.setattr("pages.DOCS", tmp_path)
    ended = CliRunner().invoke(throughput.main, ["--page"], catch_exceptions=False)
    assert ended.exit_code == 0
    assert (tmp_path / "throughput.md").read_text(encoding="utf-8") == text
