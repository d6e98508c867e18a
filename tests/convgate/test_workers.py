"""Worker processes: fresh, in the surroundings of whoever wants them, and gone when that one is."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convgate.judging.subjects.host import ONE_THREAD
from convgate.run.workers import open_workers

# Starts a worker that waits, and tells of it.
WAITING = """
import sys, time
from pathlib import Path

def wait(file):
    import os
    Path(file).write_text(str(os.getpid()))
    time.sleep(100)

if __name__ == "__main__":
    from convgate.run.workers import open_workers
    with open_workers(1) as workers:
        workers.call(wait, sys.argv[1], seconds=100)
"""


def test_workers_have_the_environment_and_the_path_of_whoever_opens_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the second time, although there is something left of the first."""
    for value in ("first", "second"):
        (tmp_path / value).mkdir()
        (tmp_path / value / f"found_{value}.py").write_text(f"def who():\n    return '{value}'\n")
        with monkeypatch.context() as around:
            around.setenv("CONVGATE_TEST", value)
            around.syspath_prepend(tmp_path / value)
            who = __import__(f"found_{value}").who
            with open_workers(1) as workers:
                assert workers.call(os.getenv, "CONVGATE_TEST", seconds=60) == value
                assert workers.call(who, seconds=60) == value
                assert [workers.call(os.getenv, name, seconds=60) for name in ONE_THREAD] == ["1"] * len(ONE_THREAD)
    with open_workers(1) as workers:
        assert workers.call(os.getenv, "CONVGATE_TEST", seconds=60) is None


def test_a_worker_ends_when_whoever_wanted_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "waiting.py").write_text(WAITING)
    file = tmp_path / "worker"
    run = subprocess.Popen([sys.executable, "waiting.py", str(file)], cwd=tmp_path)
    worker = int(text_in(file))
    assert is_alive(worker)
    run.send_signal(signal.SIGKILL)
    run.wait()
    until = time.monotonic() + 30
    while is_alive(worker) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_alive(worker)


def text_in(file: Path) -> str:
    """What is written to a file, as soon as it is."""
    until = time.monotonic() + 60
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return file.read_text()


def is_alive(process: int) -> bool:
    """Whether there is such a process, and not merely what is left of it."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
