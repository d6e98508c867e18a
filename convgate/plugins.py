"""Tables of rows, to which other packages add theirs through entry points."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import entry_points
from typing import Protocol, TypeVar

__all__ = ["PluginError", "Table"]


class PluginError(Exception):
    """What a package gives in one of our entry point groups is of no use."""


class Row(Protocol):
    """A row of a table."""

    @property
    def name(self) -> str:
        """What it is called by."""


AnyRow = TypeVar("AnyRow", bound=Row)


class Table(Mapping[str, AnyRow]):
    """Rows by name: our own, then those of other packages in the order of their names.

    Those of others are loaded when the table is first looked at, as they may import whatever imports the table.

    Parameters
    ----------
    group : str
        The entry point group, such as ``convgate.checks``.
    kind : type
        What a row must be.
    own : iterable
        Our own rows.
    """

    def __init__(self, group: str, kind: type[AnyRow], own: Iterable[AnyRow]) -> None:
        self.group, self.kind, self.own = group, kind, tuple(own)

    @cached_property
    def rows(self) -> dict[str, AnyRow]:
        """All rows.

        Raises
        ------
        PluginError
            If an entry point is no such row, cannot be loaded, or has a name that is taken.
        """
        table = {row.name: row for row in self.own}
        for entry in sorted(entry_points(group=self.group), key=lambda each: each.name):
            what = f"entry point {entry.name!r} of the group {self.group} ({entry.value})"
            try:
                row = entry.load()
            except Exception as error:
                raise PluginError(f"{what} cannot be loaded ({error}); mend or uninstall its package") from error
            if not isinstance(row, self.kind):
                must_be, name = self.kind.__name__, type(row).__name__
                raise PluginError(f"{what} must be a {must_be}, got {name}; mend or uninstall its package")
            if row.name in table:
                raise PluginError(f"{what} has the name {row.name!r}, which is taken; give it another")
            table[row.name] = row
        return table

    def __getitem__(self, name: str) -> AnyRow:
        return self.rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)
