"""Checkpoints of long runs: judged faults are saved in a file, so that an interrupted run can continue.

The file is JSON Lines: a line with a key for each judged fault. Each line is written in one call, so a killed process
leaves at most one incomplete line at the end, which is ignored. The key is a digest of everything that a judgement
depends on: the fault, the run's options, the source of the engine and of the oracles, and the versions of their
libraries. Lines with other keys are kept but not used.
"""

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import msgspec

from convgate.run.merge import versions_here
from convgate.selftest.faults import Fault
from convgate.selftest.qualification import JudgedFault

__all__ = ["CheckpointError", "add_line", "key_of", "read_lines"]

# Sources that no judgement depends on: those that only show it, and the faults, which are part of their own keys.
NOT_JUDGING = (
    "__main__.py",
    "cli.py",
    "pytest_plugin.py",
    "report/",
    "selftest/checkpoint.py",
    "selftest/faults/catalogue/",
    "selftest/mutation_run.py",
    "selftest/report_",
)


class CheckpointError(Exception):
    """The checkpoint file is invalid."""


class Line(msgspec.Struct, frozen=True):
    """A judged fault and the key of its judgement."""

    key: str
    fault: JudgedFault


def key_of(fault: Fault, *, profile: str, seed: int, quick: bool) -> str:
    """Digest of everything that the judgement of a fault depends on."""
    run = (repr(fault), profile, seed, quick, sources_here(), sorted(versions_here().items()))
    return hashlib.sha256(repr(run).encode()).hexdigest()[:16]


@cache
def sources_here() -> str:
    """Digest of the source files of the engine and of the oracles, except those in `NOT_JUDGING`."""
    found = hashlib.sha256()
    for package in ("convgate", "oracles"):
        spec = find_spec(package)
        for folder in map(Path, (spec.submodule_search_locations or ()) if spec is not None else ()):
            for path in sorted(folder.rglob("*.py")):
                name = path.relative_to(folder).as_posix()
                if not name.startswith(NOT_JUDGING):
                    found.update(f"{package}/{name}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


def read_lines(path: Path, keys: Mapping[str, str]) -> dict[str, JudgedFault]:
    """Read the judged faults in a file.

    Parameters
    ----------
    path : Path
        The file, which need not exist yet.
    keys : dict
        Name of each requested fault to its key.

    Returns
    -------
    dict
        Name to judged fault, for those in the file with the same key.

    Raises
    ------
    CheckpointError
        If the file has an invalid line, other than an incomplete one at its end.
    """
    if not path.exists():
        return {}
    found = {}
    *whole, _ = path.read_bytes().split(b"\n")
    for number, text in enumerate(whole, 1):
        try:
            line = msgspec.json.decode(text, type=Line)
        except msgspec.DecodeError as error:
            reason = f"{path} has no judged fault in line {number} ({error})"
            raise CheckpointError(f"{reason}; give the file of an earlier run, or a new name") from error
        if keys.get(line.fault.name) == line.key:
            found[line.fault.name] = line.fault
    return found


def add_line(path: Path, key: str, fault: JudgedFault) -> None:
    """Append a judged fault to a file in one write, after removing an incomplete last line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.encode(Line(key, fault)) + b"\n"
    with path.open("ab+", buffering=0) as file:
        file.seek(0)
        held = file.read()
        if not held.endswith(b"\n"):
            file.truncate(held.rfind(b"\n") + 1)
        file.write(text)
        os.fsync(file.fileno())
