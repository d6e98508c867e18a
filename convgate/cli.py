"""The command line."""

import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from fnmatch import fnmatchcase
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from uuid import uuid4

import click
from rich.console import Console
from rich.text import Text

from convgate.cases.spec import SpecError
from convgate.diagnosis.store import FailureFileError, list_failures, unreadable_failures
from convgate.judging.subjects.loader import DEFAULT_SUBJECT, LOCAL, SubjectError
from convgate.judging.subjects.remote import PREFIXES
from convgate.plugins import PluginError
from convgate.problems.operators import OPERATORS
from convgate.report import annotations, json, markdown
from convgate.report.coverage import show_coverage, show_difference, show_shortfalls
from convgate.report.formats import FORMATS
from convgate.report.terminal import follow, show_record
from convgate.results.files import writable, write_text
from convgate.results.record import MAX_UNSUPPORTED, RecordError
from convgate.results.summary import Summary
from convgate.run.limits import Limits
from convgate.run.merge import MergeError, load_record, merge
from convgate.run.plan import Plan
from convgate.run.replay import Replayed, Target, replay, targets_of
from convgate.run.runner import gate as judge_subject
from convgate.run.summary import summary_of
from convgate.selftest.batch import CorrectFailsError
from convgate.selftest.checkpoint import CheckpointError
from convgate.selftest.faults import CATALOGUE, Fault
from convgate.selftest.mutation_run import survey
from convgate.selftest.qualify import qualify
from convgate.selftest.report_kills import as_json as kills_as_json
from convgate.selftest.report_kills import as_markdown as kills_as_markdown
from convgate.selftest.report_kills import follow_kills, show_kills
from convgate.selftest.report_mutants import show_survey
from convgate.shapes.coverage import coverage_of, difference, gaps_of, shortfalls
from convgate.sources.profiles import PROFILES

__all__ = ["main"]

EXIT_CODES = {"conforms": 0, "fails": 1, "insufficient": 3}
USAGE = 2
INSUFFICIENT = EXIT_CODES["insufficient"]
INTERRUPTED = 130
DEFAULT_REPORTS = Path("reports")


class Jobs(click.ParamType[int]):
    """A number of processes, or auto for one per core."""

    name = "N|auto"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number."""
        if value == "auto":
            return cores()
        text = str(value)
        if not (text.isascii() and text.isdigit() and int(text) > 0):
            self.fail(f"{text!r} is neither a number from 1 nor 'auto'", param, ctx)
        return int(text)


class Operators(click.ParamType[tuple[str, ...]]):
    """Names of operators, separated by commas."""

    name = "A,B"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split and validate the names."""
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in str(value).split(",") if name.strip())
        if not names:
            self.fail(f"{value!r} names no operator; choose from {', '.join(OPERATORS)}", param, ctx)
        for name in names:
            if name not in OPERATORS:
                self.fail(f"{name!r} is not one of {', '.join(OPERATORS)}", param, ctx)
        return names


class Required(click.ParamType[dict[int, Fraction]]):
    """Required coverage: a percentage for each strength."""

    name = "T-way=PERCENT,..."

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dict[int, Fraction]:
        """Split and validate the requirements."""
        if isinstance(value, dict):
            return value
        found: dict[int, Fraction] = {}
        for part in str(value).split(","):
            match = re.fullmatch(r"([123])-way=([0-9]+(?:\.[0-9]+)?)%?", part.strip())
            if match is None:
                self.fail(f"{part.strip()!r} is not of the form 2-way=100 (1-way, 2-way or 3-way; percent)", param, ctx)
            t, percentage = int(match[1]), Fraction(match[2])
            if percentage > 100:
                self.fail(f"{part.strip()!r} exceeds 100 %", param, ctx)
            if t in found:
                self.fail(f"{t}-way is given twice; leave one of them out", param, ctx)
            found[t] = percentage
        return found


def in_environment(subject: str, python: str | None) -> str:
    """The name of a subject to run with another Python, or the subject's own name if `python` is None."""
    if python is None:
        return subject
    if subject.startswith((*PREFIXES, LOCAL)):
        raise click.UsageError(f"--python is for Python subjects, MODULE or MODULE:ATTRIBUTE, got {subject!r}")
    return f"python:{shlex.quote(python)} {shlex.quote(subject)}"


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


