"""The kill matrix: the checks that find each fault, on a terminal and as Markdown."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TypeVar

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from convgate.judging.checks import CHECKS
from convgate.report.markdown import escaped, row
from convgate.results.coverage import percent
from convgate.results.events import Progressed
from convgate.results.foreign_text import code
from convgate.selftest.qualification import JudgedFault, Qualification
from convgate.selftest.qualify import CASES_MORE

__all__ = ["as_json", "as_markdown", "follow_kills", "show_kills"]

Outcome = TypeVar("Outcome")

# Titles of the classes of faults.
CLASSES = {
    1: "average counts the ceil_mode overhang",
    2: "the same only in backward",
    3: "ceil_mode's clip rule",
    4: "padding on the wrong side",
    5: "divisor_override ignored",
    6: "overlapping max windows",
    7: "overlapping views assigned",
    8: "stride leaves a remainder",
    9: "an edge at one combination of options",
    10: "stride larger than the kernel",
    11: "fast path for 1x1 taken wrongly",
    12: "gradients of groups",
    13: "tails of blocks",
    14: "depthwise with dilation or stride",
    15: "dilation in the size, not in the indices",
    16: "height and width swapped",
    17: "memory layouts",
    18: "padding and initial value of a maximum, NaN",
    19: "wrong intermediate dtype",
    20: "ties",
    21: "accumulator too narrow",
    22: "empty batch",
    23: "invalid arguments accepted",
    24: "bias",
    25: "inputs changed, memory shared",
    26: "images, channels or filters left out",
    27: "state between calls",
    28: "three to five options coincide",
    29: "whole blocks",
    30: "layers of networks",
    31: "large options",
    32: "much work",
    33: "non-finite weights, biases and gradients",
    34: "memory order inferred from too little",
    35: "options assumed equal",
    36: "invalid on both axes at once",
    37: "results that are not plain arrays",
    38: "occasional wrong results",
}


@cache
def short_heads() -> dict[str, str]:
    """Check to the short heading of its column."""
    return {check.name: check.short for check in CHECKS.values()}


# Explanations of the columns.
WITHOUT_PYTORCH = (
    "Found *without PyTorch* means found by the definition, finite differences and identities if PyTorch is not used. "
    "The number is the same as with it, because PyTorch only has a veto: if it contradicts the definition, the subject "
    "is not blamed. So it can prevent a check from failing, but cannot make one fail. Its purpose is not to find more "
    "faults, but to keep a mistake in the definition from being blamed on a subject."
)
GRADIENTS_ALONE = (
    "Found by *gradient checks alone* means found by finite differences or the adjoint identity, which compare the "
    "backward pass of a subject with its own forward pass, as gradient checks in tests do. They cannot see errors that "
    "both passes share (dilation that affects the output size but not the indices), errors that affect no derivative "
    "(dtypes, arguments that must be rejected, shared memory), or errors that show only on data without a derivative "
    "(ties, NaN)."
)
EXPLAINED = (
    f"Checks continue for about {CASES_MORE} cases after the first kill. ✓ under `when` means that the conditions of "
    "the failure are exactly those under which the fault shows, according to the catalogue or, on cases where the two "
    "differ, according to a run of the fault itself. If there are several failures, one of them must occur wherever "
    "the fault shows, and none elsewhere. Failures on invalid problems do not count, because the catalogue describes "
    "valid ones. The sections below give the number of cases that meet the conditions and how many of these fail; the "
    "others have data that hide the fault, or no output in which it shows. ✓ under `small` means that the geometry and "
    "options of a minimal case are as simple as those of the smallest case in the catalogue."
)


def as_json(found: Qualification) -> str:
    """Render the whole result as JSON."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def survivors_first(found: Qualification) -> list[JudgedFault]:
    """The survivors, then the other faults by class."""
    return sorted(found.faults, key=lambda fault: (bool(fault.kills), fault.bug_class, fault.name))


def by_class(found: Qualification) -> dict[int, list[JudgedFault]]:
    """The faults of each class, in the order of the classes."""
    classes: dict[int, list[JudgedFault]] = defaultdict(list)
    for fault in found.faults:
        classes[fault.bug_class].append(fault)
    return dict(sorted(classes.items()))


def one_line(found: Qualification) -> str:
    """The result in a sentence."""
    total = len(found.faults)
    killed = total - len(found.survivors)
    within = f", half of them within {found.median_case:g} cases" if killed else ""
    return f"The gate at profile {found.profile} finds {killed} of {total} faults{within}."


