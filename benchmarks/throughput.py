"""How many cases a second the gate judges on one core, beside gradcheck and a test with Hypothesis and assert_close.

``python benchmarks/throughput.py --label NAME`` measures in processes of their own (benchmarks/rates.py), adds the run
to docs/throughput.json, in place of one of that name, and makes docs/throughput.md, where all runs stand side by side.
It takes less than three minutes. ``--quick`` measures a little of everything in half a minute and only shows it, and
``--page`` makes the page from docs/throughput.json.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click
from pages import DOCS, fill_in, table
from rates import CALLEES, LARGE, WAYS
from rich.progress import track
from speed import machine, measured, shown

from convgate.judging.checks import CHECKS
from convgate.problems.operators import OPERATORS
from convgate.results.files import write_text

__all__ = ["FULL", "QUICK", "Size", "measure", "tables_of", "with_run"]

Run = Mapping[str, Any]

FIGURES = DOCS / "throughput.json"
PAGE = "throughput.md"
ALL = "over all"

# What is aimed at.
LEAST_RATE = 500
MOST_SECONDS = 1.0


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Parameters
    ----------
    most : dict
        Profile to about how many of its cases are judged at most.
    processes : int
        How many processes judge them, and so on.
    beside : int
        How many problems of each operator are put to all ways.
    large : float
        The seconds that a large case may take.
    """

    most: Mapping[str, int]
    processes: int
    beside: int
    large: float


FULL = Size({"smoke": 10_000, "pr": 800}, 3, 10, 30.0)
QUICK = Size({"smoke": 300}, 1, 2, 2.0)


def measure(label: str, size: Size, problems: Sequence[str] = ()) -> tuple[dict[str, Any], list[str]]:
    """A run, process by process, and the specs of the problems that were put to all ways: those given, or new ones."""
    plans = {
        profile: in_a_process("plan", profile, str(most), str(size.beside))
        for profile, most in track(size.most.items(), "plans", transient=True)
    }
    own = list(problems) or plans[max(plans, key=lambda name: plans[name]["cases"])]["beside"]
    run: dict[str, Any] = {
        "label": label,
        "machine": machine() | {"day": datetime.now(UTC).date().isoformat()},
        "plans": {profile: {"cases": each["cases"], "seconds": each["seconds"]} for profile, each in plans.items()},
        "rates": {},
        "beside": [],
    }
    with TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.json" for name in (*plans, "beside")}
        for name, file in files.items():
            file.write_text(json.dumps(own if name == "beside" else plans[name]["sample"]), encoding="utf-8")
        # in turn, so that what the machine does meanwhile meets all of them
        for _ in track(range(size.processes), "rates", transient=True):
            for profile in plans:
                run["rates"].setdefault(profile, []).append(in_a_process("rates", str(files[profile])))
            run["beside"].append(in_a_process("beside", str(files["beside"])))
        run["shares"] = in_a_process("shares", str(files[next(iter(plans))]))
    run["large"] = in_a_process("large", str(size.large))
    return run, own


def in_a_process(*what: str) -> Any:
    """What benchmarks/rates.py measures in a process of its own."""
    return measured(what, 1, script="rates.py")


def with_run(figures: Mapping[str, Any], run: Run) -> dict[str, Any]:
    """The figures with one more run, or with another of its label."""
    runs = list(figures["runs"])
    labels = [each["label"] for each in runs]
    if run["label"] in labels:
        runs[labels.index(run["label"])] = run
    else:
        runs.append(run)
    return {**figures, "runs": runs}


