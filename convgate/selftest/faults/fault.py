"""Faults, each a replacement of a few lines of the correct base, and the subjects made from them."""

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
    """A fault does not fit the base."""


@dataclass(frozen=True)
class Edit:
    """A replacement in the source of one function of the base.

    Parameters
    ----------
    function : str
        Name of the function.
    was, becomes : str
        The text to replace, which occurs exactly once in the function, and the new text.
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
        The name, in words joined by underscores, beginning with the operator.
    bug_class : int
        Number of the bug class.
    stage : str
        The wrong output: one of `STAGES`. (For a fault in arguments or purity: an output of the faulty function.)
    depth : int
        Number of options that must coincide for it to show.
    edits : tuple of Edit
        The replacements.
    spec : str
        The smallest case that shows it.
    when : tuple of str
        The true trigger: conditions in the words of a failure, all of which hold if and only if the fault shows,
        provided that the output of the stage exists and is not all zero, and the data do not hide it by chance.
    after : str
        The case whose calls must come first, if the fault shows only after another case.
    dies : bool
        Whether it crashes or blocks the process that calls it.
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
        """The faulty operator."""
        return self.spec.partition(":")[0]

    @property
    def functions(self) -> frozenset[str]:
        """The functions that the edits change."""
        return frozenset(edit.function for edit in self.edits)


CORRECT = SimpleNamespace(**{name: getattr(base, name) for name in base.__all__})


@cache
def source_lines() -> tuple[str, ...]:
    """The lines of the base's source."""
    return tuple(inspect.getsource(base).splitlines(keepends=True))


@cache
def extents() -> dict[str, tuple[int, int]]:
    """First line and end of each function of the base, as indices of a slice of its lines."""
    tree = ast.parse("".join(source_lines()))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {node.name: (node.lineno - 1, node.end_lineno or node.lineno) for node in functions}


def source_of_function(name: str) -> str:
    """Source of a function of the base.

    Raises
    ------
    FaultError
        If the base has no function of this name.
    """
    if name not in extents():
        raise FaultError(f"the base has no function {name}; it has {', '.join(extents())}")
    return "".join(source_lines()[slice(*extents()[name])])


def edited(*faults: Fault) -> dict[str, str]:
    """New source of each function that the faults change.

    Raises
    ------
    FaultError
        If the text to replace does not occur exactly once.
    """
    found: dict[str, str] = {}
    for fault in faults:
        for edit in fault.edits:
            source = found.get(edit.function) or source_of_function(edit.function)
            times = source.count(edit.was)
            if times != 1:
                raise FaultError(f"{fault.name}: {edit.was!r} must occur once in {edit.function}, not {times} times")
            found[edit.function] = source.replace(edit.was, edit.becomes)
    return found


def subject_of(*faults: Fault) -> SimpleNamespace:
    """The correct base with faults planted in the functions of their operators; other operators stay correct.

    Raises
    ------
    FaultError
        If the faults do not fit the base or each other.
    """
    lines = list(source_lines())
    for name, source in edited(*faults).items():
        start, stop = extents()[name]
        lines[start:stop] = [source, *[""] * (stop - start - 1)]
    text = "".join(lines)
    filename = f"<base with {', '.join(fault.name for fault in faults)}>"
    # so that tracebacks show the lines of the faults
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"__name__": filename}
    exec(compile(text, filename, "exec"), namespace)  # noqa: S102 - our own text with our own changes
    operators = {fault.operator for fault in faults}
    own = {name: namespace[name] for name in base.__all__ if name.removesuffix("_backward") in operators}
    return SimpleNamespace(**vars(CORRECT) | own)


def diff_of(fault: Fault) -> str:
    """The change of a fault as a diff: the removed and added lines of each function."""
    found = []
    for name, source in edited(fault).items():
        before, after = source_of_function(name).splitlines(), source.splitlines()
        found.append(f"  {name}")
        lines = difflib.ndiff(before, after)
        found += [f"{line[:2]}{line[2:].strip()}" for line in lines if line.startswith(("- ", "+ "))]
    return "\n".join(found)
