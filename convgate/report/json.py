"""The run record as a JSON file."""

from pathlib import Path

import msgspec

from convgate.files import write_text
from convgate.record import RunRecord

__all__ = ["write_json"]


def write_json(record: RunRecord, path: Path) -> None:
    """Write a run record, whole or not at all."""
    write_text(path, msgspec.json.format(msgspec.json.encode(record), indent=2).decode() + "\n")
