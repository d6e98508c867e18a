"""Correct subjects before the gate for hours: not one case may fail.

``python benchmarks/soak.py`` judges impl and PyTorch at profile pr, one seed after the other, until it has judged a
million cases in all. After every seed it writes the figures to docs/soak.md, and where it is stopped it goes on the
next time: a seed takes a minute or two.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from convgate.results.events import RunFinished
from convgate.results.files import write_text
from convgate.results.record import JudgedCase
from convgate.results.verdicts import FAILING
from convgate.run.plan import Plan
from convgate.run.runner import gate

PAGE = Path(__file__).resolve().parent.parent / "docs" / "soak.md"
PROFILE = "pr"
START, END = "<!-- runs: made by benchmarks/soak.py -->\n", "<!-- end of runs -->"
HEAD = ("subject", "profile", "seeds", "cases", "failing cases", "oracles disagree", "minutes")


@dataclass(frozen=True)
class Run:
    """Seeds of one subject that follow one another: a row of the page, in the order of `HEAD`."""

    subject: str
    profile: str
    first: int
    last: int
    cases: int
    failing: int
    disagree: int
    minutes: float


def runs_of(page: str) -> list[Run]:
    """The runs on the page."""
    table = page.partition(START)[2].partition(END)[0]
    rows = [[cell.strip(" `").replace(",", "") for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return [
        Run(subject, profile, *seeds_of(seeds), int(cases), int(failing), int(disagree), float(minutes))
        for subject, profile, seeds, cases, failing, disagree, minutes in rows
    ]


def seeds_of(text: str) -> tuple[int, int]:
    """The first and the last of seeds, as a row writes them."""
    first, _, last = text.partition(" to ")
    return int(first), int(last or first)


def joined(runs: Sequence[Run], run: Run) -> list[Run]:
    """The runs with one more, which is added to the last of its subject and profile if it follows that."""
    own = [each for each in runs if (each.subject, each.profile) == (run.subject, run.profile)]
    if not own or own[-1].last + 1 != run.first:
        return [*runs, run]
    sums = {name: getattr(own[-1], name) + getattr(run, name) for name in ("cases", "failing", "disagree", "minutes")}
    both = replace(own[-1], last=run.last, **sums)
    return [both if each is own[-1] else each for each in runs]


def table_of(runs: Sequence[Run]) -> str:
    """The runs as a table."""
    lines = ["| " + " | ".join(HEAD) + " |", "| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    lines += [row(*astuple(run)) for run in runs]
    return "\n".join(lines) + "\n"


def row(
    subject: str, profile: str, first: int, last: int, cases: int, failing: int, disagree: int, minutes: float
) -> str:
    """One row."""
    seeds = str(first) if first == last else f"{first} to {last}"
    return f"| `{subject}` | {profile} | {seeds} | {cases:,} | {failing:,} | {disagree:,} | {minutes:.1f} |"


def page_with(runs: Sequence[Run], page: str) -> str:
    """The page with these runs, and how many cases they are, in its words and in its table."""
    before, _, rest = page.partition(START)
    after = rest.partition(END)[2]
    subjects = dict.fromkeys(run.subject for run in runs)
    sums = {name: sum(run.cases for run in runs if run.subject == name) for name in subjects}
    failing = sum(run.failing for run in runs)
    said = " and ".join(f"{number:,} cases on `{name}`" for name, number in sums.items())
    total = f"{said}, {sum(sums.values()):,} in all: {failing:,} failing."
    before = re.sub(r"(?m)^\*\*.*\*\*$", f"**{total}**", before)
    return before + START + table_of(runs) + END + after


@click.command()
@click.argument("subjects", nargs=-1)
@click.option("--cases", default=1_000_000, show_default=True, help="Of all subjects together.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, help="Worker processes.")
def main(subjects: tuple[str, ...], cases: int, jobs: int) -> None:
    """Judge SUBJECTS (impl and the PyTorch oracle, if none are named) until there are enough cases."""
    asked = subjects or ("impl", "oracles.torch_oracle")
    while True:
        runs = runs_of(PAGE.read_text(encoding="utf-8"))
        # the one that has fewest, so that all come along together
        done = {name: sum(run.cases for run in runs if run.subject == name) for name in asked}
        name = min(asked, key=lambda each: done[each])
        if sum(done.values()) >= cases:
            return
        seed = 1 + max((run.last for run in runs if run.subject == name), default=0)
        click.echo(f"{name}, seed {seed}: {sum(done.values()):,} of {cases:,} cases so far")
        run, failing = judged(name, seed, jobs)
        write_text(PAGE, page_with(joined(runs, run), PAGE.read_text(encoding="utf-8")))
        if failing:
            told = "\n".join(f"  convgate replay {each.spec} --subject {name}  # {each.verdict}" for each in failing)
            raise SystemExit(f"{len(failing)} cases fail:\n{told}")


def judged(subject: str, seed: int, jobs: int) -> tuple[Run, list[JudgedCase]]:
    """One run of the gate, and the cases that fail."""
    with TemporaryDirectory() as folder:
        plan = Plan(subject=subject, profile=PROFILE, seed=seed, jobs=jobs, reports=Path(folder))
        record = next(event.record for event in gate(plan) if isinstance(event, RunFinished))
    failing = [each for each in record.judged if each.verdict in FAILING]
    disagree, minutes = len(record.oracles_disagree), record.seconds / 60
    return Run(subject, PROFILE, seed, seed, len(record.judged), len(failing), disagree, minutes), failing


if __name__ == "__main__":
    main()