def totals(processes: Iterable[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    """Number, processor time and wall time of each operator and over all: of each the median over the processes."""
    sums = [{**each, ALL: [sum(column) for column in zip(*each.values(), strict=True)]} for each in processes]
    return {name: [median(column) for column in zip(*(each[name] for each in sums), strict=True)] for name in sums[0]}


def per_second(total: Sequence[float]) -> tuple[str, str]:
    """So many a second of processor time, and of wall time."""
    number, processor, wall = total
    return shown(number / processor), shown(number / wall)


def labels_of(runs: Sequence[Run]) -> list[str]:
    """The names of the runs."""
    return [run["label"] for run in runs]


def machine_table(runs: Sequence[Run]) -> str:
    """What each run was measured on."""
    return table(
        ("", *labels_of(runs)), ((name, *(run["machine"][name] for run in runs)) for name in runs[0]["machine"])
    )


def targets_table(runs: Sequence[Run]) -> str:
    """What was aimed at, and what came of it."""
    aims: tuple[tuple[str, Callable[[Run], float | None], Callable[[float], bool]], ...] = (
        *(
            (
                f"cases a second of profile {profile}, at least {LEAST_RATE}",
                rate_of(profile),
                lambda rate: rate >= LEAST_RATE,
            )
            for profile in runs[-1]["rates"]
        ),
        (
            f"seconds of a case of 10^7 products, less than {MOST_SECONDS:g}",
            seconds_of_largest,
            lambda seconds: seconds < MOST_SECONDS,
        ),
    )
    rows = []
    for words, value, met in aims:
        found = [value(run) for run in runs]
        rows.append(
            (words, *("" if each is None else f"{shown(each)}, {'yes' if met(each) else 'no'}" for each in found))
        )
    return table(("aim", *(f"{label}, met" for label in labels_of(runs))), rows)


def rate_of(profile: str) -> Callable[[Run], float | None]:
    """Cases a second of processor time, over all operators."""

    def rate(run: Run) -> float | None:
        if profile not in run["rates"]:
            return None
        number, processor, _ = totals(run["rates"][profile])[ALL]
        return number / processor

    return rate


def seconds_of_largest(run: Run) -> float | None:
    """Processor time of the largest case, if that was measured."""
    seconds = {products: processor for products, processor, _ in run["large"]}
    near = [products for products in seconds if products >= max(LARGE)]
    return seconds[near[0]] if near else None


def rates_table(runs: Sequence[Run]) -> str:
    """Cases a second by profile and operator."""
    head = ["profile", "operator"]
    for label in labels_of(runs):
        head += [f"cases, {label}", "a second", "a second of wall time"]
    rows = []
    for profile in dict.fromkeys(name for run in runs for name in run["rates"]):
        for operator in (*OPERATORS, ALL):
            row = [profile, operator]
            for run in runs:
                found = totals(run["rates"][profile]) if profile in run["rates"] else {}
                row += [f"{found[operator][0]:g}", *per_second(found[operator])] if operator in found else [""] * 3
            rows.append(tuple(row))
    return table(tuple(head), rows)


def plans_table(runs: Sequence[Run]) -> str:
    """How many cases the profiles have, and how long choosing them takes."""
    head = ["profile"]
    for label in labels_of(runs):
        head += [f"cases, {label}", "seconds to choose them"]
    rows = []
    for profile in dict.fromkeys(name for run in runs for name in run["plans"]):
        row = [profile]
        for run in runs:
            found = run["plans"].get(profile)
            row += [f"{found['cases']:,}", shown(found["seconds"][0])] if found else [""] * 2
        rows.append(tuple(row))
    return table(tuple(head), rows)


def shares_of(run: Run, by: Callable[[str, str], str]) -> Counter[str]:
    """How often each was seen at work, over all operators; `by` tells from check and callee who it was."""
    found: Counter[str] = Counter()
    for checks in run["shares"].values():
        for check, callees in checks.items():
            for who, number in callees.items():
                found[by(check, who)] += number
    return found


def shares_table(runs: Sequence[Run], first: str, names: Iterable[str], by: Callable[[str, str], str]) -> str:
    """Where the time of a case goes: in microseconds, and as a share."""
    head = [first]
    for label in labels_of(runs):
        head += [f"µs a case, {label}", "share"]
    rows = []
    for name in names:
        row = [name]
        for run in runs:
            seen = shares_of(run, by)
            share = seen[name] / seen.total()
            number, processor, _ = totals(next(iter(run["rates"].values())))[ALL]
            row += [f"{1e6 * share * processor / number:,.0f}", f"{share:.1%}"]
        rows.append(tuple(row))
    return table(tuple(head), rows)


def checks_table(runs: Sequence[Run]) -> str:
    """Which checks the time goes to."""
    outside = "choosing, drawing and recording"
    return shares_table(runs, "check", (*CHECKS, outside), lambda check, _: check or outside)


def callees_table(runs: Sequence[Run]) -> str:
    """Whose code the time goes to."""
    return shares_table(runs, "code", CALLEES, lambda _, who: who)


def beside_table(runs: Sequence[Run]) -> str:
    """Problems a second of each way."""
    rows = []
    for way in WAYS:
        for run in runs:
            by_operator = [{name: ways[way] for name, ways in process.items()} for process in run["beside"]]
            found = totals(by_operator)
            row = (per_second(found[name])[0] if name in found else "" for name in (*OPERATORS, ALL))
            rows.append((way, run["label"], *row))
    return table(("problems a second", "run", *OPERATORS, ALL), rows)


def large_table(runs: Sequence[Run]) -> str:
    """Seconds of large cases."""
    head = ["products"]
    for label in labels_of(runs):
        head += [f"seconds, {label}", "of wall time"]
    rows = []
    for products in dict.fromkeys(each[0] for run in runs for each in run["large"]):
        row = [f"{products:,}"]
        for run in runs:
            found = {each[0]: each[1:] for each in run["large"]}
            row += [shown(seconds) for seconds in found[products]] if products in found else [""] * 2
        rows.append(tuple(row))
    return table(tuple(head), rows)


def tables_of(runs: Sequence[Run]) -> dict[str, str]:
    """All tables of the page."""
    return {
        "machine": machine_table(runs),
        "targets": targets_table(runs),
        "rates": rates_table(runs),
        "checks": checks_table(runs),
        "code": callees_table(runs),
        "beside": beside_table(runs),
        "large": large_table(runs),
        "plans": plans_table(runs),
    }


@click.command()
@click.option("--label", default="after", show_default=True, help="What to call the run; one of this name is replaced.")
@click.option("--quick", is_flag=True, help="Measure a little of everything and only show it.")
@click.option("--page", is_flag=True, help="Make the page from docs/throughput.json, without measuring.")
def main(*, label: str, quick: bool, page: bool) -> None:
    """Measure how many cases a second the gate judges, and write docs/throughput.md."""
    if page and quick:
        raise click.UsageError("--page measures nothing and --quick does; leave one of them out")
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {"problems": [], "runs": []}
    if quick:
        run, _ = measure(label, QUICK)
        for name, text in tables_of([run]).items():
            click.echo(f"{name}\n\n{text}\n")
        return
    if not page:
        run, problems = measure(label, FULL, figures["problems"])
        figures = with_run({**figures, "problems": problems}, run)
        write_text(FIGURES, json.dumps(figures, indent=1) + "\n")
    fill_in(PAGE, tables_of(figures["runs"]), "benchmarks/throughput.py")


if __name__ == "__main__":
    main()