def shares(found: Qualification) -> Iterator[tuple[str, int]]:
    """Descriptions of results, with the number of faults for which each holds."""
    yield "found by the gate", sum(bool(fault.kills) for fault in found.faults)
    without = sum(bool(fault.without_torch) for fault in found.faults)
    yield "found without PyTorch, which only has a veto (definition, finite differences, identities)", without
    yield "found by a usual test (a few shapes, allclose)", sum(fault.usual for fault in found.faults)
    if not found.explained:
        return
    gradients = sum(fault.by_gradients for fault in found.faults)
    yield f"found by gradient checks alone, within {CASES_MORE} cases of the first that shows it", gradients
    yield "reported as one failure", sum(len(fault.failures) == 1 for fault in found.faults)
    yield (
        "explained exactly: it fails when the fault shows, and not otherwise",
        sum(fault.exact is True for fault in found.faults),
    )
    yield (
        "with a minimal case as small as the smallest that shows it",
        sum(fault.small is True for fault in found.faults),
    )


def follow_kills(events: Iterable[Progressed | Outcome], console: Console, *, show_progress: bool) -> Outcome:
    """Show the progress of a run, and return its result."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    found = None
    with Progress(*columns, console=console, disable=not show_progress, transient=True) as progress:
        loading = progress.add_task("loading", total=None)
        rows: dict[str, TaskID] = {}
        for event in events:
            match event:
                case Progressed(phase=phase, done=done, total=total):
                    if phase not in rows:
                        # the first one replaces the initial row
                        rows[phase] = progress.add_task(phase) if rows else loading
                    progress.update(rows[phase], description=phase, completed=done, total=total)
                case _:
                    found = event
    if found is None:
        raise RuntimeError("it ended without a result")
    return found


def show_kills(found: Qualification, console: Console) -> None:
    """Show the faults, survivors first, then totals by class and the result."""
    console.print(table_of_faults(found))
    console.print()
    console.print(table_of_classes(found))
    console.print()
    for words, number in shares(found):
        share = percent(number, len(found.faults))
        console.print(f"{number:4d} of {len(found.faults)} ({share}) {words}", soft_wrap=True)
    console.print()
    for fault in found.survivors:
        after = f" --after {fault.after}" if fault.after else ""
        replay = f"convgate replay {fault.smallest}{after} --subject convgate.selftest.faults:{fault.name}"
        line = f"survives: {fault.name} (class {fault.bug_class}); look at {replay}"
        console.print(Text(line, "bold red"), soft_wrap=True)
    console.print(Text(one_line(found), "bold red" if found.survivors else "bold green"), soft_wrap=True)


def table_of_faults(found: Qualification) -> Table:
    """For each fault the check that finds it first, the number of cases and seconds until then, and other checks."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("fault", "found by"):
        table.add_column(head, no_wrap=True)
    for head in ("case", "seconds"):
        table.add_column(head, justify="right")
    table.add_column("also by")
    for fault in survivors_first(found):
        if fault.kills:
            kill = fault.kills[fault.found_by]
            others = " ".join(
                short for check, short in short_heads().items() if check in fault.kills and check != fault.found_by
            )
            table.add_row(fault.name, fault.found_by, str(kill.case), f"{kill.seconds:.2f}", others)
        else:
            table.add_row(fault.name, "nothing", "", "", "", style="bold red")
    return table


