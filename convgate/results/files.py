"""Files written whole or not at all."""

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["INCOMPLETE", "sweep", "writable", "write_folder", "write_text"]

# Where folders stand until they are whole. What a killed process leaves here nobody reads.
INCOMPLETE = ".incomplete"
STALE_SECONDS = 3600.0
# Another process may put the same folder there at the same moment.
TRIES = 20


def writable(folder: Path) -> bool:
    """Whether files can be put into a folder, which need not be there yet."""
    there = next((path for path in (folder.absolute(), *folder.absolute().parents) if path.exists()), folder)
    return there.is_dir() and os.access(there, os.W_OK)


def write_text(path: Path, text: str) -> None:
    """Write a file under another name beside it, then give it its own: readers see the old or the new, never a part.

    What is no regular file, such as a pipe, is written to as it is.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8", newline="\n")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    place = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with place.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        place.replace(path)
    finally:
        place.unlink(missing_ok=True)


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write a folder of text files beside the others, then move it to its place: it appears with all of them.

    If it is there already, each of the files replaces the one of its name, whole, and others stay.
    """
    for attempt in range(TRIES):
        try:
            move_into_place(folder, files)
        except OSError:
            if attempt == TRIES - 1:
                raise
        else:
            return


def move_into_place(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files where nobody looks, and move them."""
    waiting = folder.parent / INCOMPLETE
    place = waiting / f"{folder.name}.{os.getpid()}"
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8", newline="\n")
    if folder.exists():
        for name in files:
            (place / name).replace(folder / name)
        place.rmdir()
    else:
        place.rename(folder)
    with suppress(OSError):  # it stays while others write
        waiting.rmdir()


def sweep(folder: Path) -> None:
    """Remove what killed processes left an hour ago or earlier."""
    waiting = folder / INCOMPLETE
    for left in waiting.glob("*"):
        if time.time() - left.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    with suppress(OSError):
        waiting.rmdir()
