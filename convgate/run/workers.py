"""Worker processes: a subject that dies or hangs takes a worker with it, not the run."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from convgate.judging.subjects.host import ONE_THREAD
from convgate.oracle_list import definition
from convgate.run.limits import Limits

__all__ = ["Dead", "Workers", "open_workers"]

Answer = TypeVar("Answer")

# A process that is started anew takes a second or two to load PyTorch and the engine. So one that has loaded them, and
# called nothing, is kept, and workers are forked from it: they are as fresh, and there in some hundredths of a second.
# Not so on macOS, whose libraries may not be used after a fork. By name, as this module knows none of them.
METHOD = "forkserver" if sys.platform == "linux" else "spawn"
PRELOADED = ["convgate.run.runner", "convgate.selftest.qualify", f"{definition.__package__}.torch_oracle"]


@dataclass(frozen=True)
class Dead:
    """A task whose worker did not live to answer.

    Parameters
    ----------
    verdict : str
        "crashed" or "timed_out".
    message : str
        With the exit code or the time.
    """

    verdict: str
    message: str


@dataclass(frozen=True)
class Workers:
    """A pool of processes, as many as `jobs`, and the limits that their tasks are held to."""

    pool: ProcessPool
    jobs: int
    limits: Limits

    def submit(self, task: Callable[..., Answer], *arguments: Any, seconds: float) -> Future[Answer]:
        """Start a task, to be ended after some seconds."""
        future: Future[Answer] = self.pool.schedule(task, args=arguments, timeout=seconds)
        return future

    def answer(self, future: Future[Answer]) -> Answer | Dead:
        """Wait for a task: its answer, or how its worker died. What the task raised is raised."""
        try:
            return future.result()
        except FutureTimeoutError as error:
            return Dead("timed_out", f"no answer after {error.args[1]:g} s")
        except ProcessExpired as error:
            code = error.exitcode
            return Dead("crashed", f"the process ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}")

    def call(self, task: Callable[..., Answer], *arguments: Any, seconds: float) -> Answer | Dead:
        """Do a task and wait for it."""
        return self.answer(self.submit(task, *arguments, seconds=seconds))


def start(environment: Mapping[str, str], first: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    """What each worker does before its first task."""
    # that of whoever wants workers now, and not of whoever wanted some first
    os.environ.clear()
    os.environ.update(environment)
    # what a subject prints is not part of the report
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    threading.Thread(target=end_with_parent, daemon=True).start()
    if first is not None:
        # what fails here fails again in the first task that needs it, which can say so
        with suppress(Exception):
            first(*arguments)


def end_with_parent() -> None:
    """End this process when the one that wanted it is gone, even in the middle of a task."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def open_workers(
    jobs: int,
    first: Callable[..., None] | None = None,
    *arguments: Any,
    limits: Limits | None = None,
) -> Iterator[Workers]:
    """Worker processes that have made no call yet, with one thread each; ended when the block is left.

    None is started before there is a task.

    Parameters
    ----------
    jobs : int
        How many processes.
    first : callable or None
        What each does, with `arguments`, before its first task and outside of any task's time; it must come back.
    limits : Limits or None
        What their tasks are held to; None for the usual ones.
    """
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    context = multiprocessing.get_context(METHOD)
    if METHOD == "forkserver":
        context.set_forkserver_preload(PRELOADED)
    pool = ProcessPool(
        max_workers=jobs,
        context=context,
        initializer=start,
        initargs=[dict(os.environ), first, arguments],
    )
    try:
        yield Workers(pool, jobs, limits or Limits())
    finally:
        pool.stop()  # type: ignore[no-untyped-call] # pebble leaves it out
        pool.join()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