def table_of_classes(found: Qualification) -> Table:
    """For each class the number of faults, and how many are found by the gate and by single methods."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class", no_wrap=True)
    for head in ("faults", "found", *alone(found)):
        table.add_column(head, justify="right")
    rows = [(f"{number:2d} {CLASSES[number]}", faults) for number, faults in by_class(found).items()]
    for words, faults in (*rows, ("all", found.faults)):
        numbers = list(counts_of(found, faults))
        kept = numbers[:2] + numbers[2 + len(short_heads()) :]
        table.add_row(words, *map(str, kept), style="" if faults is not found.faults else "bold")
    return table


def alone(found: Qualification) -> list[str]:
    """Headings of the columns for single methods; a quick run does not examine gradient checks."""
    return ["without PyTorch", *(["gradients alone"] if found.explained else []), "usual test"]


def counts_of(found: Qualification, faults: Sequence[JudgedFault]) -> Iterator[int]:
    """Number of faults, of found ones, of those found by each check, and of those found by the methods in `alone`."""
    yield len(faults)
    yield sum(bool(fault.kills) for fault in faults)
    for check in short_heads():
        yield sum(check in fault.kills for fault in faults)
    yield sum(bool(fault.without_torch) for fault in faults)
    if found.explained:
        yield sum(fault.by_gradients for fault in faults)
    yield sum(fault.usual for fault in faults)


def as_markdown(found: Qualification) -> str:
    """Render a page with the result, totals by class and every fault."""
    return "\n\n".join(blocks(found)) + "\n"


def resumed(found: Qualification) -> str:
    """Words about the faults that an earlier run had judged."""
    return f", {found.resumed} of the faults in an earlier, interrupted run" if found.resumed else ""


def blocks(found: Qualification) -> Iterator[str]:
    """The blocks of the page."""
    yield "# The kill matrix"
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    yield (
        f"{one_line(found)} Made by `{found.command} --markdown FILE` in "
        f"{found.seconds:,.0f} s with {found.jobs} workers{resumed(found)} ({escaped(versions)})."
    )
    total = len(found.faults)
    yield "\n".join(
        [
            row(["of", f"{total} faults", ""]),
            row(["---", "---:", "---:"]),
            *(row([words, str(number), percent(number, total)]) for words, number in shares(found)),
        ]
    )
    yield WITHOUT_PYTORCH
    if found.explained:
        yield GRADIENTS_ALONE
    yield "## By class"
    within = (
        f"within {CASES_MORE} cases of the first that shows it" if found.explained else "on the first that shows it"
    )
    yield f"Number of faults that each check finds, {within}; several checks can find the same fault."
    yield f"Columns: {', '.join(f'{short} {code(check)}' for check, short in short_heads().items())}."
    heads = ["class", "faults", "found", *short_heads().values(), *alone(found)]
    yield "\n".join(
        [
            row([escaped(head) for head in heads]),
            row(["---", *["---:"] * (len(heads) - 1)]),
            *(
                row([f"{number} {escaped(CLASSES[number])}", *map(str, counts_of(found, faults))])
                for number, faults in by_class(found).items()
            ),
            row(["all", *map(str, counts_of(found, found.faults))]),
        ]
    )
    yield "## By fault"
    yield (
        "For each check the number of its first failing case, among those of the operator; `seconds` is the time on "
        "one core to judge the cases up to the first that fails. If the process dies or hangs, this includes the time "
        "until that is noticed, other checks are not known, and the result without PyTorch is inferred, because "
        "PyTorch cannot make a check fail."
    )
    yield (
        "Faults of class 27 keep state between calls, so their numbers depend on the cases that the process judged "
        "before, and differ from run to run."
    )
    if found.explained:
        yield EXPLAINED
    told = ["when", "small"] if found.explained else []
    heads = ["fault", "class", "depth", "stage", *short_heads().values(), "seconds", "torch-free", "usual", *told]
    yield "\n".join(
        [
            row([escaped(head) for head in heads]),
            row(["---", "---:", "---:", "---", *["---:"] * (len(heads) - 4)]),
            *(row(list(cells(fault))[: len(heads)]) for fault in survivors_first(found)),
        ]
    )
    yield "## Changes and explanations"
    for fault in sorted(found.faults, key=lambda fault: (fault.bug_class, fault.name)):
        yield from entry(fault)


def cells(fault: JudgedFault) -> Iterator[str]:
    """The cells of a row of the matrix."""
    yield f"[{escaped(fault.name)}](#{fault.name})"
    yield str(fault.bug_class)
    yield str(fault.depth)
    yield escaped(fault.stage)
    for check in short_heads():
        kill = fault.kills.get(check)
        number = "" if kill is None else str(kill.case)
        yield f"**{number}**" if check == fault.found_by else number
    yield f"{fault.kills[fault.found_by].seconds:.2f}" if fault.kills else "survives"
    yield tick(bool(fault.without_torch))
    yield tick(fault.usual)
    yield tick(fault.exact is True)
    yield tick(fault.small is True)


def tick(holds: bool) -> str:
    """A tick if something holds, otherwise nothing."""
    return "✓" if holds else ""


def entry(fault: JudgedFault) -> Iterator[str]:
    """The section of a fault: its change, trigger and smallest case, and the failures that the gate reports."""
    yield f"### {fault.name}"
    yield f"```diff\n{fault.diff}\n```"
    truth = " and ".join(fault.trigger) or "always"
    after = f" after {code(fault.after)}" if fault.after else ""
    lines = [f"- shows when {code(truth)}; smallest case {code(fault.smallest)}{after}"]
    for each in fault.failures:
        said = "it is not known when"
        if each.conditions is not None:
            words = " and ".join(each.conditions) or "always"
            said = f"when {code(words)} ({each.failing} of {each.having} such cases fail)"
        lines.append(
            f"- the gate: {escaped(each.check)}, {escaped(each.symptom)}, {said}; minimal case {code(each.minimal)}"
        )
    yield "\n".join(lines)
