"""The run on a terminal: a progress bar while it runs, tables and the failures at the end."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import cycle

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from convgate.report.words import (
    case_counts,
    fails_when,
    in_words,
    layer_counts,
    notes_of,
    occurring,
    title_of,
    way_counts,
)
from convgate.results.coverage import STRENGTHS, percent
from convgate.results.events import Event, FailureSaved, Minimizing, RunFinished, RunStarted, ShardJudged
from convgate.results.foreign_text import visible
from convgate.results.picture import Picture, blocks_of
from convgate.results.record import RunRecord, SavedFailure, WayCount
from convgate.results.summary import Summary
from convgate.results.verdicts import FAILING

__all__ = ["follow", "show_record"]

COLOURS = {"conforms": "green", "fails": "red", "insufficient": "yellow"}
# Number of failures shown with their data; each of the others has one line.
MOST_DRAWN = 5
MOST_DISAGREEMENTS = 5
# A marked entry of a grid as text, and its colours: in the data, and in the expected and the actual output.
MARKED = re.compile(r"\[[^\]\n]*\]")
STYLES = {"data": ("bold cyan",), "outputs": ("bold green", "bold red")}


class CasesPerSecond(ProgressColumn):
    """Progress column with the speed of the run."""

    def render(self, task: Task) -> Text:
        """Cases a second since the start; empty before the first case."""
        return Text(f"{task.completed / task.elapsed:.0f} cases/s" if task.completed and task.elapsed else "")


def follow(events: Iterable[Event], console: Console, *, show_progress: bool) -> RunRecord:
    """Show the progress of a run.

    Parameters
    ----------
    events : iterable of Event
        The events of the run.
    console : Console
        Where to show it.
    show_progress : bool
        Whether to draw a bar; without it nothing is printed until the end.

    Returns
    -------
    RunRecord
        The record of the finished run.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        CasesPerSecond(),
        TextColumn("{task.fields[failing]} failing"),
        TimeElapsedColumn(),
    )
    record = None
    with Progress(*columns, console=console, disable=not show_progress, transient=True) as progress:
        task = progress.add_task("loading", total=None, failing=0)
        failing, saved = 0, 0
        for event in events:
            match event:
                case RunStarted(subject=subject, cases=cases):
                    progress.update(task, description=f"judging {subject}", total=cases)
                case ShardJudged(planned=planned, failing=more):
                    failing += more
                    progress.update(task, advance=planned, failing=failing)
                case Minimizing():
                    progress.update(task, description="minimising")
                case FailureSaved():
                    saved += 1
                    progress.update(task, description=f"minimising, {saved} saved")
                case RunFinished(record=finished):
                    record = finished
    if record is None:
        raise RuntimeError("the run ended without a record")
    return record


def show_record(summary: Summary, console: Console) -> None:
    """Show the counts and coverage, then the failures, then the verdict and the next step."""
    record = summary.record
    if record.operators:
        console.print(table_of_operators(record))
        console.print()
        console.print(table_of_coverage(record))
        console.print()
    if any(row.counts.get(verdict) for row in record.checks for verdict in FAILING):
        console.print(table_of_checks(record))
        console.print()
    # if they may be the reason why there is no verdict, list all of them
    most = len(record.oracles_disagree) if record.verdict == "insufficient" else MOST_DISAGREEMENTS
    for disagreement in record.oracles_disagree[:most]:
        line = f"oracles disagree on {disagreement.spec}: {disagreement.message}"
        console.print(Text(one_line(line), "yellow"), soft_wrap=True)
    more = len(record.oracles_disagree) - most
    if more > 0:
        console.print(Text(f"and on {more} more", "yellow"))
    for failure in record.failures[:MOST_DRAWN]:
        show_failure(failure, console)
    for failure in record.failures[MOST_DRAWN:]:
        title = Text(f"{title_of(failure)}: ", "bold red")
        console.print(Text.assemble(title, one_line(failure.message), " → ", replay_of(failure)), soft_wrap=True)
    if len(record.failures) > MOST_DRAWN:
        console.print()
    for note in notes_of(record):
        console.print(Text(note, "yellow"), soft_wrap=True)
    verdict = Text(visible(record.verdict), f"bold {COLOURS.get(record.verdict, '')}")
    reason = f": {record.reason}, in {record.seconds:.1f} s. {summary.next_step}"
    console.print(Text.assemble(visible(record.subject), " ", verdict, visible(reason)), soft_wrap=True)


