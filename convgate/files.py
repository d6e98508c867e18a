"""Files written whole or not at all."""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

__all__ = ["INCOMPLETE", "sweep", "write_folder", "write_text"]

# Where files stand until they are whole. What a killed process leaves here nobody reads.
INCOMPLETE = ".incomplete"
STALE_SECONDS = 3600.0


def write_text(path: Path, text: str) -> None:
    """Write a file under another name in a folder beside it, then give it its own: readers see the old or the new."""
    place = path.parent / INCOMPLETE / f"{path.name}.{os.getpid()}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    place.replace(path)
    tidy(place.parent)


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write a folder of text files: it appears with all of them, and if it was there, each file is replaced whole."""
    if folder.exists():
        for name, text in files.items():
            write_text(folder / name, text)
        return
    place = folder.parent / INCOMPLETE / f"{folder.name}.{os.getpid()}"
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8", newline="\n")
    place.rename(folder)
    tidy(place.parent)


def tidy(folder: Path) -> None:
    """Remove the folder for incomplete files if nothing is in it."""
    try:
        folder.rmdir()
    except OSError:
        return


def sweep(folder: Path) -> None:
    """Remove what killed processes left an hour ago or earlier."""
    for left in (folder / INCOMPLETE).glob("*"):
        if time.time() - left.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(left) if left.is_dir() else left.unlink()
