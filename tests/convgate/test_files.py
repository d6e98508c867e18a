"""Files and folders are there whole or not at all, even when the process that writes them is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from convgate.diagnosis.store import list_failures
from convgate.results.files import INCOMPLETE, sweep, write_folder, write_text

OLD = time.time() - 2 * 3600


def test_a_text_is_written_as_utf_8_with_unix_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "∞\nnext\n")
    assert (tmp_path / "a.txt").read_bytes() == "∞\nnext\n".encode()


def test_a_text_replaces_the_one_before(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "a long first text")
    write_text(tmp_path / "a.txt", "short")
    assert (tmp_path / "a.txt").read_text() == "short"


def test_missing_folders_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_text(tmp_path / "deep" / "er" / "a.txt", "text")
    write_folder(tmp_path / "deep" / "folder", {"b.txt": "b", "c.txt": "c"})
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert found == ["deep/er/a.txt", "deep/folder/b.txt", "deep/folder/c.txt"]
    assert not list(tmp_path.rglob(INCOMPLETE))


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a.txt", "new" * 100_000 + "\udc80")
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_folder_that_cannot_be_written_is_not_there_in_part(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_folder(tmp_path / "folder", {"a.txt": "a", "b.txt": "\udc80"})
    assert not (tmp_path / "folder").exists()


def test_a_folder_that_is_there_keeps_its_other_files(tmp_path: Path) -> None:
    write_folder(tmp_path / "folder", {"a.txt": "a", "b.txt": "b"})
    (tmp_path / "folder" / "notes.txt").write_text("mine")
    write_folder(tmp_path / "folder", {"a.txt": "new a", "b.txt": "new b"})
    texts = {path.name: path.read_text() for path in (tmp_path / "folder").iterdir()}
    assert texts == {"a.txt": "new a", "b.txt": "new b", "notes.txt": "mine"}


def test_readers_see_the_old_text_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    texts = ["a" * 300_000, "b" * 200_000]
    write_text(path, texts[0])
    done = threading.Event()

    def write() -> None:
        for number in range(40):
            write_text(path, texts[number % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert path.read_text() in texts
    writer.join()


def leave(folder: Path, name: str, when: float) -> Path:
    """Leave something behind as a killed process would."""
    left = folder / INCOMPLETE / name
    left.mkdir(parents=True)
    (left / "failure.json").write_text("{")
    os.utime(left, (when, when))
    return left


def test_what_a_killed_process_left_long_ago_is_swept(tmp_path: Path) -> None:
    left = leave(tmp_path, "a.123", OLD)
    sweep(tmp_path)
    assert not left.exists()


def test_what_may_still_be_written_is_not_swept(tmp_path: Path) -> None:
    old = leave(tmp_path, "a.123", OLD)
    left = leave(tmp_path, "b.124", time.time() - 60)
    sweep(tmp_path)
    assert left.exists()
    assert not old.exists()


def test_processes_that_write_the_same_folders_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Each of them makes and removes the place where folders wait."""
    program = (
        "import sys; from pathlib import Path; from convgate.results.files import write_folder\n"
        "for number in range(150):\n"
        "    write_folder(Path(sys.argv[1]) / f'f{number % 7}', {'a.txt': 'whole', 'b.txt': 'too'})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"f{number}" for number in range(7)]
    assert all((folder / "b.txt").read_text() == "too" for folder in tmp_path.iterdir())


def test_sweeping_leaves_whole_files_alone(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "text")
    write_folder(tmp_path / "folder", {"b.txt": "b"})
    for path in (tmp_path / "a.txt", tmp_path / "folder"):
        os.utime(path, (OLD, OLD))
    sweep(tmp_path)
    assert (tmp_path / "a.txt").read_text() == "text"
    assert (tmp_path / "folder" / "b.txt").read_text() == "b"


def test_there_may_be_nothing_to_sweep(tmp_path: Path) -> None:
    sweep(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


# Children that write without end, until they are killed. A text is whole if it starts and ends with its number.
START = """
import itertools, sys
from pathlib import Path
from convgate.results.verdicts import Result
from convgate.results.picture import Picture
from convgate.diagnosis.store import make_failure, save_failure
from convgate.results.files import write_folder, write_text
from convgate.cases.spec import parse_spec

place = Path(sys.argv[1])

def text(number):
    return f"{number}\\n" + "some line\\n" * 100_000 + f"{number}\\n"

for number in itertools.count():
    if number == 3:
        print("ready", flush=True)
"""
ONE_TEXT = START + "    write_text(place / 'a.txt', text(number))\n"
NEW_FOLDERS = (
    START + "    write_folder(place / f'folder{number}', {name: text(number) for name in ('a.txt', 'b.txt')})\n"
)
ONE_FOLDER = START + "    write_folder(place / 'folder', {name: text(number) for name in ('a.txt', 'b.txt')})\n"
SAVED_FAILURES = START + (
    "    result = Result('forward', 'failed', 'wrong value', 'm' * 200_000, '1', '2', 'y')\n"
    "    name = f'subject{number // 2}'\n"
    "    case, shown = parse_spec('im2col:k1x2'), Picture(text(number), [], [])\n"
    "    failure = make_failure(name, 'im2col:k2h3w3', case, result, cases=number, when=None, picture=shown)\n"
    "    save_failure(place, failure, text(number))\n"
)


def kill_while_writing(source: str, place: Path, seconds: float) -> None:
    """Start a child that writes into a place, and send it SIGKILL so many seconds after it has begun."""
    with subprocess.Popen([sys.executable, "-c", source, str(place)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


def is_whole(text: str) -> bool:
    lines = text.splitlines()
    return len(lines) == 100_002 and lines[0] == lines[-1]


def visible(place: Path) -> list[Path]:
    """The files that a reader takes for finished."""
    names = (path.relative_to(place) for path in place.rglob("*") if path.is_file())
    return [place / name for name in names if not any(part.startswith(".") for part in name.parts)]


# Steps that do not divide the time of one write, which is a few milliseconds.
MOMENTS = [0.0013, 0.0031, 0.0117, 0.0205, 0.0283]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.parametrize("source", [ONE_TEXT, NEW_FOLDERS, ONE_FOLDER], ids=["text", "new folders", "one folder"])
def test_a_process_killed_while_it_writes_leaves_only_whole_files_in_sight(tmp_path: Path, source: str) -> None:
    for seconds in MOMENTS:
        kill_while_writing(source, tmp_path, seconds)
        found = visible(tmp_path)
        assert found
        assert all(is_whole(path.read_text()) for path in found)
        folders = {path.parent for path in found if path.parent != tmp_path}
        assert all(
            sorted(path.name for path in folder.iterdir() if path.is_file()) == ["a.txt", "b.txt"] for folder in folders
        )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_process_killed_while_it_saves_failures_leaves_only_whole_ones(tmp_path: Path) -> None:
    for seconds in MOMENTS:
        kill_while_writing(SAVED_FAILURES, tmp_path, seconds)
        listed = list_failures(tmp_path)
        assert listed
        folders = {path.parent for path in visible(tmp_path)}
        assert folders == {folder for folder, _ in listed}
        for folder, failure in listed:
            assert failure.message == "m" * 200_000
            assert is_whole((folder / "repro.py").read_text())
            readme = (folder / "README.md").read_text()
            assert readme.startswith("# im2col: wrong value in forward\n")
            assert readme.endswith(f"convgate replay im2col:k1x2 --subject {failure.subject}\n```\n")