PYTHON = click.option(
    "--python",
    metavar="PATH",
    help="Run the subject with this Python (3.8 or newer, with NumPy).",
)
REPORTS = click.option(
    "--reports",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_REPORTS,
    show_default=True,
    help="Folder for failures and the regression corpus.",
)
REQUIRE = click.option(
    "--require",
    "required",
    type=Required(),
    default={},
    help="Required coverage of every operator, such as 2-way=100,3-way=99. Below it the exit code is 3.",
)
Command = TypeVar("Command", bound=Callable[..., None])


def output_options(command: Command) -> Command:
    """Add an option for each format; the command gets them as ``**files``, format to file."""
    for name, form in reversed(list(FORMATS.items())):
        path = click.Path(path_type=Path, dir_okay=False)
        command = click.option(f"--{name}", name, type=path, metavar="FILE", help=f"Write {form.what}.")(command)
    return command


def require_writable_files(files: Mapping[str, Path | None]) -> None:
    """Exit before judging if a file cannot be written."""
    for path in files.values():
        if path is not None and not writable(path.parent):
            give_up(PermissionError(f"{path} cannot be written; choose another file"))


def write_files(summary: Summary, files: Mapping[str, Path | None]) -> list[Path]:
    """Write the requested formats, and return the files written."""
    written = []
    try:
        for name, path in files.items():
            if path is not None:
                write_text(path, FORMATS[name].render(summary))
                written.append(path)
    except (OSError, ValueError) as error:  # such as a spec in the record that cannot be read
        give_up(error)
    return written


@contextmanager
def without_commands() -> Iterator[None]:
    """Disable workflow commands in the output under GitHub Actions, because foreign text could contain some."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        yield
        return
    token = uuid4().hex
    click.echo(f"::stop-commands::{token}")
    yield
    click.echo(f"::{token}::")


def tell_github(summary: Summary) -> None:
    """Under GitHub Actions, annotate the run and append to the job summary."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        click.echo(annotations.render(summary), nl=False)
    step_summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if step_summary:
        try:
            with Path(step_summary).open("a", encoding="utf-8") as file:
                file.write(f"\n{markdown.render(summary)}")
        except OSError as error:  # the user did not ask for it, so it does not change the exit code
            complain(f"the summary of the step could not be written: {error}")


SUBJECT_HELP = "The code under test, imported from the current folder; or exec:COMMAND or lib:PATH."


