"""What is timed computes the same thing in every way, and the pages hold what their commands make."""

import doctest
import json
import math
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import columns
import numpy as np
import pytest
import speed
import stopwatch
import torch
from click.testing import CliRunner
from pages import filled
from workloads import CONVOLUTIONS, LATE, POOLS, STAGES, WORKLOADS, Workload, contenders

import impl

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FIGURES: dict[str, Any] = json.loads((DOCS / "speed.json").read_text(encoding="utf-8"))


def shrunk(w: Workload) -> Workload:
    """The same with two images of at most 13 x 13 and at most 64 channels."""
    fewer = {name: min(getattr(w, name), 64) for name in ("channels", "filters")}
    return replace(w, batch=min(w.batch, 2), size=min(w.size, 13), **fewer)


SMALL = {name: shrunk(w) for name, w in WORKLOADS.items()}


def arrays(result: Any) -> list[np.ndarray[Any, Any]]:
    """All arrays of a result, gradients that are None left out."""
    if isinstance(result, tuple | list):
        return [array for each in result if each is not None for array in arrays(each)]
    return [np.asarray(result)]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", WORKLOADS)
def test_all_ways_to_compute_a_workload_agree(name: str, stage: str) -> None:
    with torch.no_grad():
        results = {who: arrays(way()) for who, way in contenders(SMALL[name], stage).items() if who != "product"}
    for who, found in results.items():
        for actual, expected in zip(found, results["torch"], strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4, err_msg=who)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_the_bare_products_are_as_large_as_the_convolution(name: str) -> None:
    w = SMALL[name]
    forward = np.asarray(contenders(w, "forward")["product"]())
    assert forward.shape == (w.groups, w.filters // w.groups, w.batch * w.output**2)
    assert w.operations("forward") == 2 * forward.size * w.weight_shape[1] * w.kernel**2
    assert len(arrays(contenders(w, "both")["product"]())) * w.operations("forward") == w.operations("both")


def test_bytes_of_results_are_those_of_the_results() -> None:
    with torch.no_grad():
        for w in SMALL.values():
            for stage in STAGES:
                found = arrays(contenders(w, stage)["impl"]())
                assert w.result_bytes(stage) == sum(each.nbytes for each in found)


def test_medians_are_those_of_the_rounds_and_all_take_turns() -> None:
    turns: list[str] = []
    found = stopwatch.medians({name: partial(turns.append, name) for name in ("impl", "torch")}, 3)
    assert set(found) == {"impl", "torch"}
    assert all(0 < seconds < 1 for seconds in found.values())
    starts = [b for a, b in zip(["", *turns], turns, strict=False) if a != b]
    assert starts == ["impl", "torch"] * 4


@pytest.mark.parametrize("gain", stopwatch.GAINS, ids=lambda gain: gain.words)
def test_without_a_fast_path_the_result_is_the_same(gain: stopwatch.Gain, monkeypatch: pytest.MonkeyPatch) -> None:
    # so that a small problem takes the paths of a large one
    monkeypatch.setattr("impl.tiles.TILE", 4096)
    monkeypatch.setattr("impl.threads.WORTH_SHARING", 0)
    workload = contenders(shrunk((WORKLOADS | LATE)[gain.workloads[0]]), gain.stage)["impl"]
    usual = arrays(workload())
    monkeypatch.setattr(f"{gain.module}.{gain.name}", gain.instead)
    for one, other in zip(usual, arrays(workload()), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_a_process_of_its_own_tells_what_it_measures() -> None:
    assert set(speed.measured(["libraries"], 1)) == {"blas", "torch"}
    extra = speed.measured(["memory", "i", "forward", "impl"], 1)
    assert extra is None or 0 <= extra < 2**26


def test_the_figures_are_of_all_workloads_in_all_settings() -> None:
    assert set(FIGURES["times"]) == {"1 default", "2 default", "2 warmed"}
    for processes in FIGURES["times"].values():
        assert len(processes) == speed.PROCESSES
        for process in processes:
            assert list(process) == list(WORKLOADS)
            for name, stages in process.items():
                assert list(stages) == list(STAGES)
                wanted = {"impl", "torch"} | ({"textbook", "product"} if name in CONVOLUTIONS else set())
                assert all(wanted <= set(times) for times in stages.values())
    assert list(FIGURES["memory"])[:-1] == list(WORKLOADS)
    for process in FIGURES["growth"]:
        assert {kind: [size for size, _ in points] for kind, points in process.items()} == {
            kind: [getattr(w, kind) for w in problems] for kind, problems in stopwatch.GROWN.items()
        }


@pytest.mark.parametrize(("page", "tables"), [("speed.md", speed.SPEED), ("im2col.md", speed.IM2COL)])
def test_the_pages_hold_the_tables_of_the_figures(page: str, tables: tuple[str, ...]) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    made = speed.tables_of(FIGURES)
    assert filled(text, {name: made[name] for name in tables}, "benchmarks/speed.py") == text
    assert set(speed.SPEED) | set(speed.IM2COL) == set(made)


def test_the_figures_say_what_machine_they_are_of_but_not_where_it_is() -> None:
    assert list(FIGURES["machine"]) == ["processor", "system", "NumPy", "PyTorch"]
    assert not any(re.search(r"(^|\s)/\w", each) for each in FIGURES["machine"].values())


def test_a_geometric_mean_of_ratios_and_their_inverses_is_one() -> None:
    assert math.isclose(speed.geometric_mean([4, 1, 0.25]), 1)


def test_the_slope_of_a_power_is_its_exponent() -> None:
    points = [(n, {"impl": 3.0 * n**2}) for n in (1, 2, 4, 8, 16)]
    assert math.isclose(speed.slope(points, "impl"), 2)


def test_a_ratio_is_the_median_of_those_of_the_processes() -> None:
    processes = [{"a": {"forward": {"impl": impl_, "torch": 2.0}}} for impl_ in (1.0, 8.0, 2.0)]
    assert speed.ratio({"times": {"2 default": processes}}, "2 default", "a", "forward") == 1


def test_the_work_of_workloads_is_that_of_their_sizes() -> None:
    """16 images of 64 channels, 56 x 56, with 64 filters of 3 x 3."""
    assert CONVOLUTIONS["b"].operations("forward") == 2 * 16 * 56 * 56 * 64 * 64 * 9
    x, y = 4 * 32 * 64 * 56 * 56, 4 * 32 * 64 * 28 * 28
    average, maximum = POOLS["g, avg 2"], POOLS["g, max 2"]
    assert average.traffic("forward") == maximum.traffic("forward") == x + y
    assert average.traffic("both") == 2 * (x + y)  # grad_y is read, grad_x written
    assert maximum.traffic("both") == 3 * x + 2 * y  # where the maxima are stands in x
    assert Workload("conv2d", 8, 3, 224, 7, 2, 3, filters=64).output == 112


def test_the_worked_example_of_the_page_is_what_impl_computes() -> None:
    text = (DOCS / "im2col.md").read_text(encoding="utf-8")
    example = doctest.DocTestParser().get_doctest(
        text.replace("```", ""), {"np": np, "impl": impl}, "im2col.md", None, 0
    )
    assert len(example.examples) == 5
    assert doctest.DocTestRunner().run(example).failed == 0


def test_the_picture_shows_the_worked_example() -> None:
    svg = (DOCS / "pictures" / "columns.svg").read_text(encoding="utf-8")
    shown = [line.split(">")[1].split("<")[0] for line in svg.splitlines() if "<text" in line]
    numbers = [each for each in shown if each.lstrip("-").isdigit()]
    arrays_ = columns.PIXELS, columns.WEIGHT, columns.COLUMNS, columns.Y
    assert numbers == [f"{number:g}" for array in arrays_ for number in array.ravel()]


def test_the_command_makes_the_pages_anew_from_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {page: (DOCS / page).read_text(encoding="utf-8") for page in ("speed.md", "im2col.md")}
    for page, text in made.items():
        emptied = re.sub(r"(?s)(made by benchmarks/speed.py -->).*?(<!-- end of)", r"\1\n\2", text)
        assert emptied != text
        (tmp_path / page).write_text(emptied, encoding="utf-8")
    monkeypatch.setattr("pages.DOCS", tmp_path)
    for drawing in ("draw_ratios", "draw_growth"):  # where there is no matplotlib
        monkeypatch.setattr(f"speed.{drawing}", lambda *_: None)
    ended = CliRunner().invoke(speed.main, ["--page"], catch_exceptions=False)
    assert ended.exit_code == 0
    assert {page: (tmp_path / page).read_text(encoding="utf-8") for page in made} == made
