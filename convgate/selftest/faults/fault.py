"""What a fault is: a few lines of the correct base, replaced; and the subject that this makes."""

import ast
import difflib
import inspect
import linecache
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

from convgate.selftest.faults import base

__all__ = ["CORRECT", "STAGES", "Edit", "Fault", "FaultError", "diff_of", "subject_of"]

STAGES = ("forward", "grad_input", "grad_weight", "grad_bias")


class FaultError(Exception):
    """A fault does not fit the base that it is planted in."""


@dataclass(frozen=True)
class Edit:
    """A replacement in the source of one function of the base.

    Parameters
    ----------
    function : str
        Name of the function.
    was, becomes : str
        What stands there once, and what stands there then.
    """

    function: str
    was: str
    becomes: str


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One planted bug.

    Parameters
    ----------
    name : str
        In words joined by underscores, the operator first.
    bug_class : int
        Number in the list of bug classes of the design.
    stage : str
        The output that is wrong: one of `STAGES`. (Of a fault in the arguments or in purity: of the function.)
    depth : int
        How many options must meet for it to show.
    edits : tuple of Edit
        What somebody wrote.
    spec : str
        The smallest case that shows it.
    when : tuple of str
        The true trigger: conditions, in the words of a failure, that all hold if and only if it shows, where the
        output of that stage is there to see and is not all zero, and the data do not happen to hide it.
    after : str
        The case whose calls must come before, if it is only after another that it shows.
    dies : bool
        Whether it kills or blocks the process that calls it.
    """

    name: str
    bug_class: int
    stage: str
    depth: int
    edits: tuple[Edit, ...]
    spec: str
    when: tuple[str, ...]
    after: str = ""
    dies: bool = False

    @property
    def operator(self) -> str:
        """The operator that is faulty."""
        return self.spec.partition(":")[0]

    @property
    def functions(self) -> frozenset[str]:
        """The functions that a fault changes, by the functions in which it is planted."""
        return frozenset(edit.function for edit in self.edits)


CORRECT = SimpleNamespace(**{name: getattr(base, name) for name in base.__all__})


@cache
def source_lines() -> tuple[str, ...]:
    """The base's source, line by line."""
    return tuple(inspect.getsource(base).splitlines(keepends=True))


@cache
def extents() -> dict[str, tuple[int, int]]:
    """The first line and the one after the last of each function of the base, counted from 0."""
    tree = ast.parse("".join(source_lines()))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {node.name: (node.lineno - 1, node.end_lineno or node.lineno) for node in functions}


def source_of_function(name: str) -> str:
    """Source of a function of the base.

    Raises
    ------
    FaultError
        If there is none by this name.
    """
    if name not in extents():
        raise FaultError(f"the base has no function {name}; it has {', '.join(extents())}")
    return "".join(source_lines()[slice(*extents()[name])])


def edited(*faults: Fault) -> dict[str, str]:
    """Source of each function that faults change.

    Raises
    ------
    FaultError
        If what is to be replaced does not stand there exactly once.
    """
    found: dict[str, str] = {}
    for fault in faults:
        for edit in fault.edits:
            source = found.get(edit.function) or source_of_function(edit.function)
            times = source.count(edit.was)
            if times != 1:
                raise FaultError(f"{fault.name}: {edit.was!r} stands {times} times in {edit.function}, and must once")
            found[edit.function] = source.replace(edit.was, edit.becomes)
    return found


def subject_of(*faults: Fault) -> SimpleNamespace:
    """The correct base with faults planted in the functions of their operators; the others stay as they are.

    Raises
    ------
    FaultError
        If they do not fit the base, or one another.
    """
    lines = list(source_lines())
    for name, source in edited(*faults).items():
        start, stop = extents()[name]
        lines[start:stop] = [source, *[""] * (stop - start - 1)]
    text = "".join(lines)
    filename = f"<base with {', '.join(fault.name for fault in faults)}>"
    # so that tracebacks show what the faults say
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"__name__": filename}
    exec(compile(text, filename, "exec"), namespace)  # noqa: S102 - our own text with our own changes
    operators = {fault.operator for fault in faults}
    own = {name: namespace[name] for name in base.__all__ if name.removesuffix("_backward") in operators}
    return SimpleNamespace(**vars(CORRECT) | own)


def diff_of(fault: Fault) -> str:
    """What somebody wrote, for a person: lines taken out and put in, function by function."""
    found = []
    for name, source in edited(fault).items():
        before, after = source_of_function(name).splitlines(), source.splitlines()
        found.append(f"  {name}")
        lines = difflib.ndiff(before, after)
        found += [f"{line[:2]}{line[2:].strip()}" for line in lines if line.startswith(("- ", "+ "))]
    return "\n".join(found)
