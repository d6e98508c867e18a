"""Atomic writing of files and folders."""

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["INCOMPLETE", "sweep", "writable", "write_folder", "write_text"]

# Folders are written here until they are complete. Nobody reads what a killed process leaves here.
INCOMPLETE = ".incomplete"
STALE_SECONDS = 3600.0
# Another process may move the same folder into place at the same moment.
TRIES = 20


def writable(folder: Path) -> bool:
    """Whether files can be written to a folder, which need not exist yet."""
    there = next((path for path in (folder.absolute(), *folder.absolute().parents) if path.exists()), folder)
    return there.is_dir() and os.access(there, os.W_OK)


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: under a temporary name next to it, then renamed.

    Anything but a regular file, such as a pipe, is written directly.
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
    """Write a folder of text files and then move it into place, so that it appears with all of them.

    If the folder exists already, each file atomically replaces the one of its name, and other files stay.
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
    """Write the files to a temporary folder, and move them."""
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
    with suppress(OSError):  # it stays while other processes write
        waiting.rmdir()


def sweep(folder: Path) -> None:
    """Remove incomplete folders that killed processes left at least an hour ago."""
    waiting = folder / INCOMPLETE
    for left in waiting.glob("*"):
        if time.time() - left.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    with suppress(OSError):
        waiting.rmdir()
