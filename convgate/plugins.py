"""Rows that other packages add to our tables, through entry points."""

from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Protocol, TypeVar

__all__ = ["PluginError", "with_plugins"]


class PluginError(Exception):
    """What a package gives in one of our entry point groups is of no use."""


class Row(Protocol):
    """A row of a table."""

    @property
    def name(self) -> str:
        """What it is called by."""


AnyRow = TypeVar("AnyRow", bound=Row)


def with_plugins(group: str, kind: type[AnyRow], own: Iterable[AnyRow]) -> dict[str, AnyRow]:
    """A table of rows by name: our own, then those of other packages in the order of their names.

    Parameters
    ----------
    group : str
        The entry point group, such as ``convgate.checks``.
    kind : type
        What a row must be.
    own : iterable
        Our own rows.

    Raises
    ------
    PluginError
        If an entry point is no such row, cannot be loaded, or has a name that is taken.
    """
    table = {row.name: row for row in own}
    for entry in sorted(entry_points(group=group), key=lambda each: each.name):
        what = f"entry point {entry.name!r} of the group {group} ({entry.value})"
        try:
            row = entry.load()
        except Exception as error:
            raise PluginError(f"{what} cannot be loaded ({error}); mend or uninstall its package") from error
        if not isinstance(row, kind):
            raise PluginError(
                f"{what} must be a {kind.__name__}, got {type(row).__name__}; mend or uninstall its package"
            )
        if row.name in table:
            raise PluginError(f"{what} has the name {row.name!r}, which is taken; give it another")
        table[row.name] = row
    return table