def show_failure(failure: SavedFailure, console: Console) -> None:
    """Show a failure: title, conditions, message, picture and replay command."""
    console.print(Text(title_of(failure), "bold red"), soft_wrap=True)
    words = Text(visible(failure.message))
    when = fails_when(failure)
    blocks = [
        Text.assemble((when, "yellow"), "\n", words) if when else words,
        *drawn(failure.picture, console.width - 2),
        replay_of(failure),
    ]
    for block in blocks:
        for line in block.split("\n", allow_blank=True):
            console.print(Text.assemble("  ", line), soft_wrap=True)
        console.print()


def drawn(shown: Picture, width: int) -> Iterator[Text]:
    """The call with its options, and the grids side by side, or one below the other if they do not fit.

    Marked entries are in brackets and in colour; the styles of their kind alternate.
    """
    turns = {kind: cycle(styles) for kind, styles in STYLES.items()}
    for block in blocks_of(shown, width):
        text = Text(visible(block.text))
        if block.kind in turns:
            rows = max(block.text.find("\n"), 0)
            text.stylize("dim", 0, rows)
            for found in MARKED.finditer(text.plain, rows):
                text.stylize(next(turns[block.kind]), *found.span())
        yield text


def replay_of(failure: SavedFailure) -> Text:
    """The command that reproduces a saved failure."""
    return Text(visible(failure.replay), "bold")


def one_line(text: str) -> str:
    """Foreign text without line breaks."""
    return " ".join(visible(text).split("\n"))


def table_of_operators(record: RunRecord) -> Table:
    """Number of cases by operator and verdict, and the number of network layers among them."""
    counts = case_counts(record)
    layers = layer_counts(record)
    verdicts = occurring(sum(counts.values(), Counter()))
    table = new_table("operator", "cases", *map(in_words, verdicts), *(["layers"] if layers else []))
    for operator, of_operator in counts.items():
        bad = any(of_operator[verdict] for verdict in FAILING)
        numbers = [of_operator.total(), *(of_operator[verdict] for verdict in verdicts)]
        numbers += [layers[operator]] if layers else []
        add_row(table, operator, *map(number_or_dot, numbers), style="red" if bad else "")
    return table


def table_of_coverage(record: RunRecord) -> Table:
    """Coverage of the feasible single shape classes, pairs and triples, by operator."""
    ways = way_counts(record)
    table = new_table("shape classes covered", *(f"{t}-way" for t in STRENGTHS))
    for operator, of_operator in ways.items():
        found = [of_operator.get(t) for t in STRENGTHS]
        add_row(table, operator, *(share_of(way) if way else "" for way in found), style="")
    return table


def share_of(way: WayCount) -> str:
    """The coverage as counts and a percentage."""
    return f"{way.covered:,}/{way.feasible:,} {percent(way.covered, way.feasible):>7}"


def table_of_checks(record: RunRecord) -> Table:
    """Results by check, for the operators with failing cases."""
    failing = {row.operator for row in record.checks if any(row.counts.get(verdict) for verdict in FAILING)}
    rows = [row for row in record.checks if row.operator in failing]
    verdicts = occurring(sum((Counter(row.counts) for row in rows), Counter()))
    table = new_table("operator", "check", *map(in_words, verdicts), words=2)
    previous = ""
    for row in rows:
        bad = any(row.counts.get(verdict) for verdict in FAILING)
        numbers = (number_or_dot(row.counts.get(verdict, 0)) for verdict in verdicts)
        name = "" if row.operator == previous else row.operator
        add_row(table, name, row.check, *numbers, style="red" if bad else "")
        previous = row.operator
    return table


def new_table(*columns: str, words: int = 1) -> Table:
    """A table of numbers whose first `words` columns hold text."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < words else "right", no_wrap=True)
    return table


def add_row(table: Table, *cells: str, style: str) -> None:
    """Add a row of plain text."""
    table.add_row(*(Text(visible(cell)) for cell in cells), style=style)


def number_or_dot(number: int) -> str:
    """A number as text, with a dot for zero so that other numbers stand out."""
    return str(number or "·")
