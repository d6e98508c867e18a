"""The run as lines on a terminal: a bar while it runs, a table and the failures at the end."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from convgate.checks import VERDICTS
from convgate.events import Event, FailureSaved, Minimizing, RunFinished, RunStarted, ShardJudged
from convgate.record import RunRecord

__all__ = ["follow", "show_record"]

COLOURS = {"conforms": "green", "fails": "red", "insufficient": "yellow"}


class CasesPerSecond(ProgressColumn):
    """Speed of the run."""

    def render(self, task: Task) -> Text:
        """Cases a second since the start, or nothing yet."""
        return Text(f"{task.completed / task.elapsed:.0f} cases/s" if task.completed and task.elapsed else "")


def follow(events: Iterable[Event], console: Console, *, show_progress: bool) -> RunRecord:
    """Show a run while it goes on.

    Parameters
    ----------
    events : iterable of Event
        The run.
    console : Console
        Where to show it.
    show_progress : bool
        Whether to draw a bar; without it nothing is printed until the end.

    Returns
    -------
    RunRecord
        Of the finished run.
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
        failing = 0
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
                    pass
                case RunFinished(record=finished):
                    record = finished
    if record is None:
        raise RuntimeError("the run ended without a record")
    return record


def show_record(record: RunRecord, console: Console) -> None:
    """Show the counts by operator and check, then the failures, then the verdict and what to do next."""
    console.print(table_of(record))
    for disagreement in record.oracles_disagree[:5]:
        console.print(
            Text(f"oracles disagree on {disagreement.spec}: {disagreement.message}", "yellow"), soft_wrap=True
        )
    for failure in record.failures:
        line = Text.assemble(
            (f"{failure.operator} {failure.check}, {failure.symptom}: ", "bold red"), failure.message, " → "
        )
        line.append(failure.replay, "bold")
        console.print(line, soft_wrap=True)
    verdict = Text(record.verdict, f"bold {COLOURS[record.verdict]}")
    console.print(
        Text.assemble(
            f"{record.subject} ", verdict, f": {record.reason}, in {record.seconds:.1f} s. {next_step(record)}"
        ),
        soft_wrap=True,
    )


def table_of(record: RunRecord) -> Table:
    """Verdicts by operator and check, without the verdicts that do not occur."""
    occurring = [verdict for verdict in VERDICTS if record.counts[verdict] or verdict in {"passed", "failed"}]
    table = Table(title=None, box=None, pad_edge=False)
    table.add_column("operator")
    table.add_column("check")
    for verdict in occurring:
        table.add_column(verdict.replace("_", " "), justify="right")
    previous = ""
    for row in record.checks:
        bad = any(row.counts[verdict] for verdict in ("failed", "crashed", "timed_out"))
        counts = [str(row.counts[verdict] or "·") for verdict in occurring]
        table.add_row(
            "" if row.operator == previous else row.operator, row.check, *counts, style="red" if bad else None
        )
        previous = row.operator
    return table


def next_step(record: RunRecord) -> str:
    """What to do now."""
    if record.verdict == "fails":
        saved = next((failure.folder for failure in record.failures if failure.folder), None)
        return f"Look at {Path(saved) / 'README.md'} next." if saved else "Replay a failing case next."
    if record.verdict == "insufficient":
        return "Give the subject what is missing, or a supports(problem) that says what it is for."
    following = {"smoke": "pr", "pr": "nightly"}.get(record.profile)
    if following is None:
        return "Try another --seed."
    return f"Look closer with --profile {following}, or elsewhere with --seed {record.seed + 1}."
