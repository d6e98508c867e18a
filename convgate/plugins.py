"""Tables whose rows other packages can extend through entry points."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import entry_points
from typing import Protocol, TypeVar

__all__ = ["PluginError", "Table"]

# Names serve as command options, words of specs, and keys.
NAME = re.compile(r"[a-z][a-z0-9_]*")


class PluginError(Exception):
    """An entry point of another package is invalid."""


class Row(Protocol):
    """A row of a table."""

    @property
    def name(self) -> str:
        """The name of the row."""


AnyRow = TypeVar("AnyRow", bound=Row)


class Table(Mapping[str, AnyRow]):
    """Rows by name: our own, then those of other packages in alphabetical order.

    Rows of other packages are loaded on first access, because they may import modules that import the table.

    Parameters
    ----------
    group : str
        The entry point group, such as ``convgate.checks``.
    kind : type
        The type of a row.
    own : iterable
        Our own rows.
    taken : iterable of str
        Reserved names that no row may have.
    """

    def __init__(self, group: str, kind: type[AnyRow], own: Iterable[AnyRow], *, taken: Iterable[str] = ()) -> None:
        self.group, self.kind, self.own, self.taken = group, kind, tuple(own), frozenset(taken)

    @cached_property
    def rows(self) -> dict[str, AnyRow]:
        """All rows.

        Raises
        ------
        PluginError
            If an entry point cannot be loaded, has the wrong type, or has a name that is taken or invalid.
        """
        table = {row.name: row for row in self.own}
        for entry in sorted(entry_points(group=self.group), key=lambda each: each.name):
            what = f"entry point {entry.name!r} of the group {self.group} ({entry.value})"
            try:
                row = entry.load()
            except Exception as error:
                raise PluginError(f"{what} cannot be loaded ({error}); fix or uninstall its package") from error
            if not isinstance(row, self.kind):
                must_be, name = self.kind.__name__, type(row).__name__
                raise PluginError(f"{what} must be a {must_be}, got {name}; fix or uninstall its package")
            if NAME.fullmatch(row.name) is None:
                raise PluginError(f"{what} has the name {row.name!r}; names are letters, digits and underscores")
            if row.name in table or row.name in self.taken:
                raise PluginError(f"{what} has the name {row.name!r}, which is taken; give it another")
            table[row.name] = row
        return table

    def __getitem__(self, name: str) -> AnyRow:
        return self.rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)