class Commands(click.Group):
    """Commands with the exit codes of the README: 1 means only that a subject fails, never an internal error."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            interrupted()
        except (click.ClickException, click.exceptions.Exit, click.Abort, PluginError):
            raise
        except Exception as error:  # noqa: BLE001 - no error is a verdict
            traceback.print_exc()
            give_up(RuntimeError(f"internal error in convgate, no verdict: {type(error).__name__}: {error}"))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="convgate")
def main() -> None:
    """Is this convolution right? Judges convolution and pooling, forward and backward, against their definition."""
    # subjects are imported from the current folder, also in worker processes
    if os.getcwd() not in sys.path:  # noqa: PTH109 - sys.path holds strings
        sys.path.insert(0, os.getcwd())  # noqa: PTH109


@main.command()
@click.option(
    "--subject",
    metavar="MODULE[:ATTR]",
    help=SUBJECT_HELP,
    # our own implementation is not installed with the package
    **({"default": DEFAULT_SUBJECT, "show_default": True} if find_spec(DEFAULT_SUBJECT) else {"required": True}),
)
@PYTHON
@click.option(
    "--operators", type=Operators(), default=(), help="Operators to judge (default: all that the subject implements)."
)
@click.option(
    "--profile", type=click.Choice(list(PROFILES)), default="pr", show_default=True, help="How many cases to judge."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random cases.")
@click.option("--jobs", type=Jobs(), default="auto", show_default=True, help="Worker processes.")
@click.option(
    "--max-unsupported",
    type=click.FloatRange(0, 100),
    default=MAX_UNSUPPORTED,
    show_default=True,
    metavar="PERCENT",
    help="Percentage of an operator's cases that may raise NotImplementedError; above it the exit code is 3.",
)
@click.option(
    "--case-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=Limits().case_seconds,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for one call on a small case; larger ones have more.",
)
@click.option(
    "--max-time",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop judging after this time. Unless something fails, the exit code is then 3.",
)
@REPORTS
@REQUIRE
@output_options
def gate(
    subject: str,
    python: str | None,
    operators: tuple[str, ...],
    profile: str,
    seed: int,
    jobs: int,
    max_unsupported: float,
    case_seconds: float,
    max_time: float | None,
    reports: Path,
    required: dict[int, Fraction],
    **files: Path | None,
) -> None:
    """Judge a subject.

    Exit code 0: it conforms; 1: it fails; 2: usage error, or it could not be loaded; 3: not enough was verified.
    """
    console = Console()
    plan = Plan(
        subject=in_environment(subject, python),
        operators=operators,
        profile=profile,
        seed=seed,
        jobs=jobs,
        reports=reports,
        max_unsupported=max_unsupported,
        limits=Limits(case_seconds=case_seconds, max_seconds=max_time),
    )
    require_writable_files(files)
    show_progress = sys.stderr.isatty() and not os.environ.get("CI")
    try:
        record = follow(judge_subject(plan), Console(stderr=True), show_progress=show_progress)
    except (SubjectError, SpecError, OSError) as error:
        give_up(error)
    summary = summary_of(record)
    tell_github(summary)
    with without_commands():
        show_record(summary, console)
    write_files(summary, files)
    lacking = shortfalls(record.coverage, required)
    show_shortfalls(lacking, console)
    sys.exit(EXIT_CODES[record.verdict] or (INSUFFICIENT if lacking else 0))


def print_schema(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's signature
    """Print the schema and exit."""
    if value:
        click.echo(json.schema(), nl=False)
        ctx.exit()


@main.command()
@click.argument("run", metavar="RUN.json", type=click.Path(path_type=Path))
@output_options
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_schema,
    help="Print the JSON Schema of RUN.json and exit.",
)
def report(run: Path, **files: Path | None) -> None:
    """Show the results in a run record, or write them in other formats.

    RUN.json is a run record, written by convgate gate --json. Exit code 0: done, with any verdict; 2: the record cannot
    be read or a file cannot be written.
    """
    console = Console()
    require_writable_files(files)
    try:
        summary = summary_of(load_record(run))
    except RecordError as error:
        give_up(error)
    for path in write_files(summary, files):
        console.print(Text(f"wrote {path}"), soft_wrap=True)
    if not any(files.values()):
        show_record(summary, console)


@main.command("replay")
@click.argument("what", metavar="SPEC|FOLDER|all")
@click.option(
    "--subject",
    metavar="MODULE[:ATTR]",
    help=f"{SUBJECT_HELP} Default: the subject of the saved failure, or {DEFAULT_SUBJECT}.",
)
@PYTHON
@click.option("--after", metavar="SPEC", default="", help="Spec of a case to call first.")
@REPORTS
def replay_command(what: str, subject: str | None, python: str | None, after: str, reports: Path) -> None:
    """Judge one case again: a spec, a saved failure, or all saved ones.

    Exit code 0: fixed or passing; 1: still failing; 2: it could not be judged.
    """
    console = Console()
    try:
        subject = subject if python is None else in_environment(subject or DEFAULT_SUBJECT, python)
        targets = targets_of(what, reports, subject, DEFAULT_SUBJECT, after)
        replayed = []
        for target in targets:
            replayed.append(replay(target))
            show_replayed(replayed[-1], console)
        complaints = unreadable_failures(reports) if what == "all" else []
    except (SubjectError, SpecError, FailureFileError) as error:
        give_up(error)
    for complaint in complaints:
        complain(complaint)
    if not targets and not complaints:
        console.print(f"No failures are saved in {reports}. Run convgate gate to look for some.")
    states = {each.state for each in replayed}
    sys.exit(1 if "still failing" in states else USAGE if "error" in states or complaints else 0)


def show_replayed(replayed: Replayed, console: Console) -> None:
    """Show the state of a replayed case in one line, and for a failing case its picture."""
    colour = {"still failing": "bold red", "error": "bold yellow"}.get(replayed.state, "bold green")
    line = Text.assemble((replayed.state, colour), f"  {name_of(replayed.target)}: {replayed.message}")
    console.print(line, soft_wrap=True)
    if replayed.picture:
        console.print(Text("\n" + replayed.picture + "\n"), soft_wrap=True)


def name_of(target: Target) -> str:
    """The name of a target in the output."""
    failure = target.failure
    what = target.spec if failure is None else failure.folder_name
    return f"{what} ({target.subject})"


@main.command()
@REPORTS
def failures(reports: Path) -> None:
    """List the saved failures, newest first."""
    console = Console()
    saved, complaints = list_failures(reports), unreadable_failures(reports)
    for complaint in complaints:
        complain(complaint)
    for folder, failure in saved:
        line = Text.assemble(
            f"{failure.found_at}  ", (failure.subject, "bold"), f"  {failure.check}, {failure.symptom}  "
        )
        line.append(f"convgate replay {shlex.quote(folder.as_posix())}", "cyan")
        console.print(line, soft_wrap=True)
    if complaints:
        sys.exit(USAGE)
    if saved:
        where = "" if reports == DEFAULT_REPORTS else f" --reports {shlex.quote(str(reports))}"
        console.print(f"{len(saved)} saved. See which are fixed with: convgate replay all{where}")
    else:
        console.print(f"No failures are saved in {reports}. Run convgate gate to look for some.")


@main.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="A.json [B.json ...]", type=click.Path(path_type=Path, dir_okay=False)
)
@click.option(
    "--missing", type=click.IntRange(min=0), default=10, show_default=True, help="How many combinations to show."
)
@click.option(
    "--against", type=click.Path(path_type=Path, dir_okay=False), help="An earlier run record to compare with."
)
@REQUIRE
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the merged run record here.")
def coverage(
    files: tuple[Path, ...], missing: int, against: Path | None, required: dict[int, Fraction], output: Path | None
) -> None:
    """Merge run records and show which combinations of shape classes they cover.

    Exit code 0: done, with any verdict; 2: a record cannot be read, or the records have different subjects; 3: less is
    covered than required.
    """
    console = Console()
    if len({file.resolve() for file in files}) < len(files):
        give_up(ValueError("the same file is given twice; its cases would be counted twice"))
    try:
        record = merge([load_record(file) for file in files])
        earlier = load_record(against) if against is not None else None
        if output is not None:
            write_text(output, json.render(summary_of(record)))
            console.print(f"wrote {output}", soft_wrap=True)
        now = coverage_of(record.judged, record.operators)
        then = coverage_of(earlier.judged, OPERATORS) if earlier is not None else {}
    except (RecordError, MergeError, SpecError, OSError) as error:
        give_up(error)
    show_coverage(record, gaps_of(now), console, missing=missing)
    if earlier is not None:
        both = [name for name in OPERATORS if name in {*record.operators, *earlier.operators}]
        now = coverage_of(record.judged, both)
        other = "" if earlier.subject == record.subject else f", a record of {earlier.subject}"
        console.print(Text(f"against {against}{other}:"), soft_wrap=True)
        show_difference(difference({name: then[name] for name in both}, now), console, missing=missing)
    lacking = shortfalls(record.coverage, required)
    show_shortfalls(lacking, console)
    sys.exit(INSUFFICIENT if lacking else 0)


@main.command("qualify")
@click.argument("names", nargs=-1, metavar="[FAULT...]")
@click.option(
    "--profile", type=click.Choice(list(PROFILES)), default="pr", show_default=True, help="How many cases to judge."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random cases.")
@click.option("--jobs", type=Jobs(), default="auto", show_default=True, help="Worker processes.")
@click.option("--quick", is_flag=True, help="Stop at the first failing case of each fault; skip explanations.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures as JSON.")
@click.option(
    "--markdown",
    "markdown_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the kill matrix as Markdown.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save judged faults in this file, and continue from it.",
)
def qualify_command(
    names: tuple[str, ...],
    profile: str,
    seed: int,
    jobs: int,
    quick: bool,
    json_file: Path | None,
    markdown_file: Path | None,
    resume: Path | None,
) -> None:
    """Judge the planted faults and show which check finds each.

    FAULT can have wildcards, as in 'conv2d_*'. All faults take about half an hour on two cores. With --resume FILE
    an interrupted run continues. A fault is judged again only if it, the options, the engine or the versions of its
    libraries have changed.

    Exit code 0: all are found; 1: some survive; 2: wrong usage, the base itself fails, or a file cannot be written.
    """
    console = Console()
    require_writable_files({"json": json_file, "markdown": markdown_file, "resume": resume})
    faults = faults_called(names)
    show_progress = sys.stderr.isatty() and not os.environ.get("CI")
    events = qualify(faults, profile=profile, seed=seed, jobs=jobs, quick=quick, names=names, resume=resume)
    try:
        found = follow_kills(events, Console(stderr=True), show_progress=show_progress)
    except (CorrectFailsError, CheckpointError, OSError) as error:
        give_up(error)
    except KeyboardInterrupt:
        if resume is not None:
            Console(stderr=True).print(f"saved in {resume}; run the same command to continue", soft_wrap=True)
        raise
    show_kills(found, console)
    write_all({json_file: kills_as_json(found), markdown_file: kills_as_markdown(found)}, console)
    sys.exit(1 if found.survivors else 0)


def faults_called(names: Sequence[str]) -> list[Fault]:
    """The faults that match any of the names, which can have wildcards; without names all faults."""
    for each in names:
        if not any(fnmatchcase(name, each) for name in CATALOGUE):
            like = ", ".join(get_close_matches(each, CATALOGUE)) or ", ".join(list(CATALOGUE)[:3])
            give_up(ValueError(f"no fault is called {each}; there are {like}, and others in docs/kill-matrix.md"))
    return [fault for name, fault in CATALOGUE.items() if not names or any(fnmatchcase(name, each) for each in names)]


def write_all(texts: Mapping[Path | None, str], console: Console) -> None:
    """Write the requested files, even if one of them cannot be written."""
    unwritten = None
    for path, text in texts.items():
        if path is not None:
            try:
                write_text(path, text)
            except OSError as error:
                unwritten = error
            else:
                console.print(f"wrote {path}", soft_wrap=True)
    if unwritten is not None:
        give_up(unwritten)


@main.command("mutants")
@click.option(
    "--profile", type=click.Choice(list(PROFILES)), default="pr", show_default=True, help="How many cases to judge."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random cases.")
@click.option("--jobs", type=Jobs(), default="auto", show_default=True, help="Worker processes.")
@click.option("--everything", is_flag=True, help="Also judge the equivalent mutants (slow).")
def mutants_command(profile: str, seed: int, jobs: int, everything: bool) -> None:
    """Judge the mutants of impl and show which survive.

    Exit code 0: all are found except those listed as equivalent; 1: some survive, or the list is wrong.
    """
    show_progress = sys.stderr.isatty() and not os.environ.get("CI")
    events = survey(profile=profile, seed=seed, jobs=jobs, everything=everything)
    try:
        found = follow_kills(events, Console(stderr=True), show_progress=show_progress)
    except CorrectFailsError as error:
        give_up(error)
    show_survey(found, Console())
    sys.exit(0 if found.as_known else 1)


def interrupted() -> NoReturn:
    """Report the interruption and exit with 128 plus the number of the signal, as shells expect."""
    Console(stderr=True).print("convgate: interrupted; there is no verdict", soft_wrap=True)
    sys.exit(INTERRUPTED)


def give_up(error: Exception) -> NoReturn:
    """Print the error and exit with the code for wrong usage."""
    complain(str(error))
    sys.exit(USAGE)


def complain(message: str) -> None:
    """Print a message to standard error."""
    Console(stderr=True).print(Text(f"convgate: {message}", "red"), soft_wrap=True)


if __name__ == "__main__":
    main()
