"""A package's source: its syntax trees, the dependencies between its names, and private copies of it."""

import ast
import builtins
import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from convgate.selftest.faults.mutations import shown

__all__ = ["Unit", "names_bound", "private_copy", "reachable", "trees"]

# A module's name, and a name that it binds at module level.
Unit = tuple[str, str]


@cache
def trees(package: str) -> dict[str, ast.Module]:
    """The syntax trees of a package's modules by their dotted names."""
    root = Path(str(importlib.import_module(package).__file__)).parent
    found = {}
    for path in sorted(root.rglob("*.py")):
        name = ".".join((package, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


@cache
def compiled(package: str) -> dict[str, CodeType]:
    """The code of a package's modules by their dotted names."""
    return {name: compile(tree, f"<copy of {name}>", "exec") for name, tree in trees(package).items()}


def private_copy(
    package: str,
    mutated: Mapping[str, CodeType] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> ModuleType:
    """Make a copy of a package by executing its modules again, each with an `import` that finds the other copies.

    Parameters
    ----------
    package : str
        Import name of the package.
    mutated : dict or None
        Module name to the code that replaces the module's own.
    settings : dict or None
        Module name to new values of its names, set after the module has been executed.
    """
    code = {**compiled(package), **(mutated or {})}
    modules: dict[str, ModuleType] = {}

    def module(name: str) -> ModuleType:
        if name not in modules:
            parent, _, child = name.rpartition(".")
            if parent in code:
                module(parent)
            copy = modules[name] = ModuleType(name)
            copy.__package__ = package_of(name, code)
            copy.__dict__["__builtins__"] = {**vars(builtins), "__import__": import_}
            exec(code[name], copy.__dict__)  # noqa: S102 - to run a package's own source is what an import does
            if parent in modules:
                setattr(modules[parent], child, copy)
        return modules[name]

    def import_(
        name: str,
        globals_: Mapping[str, Any] | None = None,
        locals_: Mapping[str, Any] | None = None,
        fromlist: tuple[str, ...] | None = (),
        level: int = 0,
    ) -> ModuleType:
        whole = importlib.util.resolve_name("." * level + name, (globals_ or {}).get("__package__"))
        if whole not in code:
            return builtins.__import__(name, globals_, locals_, fromlist or (), level)
        for each in fromlist or ():
            if f"{whole}.{each}" in code:
                module(f"{whole}.{each}")
        module(whole)
        return modules[whole if fromlist else package]

    whole = module(package)
    for name, bound in (settings or {}).items():
        vars(module(name)).update(bound)
    return whole


def package_of(module: str, modules: Mapping[str, object]) -> str:
    """The package from which a module's relative imports start."""
    return module if any(name.startswith(f"{module}.") for name in modules) else module.rpartition(".")[0]


def reachable(package: str, functions: tuple[str, ...]) -> set[Unit]:
    """The module-level names that a package's functions use, directly or indirectly."""
    uses = uses_of(package)
    found: set[Unit] = set()
    ahead = [(package, name) for name in functions]
    while ahead:
        unit = ahead.pop()
        if unit not in found:
            found.add(unit)
            ahead += uses.get(unit, ())
    return found


@cache
def uses_of(package: str) -> dict[Unit, set[Unit]]:
    """Each module-level name to the names that its statement uses; for an import, to the imported names."""
    modules = trees(package)
    found: dict[Unit, set[Unit]] = {}
    for module, tree in modules.items():
        for top in tree.body:
            if isinstance(top, ast.ImportFrom):
                source = importlib.util.resolve_name("." * top.level + (top.module or ""), package_of(module, modules))
                for alias in top.names:
                    whole = modules.get(f"{source}.{alias.name}")
                    names = (
                        {alias.name} if whole is None else {name for each in whole.body for name in names_bound(each)}
                    )
                    origin = source if whole is None else f"{source}.{alias.name}"
                    found[module, alias.asname or alias.name] = {(origin, name) for name in names}
            else:
                mentioned = {(module, node.id) for node in below(top) if isinstance(node, ast.Name)}
                for name in names_bound(top):
                    found.setdefault((module, name), set()).update(mentioned)
    return found


def names_bound(statement: ast.stmt) -> set[str]:
    """The names that a module-level statement binds."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in statement.names}
    stored = (node for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return {node.id for node in stored}


def below(node: ast.AST) -> Iterator[ast.AST]:
    """All descendants of a node, without annotations."""
    for _, child in shown(node):
        yield child
        yield from below(child)
