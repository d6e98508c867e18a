"""Mutants of a package's own source: one small change each to one statement, enumerated from its syntax trees.

A mutant is a subject like any other: ``convgate gate --subject convgate.selftest.faults.mutants:impl_conv_1a2b3c4d``.

Two maintained tools do not fit. Cosmic Ray (8.7) starts the test command again for each mutant, and loading NumPy and
PyTorch takes seconds: an hour in total, while a process that has them loaded takes milliseconds for each mutant. mutmut
(3.8) forks instead, but it skips decorated functions, such as most public ones of `impl`, and it supports only pytest,
not the cases and checks of the gate.

Not mutated are docstrings and annotations; decorators; `raise` and the statements before it, because messages are not
judged; ``strict`` of `zip`, an assertion; code that no function of the subject protocol uses, such as layers; and
default arguments of the protocol's functions, because every option is passed.
"""

import ast
import hashlib
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from convgate.judging.subjects.loader import DEFAULT_SUBJECT
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.selftest.faults.mutations import Steps, changes, first_line, put
from convgate.selftest.faults.source import names_bound, private_copy, reachable, trees

__all__ = ["EQUIVALENT", "Mutant", "equivalents", "functions_of_protocol", "load", "mutants_of"]

# Mutants that cannot be distinguished from the package by the functions of the protocol, each with the reason.
EQUIVALENT = Path(__file__).with_name("equivalent.toml")

# Our own package splits large problems into tiles and distributes them among threads. Its mutants use small tiles and
# always two threads, so that the small problems of the gate are split too, and a smaller `FEW`, so that few problems
# use the path for few output positions.
SETTINGS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    DEFAULT_SUBJECT: {
        f"{DEFAULT_SUBJECT}.conv": {"FEW": 4},
        f"{DEFAULT_SUBJECT}.tiles": {"TILE": 2**12},
        f"{DEFAULT_SUBJECT}.threads": {"WORTH_SHARING": 0, "number_of_threads": lambda: 2},
    }
}


@dataclass(frozen=True)
class Mutant:
    """A package with one small change.

    Parameters
    ----------
    id : str
        The module, and a digest of the function, the statement and the change. Edits of other statements do not
        change it.
    package, module, function : str
        The place of the change; the function is empty at the top of a module.
    line : int
        The line on which the statement begins.
    kind : str
        The kind of change.
    was, becomes : str
        The statement's first line before and after, as `ast.unparse` writes it.
    operators : tuple of str
        The operators that the change can affect.
    steps, node
        The path to the replaced node in the module's syntax tree, and the new node.
    """

    id: str
    package: str
    module: str
    function: str
    line: int
    kind: str
    was: str
    becomes: str
    operators: tuple[str, ...]
    steps: Steps = field(repr=False, compare=False)
    node: ast.AST = field(repr=False, compare=False)

    @property
    def diff(self) -> str:
        """The change, in two lines."""
        return f"- {self.was}\n+ {self.becomes}"


@dataclass(frozen=True)
class Place:
    """A statement and its place: the path to it, its function and that function's parameters."""

    steps: Steps
    statement: ast.stmt
    function: str
    parameters: frozenset[str]


@cache
def mutants_of(package: str = DEFAULT_SUBJECT) -> Mapping[str, Mutant]:
    """All mutants of a package by their id, in the order of its modules and lines.

    Parameters
    ----------
    package : str
        Import name of the package. It is imported, never changed.
    """
    names = {operator: functions_of_protocol(operator) for operator in OPERATORS}
    reached = {operator: reachable(package, names[operator]) for operator in OPERATORS}
    called = {name for functions in names.values() for name in functions}
    found: dict[str, Mutant] = {}
    equals = Counter[tuple[str, str]]()
    for module, tree in trees(package).items():
        for place in statements(tree):
            units = {(module, name) for name in names_bound(tree.body[place.steps[0][1] or 0])}
            operators = tuple(operator for operator in OPERATORS if units & reached[operator])
            if not operators or (isinstance(place.statement, ast.FunctionDef) and place.statement.name in called):
                continue
            was = first_line(place.statement)
            made = {was}
            for kind, below, node in changes(place.statement, place.parameters):
                becomes = first_line(put(place.statement, below, node))
                if becomes in made:
                    continue
                made.add(becomes)
                text = f"{place.function}\n{was}\n{becomes}"
                digest = hashlib.sha256(f"{text}\n{equals[module, text]}".encode()).hexdigest()[:8]
                equals[module, text] += 1
                mutant = Mutant(
                    id=f"{module.replace('.', '_')}_{digest}",
                    package=package,
                    module=module,
                    function=place.function,
                    line=place.statement.lineno,
                    kind=kind,
                    was=was,
                    becomes=becomes,
                    operators=operators,
                    steps=place.steps + below,
                    node=node,
                )
                found[mutant.id] = mutant
    return found


@cache
def equivalents() -> Mapping[str, str]:
    """Id of each equivalent mutant of the default package to the reason."""
    groups = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["equivalent"]
    return {mutant: group["reason"] for group in groups for mutant in group["mutants"]}


def load(mutant: Mutant) -> ModuleType:
    """A private copy of the package with the mutant's change; the package itself is not changed."""
    tree = cast("ast.Module", put(trees(mutant.package)[mutant.module], mutant.steps, mutant.node))
    code = compile(ast.fix_missing_locations(tree), f"<{mutant.id}>", "exec")
    return private_copy(mutant.package, {mutant.module: code}, SETTINGS.get(mutant.package))


def __getattr__(name: str) -> ModuleType:
    """The mutant of this id or, for the name of the package itself, an unchanged copy."""
    if name == DEFAULT_SUBJECT:
        return private_copy(DEFAULT_SUBJECT, settings=SETTINGS.get(DEFAULT_SUBJECT))
    # every `from convgate.selftest.faults.mutants import` looks up __path__, and enumerating the mutants takes almost a
    # second
    mutant = None if name.startswith("__") else mutants_of(DEFAULT_SUBJECT).get(name)
    if mutant is None:
        raise AttributeError(f"{DEFAULT_SUBJECT} has no mutant {name}; ids change with the statement that is mutated")
    return load(mutant)


def statements(
    block: ast.AST, steps: Steps = (), function: str = "", parameters: frozenset[str] = frozenset()
) -> Iterator[Place]:
    """All statements in a module or statement, except blocks that end with `raise`."""
    for name in ("body", "handlers", "orelse", "finalbody"):
        found = getattr(block, name, [])
        if found and isinstance(found[-1], ast.Raise):
            continue
        for index, statement in enumerate(found):
            here, inner, bound = (*steps, (name, index)), function, parameters
            if isinstance(statement, ast.stmt):
                yield Place(here, statement, function, parameters)
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                inner = f"{function}.{statement.name}".lstrip(".")
            if isinstance(statement, ast.FunctionDef):
                bound = frozenset(each.arg for each in (*statement.args.args, *statement.args.kwonlyargs))
            yield from statements(statement, here, inner, bound)


def functions_of_protocol(operator: str) -> tuple[str, ...]:
    """Names of the functions of an operator in the subject protocol."""
    kind, problem = OPERATORS[operator], Problem(operator=operator)
    return tuple(call(problem).function for call in (kind.forward, kind.backward) if call is not None)
