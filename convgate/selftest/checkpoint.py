"""What has been judged of a long run, kept in a file as it goes, so that an interrupted run goes on where it stopped.

The file is JSON Lines: a line for each fault that is judged, with a key. A line is written at once, so that a process
that is killed leaves whole lines, and at most one torn one at the end, which is not read. The key is a digest of all
that a judgement depends on: the fault, the run's options, the source of the engine and of the oracles, and the versions
of what they are built on. Lines with other keys are left where they are and are not used.
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

# What no judgement depends on: how it is shown, and the faults, each of which has its own part in its key.
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
    """A file that a run cannot go on from."""


class Line(msgspec.Struct, frozen=True):
    """A judged fault and the key of its judgement."""

    key: str
    fault: JudgedFault


def key_of(fault: Fault, *, profile: str, seed: int, quick: bool) -> str:
    """Digest of all that the judgement of a fault depends on."""
    run = (repr(fault), profile, seed, quick, sources_here(), sorted(versions_here().items()))
    return hashlib.sha256(repr(run).encode()).hexdigest()[:16]


@cache
def sources_here() -> str:
    """Digest of the source files of the engine and of the oracles, but for those in `NOT_JUDGING`."""
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
    """The faults that a file has a judgement of.

    Parameters
    ----------
    path : Path
        The file; there need be none yet.
    keys : dict
        The key of each fault that is asked for, by its name.

    Returns
    -------
    dict
        Those that are in the file with the same key, by their name.

    Raises
    ------
    CheckpointError
        If the file has a line that is none of these, but for a torn one at its end.
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
            raise CheckpointError(f"{reason}; give the file of an earlier run, or a name that is free") from error
        if keys.get(line.fault.name) == line.key:
            found[line.fault.name] = line.fault
    return found


def add_line(path: Path, key: str, fault: JudgedFault) -> None:
    """Put a judged fault at the end of a file, in one write; a torn line that stands there is taken away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.encode(Line(key, fault)) + b"\n"
    with path.open("ab+", buffering=0) as file:
        file.seek(0)
        held = file.read()
        if not held.endswith(b"\n"):
            file.truncate(held.rfind(b"\n") + 1)
        file.write(text)
        os.fsync(file.fileno())
