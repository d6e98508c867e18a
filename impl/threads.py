"""Work shared among threads, each with a BLAS of one thread.

NumPy lets go of Python's lock while it copies and multiplies, so that threads compute side by side. Left to itself,
BLAS would share out each matrix product alone, and its threads, which go on spinning for a while, would slow the copies
in between. So the tiles are shared out instead, and BLAS is held to one thread for as long as that takes.
"""

from __future__ import annotations

import functools
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["number_of_threads", "share"]

_Piece = TypeVar("_Piece")
_Result = TypeVar("_Result")

# Waking another thread costs some 50 us, which is what it takes to copy so many entries.
WORTH_SHARING = 2**18


def share(work: Callable[[Sequence[_Piece]], _Result], pieces: Sequence[_Piece], *, entries: int) -> list[_Result]:
    """Do a piece of work after the other, shared out among threads if there is enough to do.

    Parameters
    ----------
    work : callable
        Takes consecutive pieces. It may write to what no other piece writes to.
    pieces : sequence
        In the order of memory.
    entries : int
        How many array entries are copied or reduced, about.

    Returns
    -------
    list
        What `work` returned, in the order of the pieces.
    """
    threads = min(number_of_threads(), len(pieces)) if entries >= WORTH_SHARING else 1
    pool, sharing = _of_process()
    # One call at a time: BLAS has one number of threads for all, and when one call takes the cores none are idle.
    if threads < 2 or not sharing.acquire(blocking=False):
        return [work(pieces)]
    try:
        with _blas().limit(limits=1):
            # Another thread's limit stays what it is: threadpoolctl leaves it to that thread.
            if max(_blas_threads(), default=1) > 1:
                return [work(pieces)]
            cuts = [len(pieces) * i // threads for i in range(threads + 1)]
            own, *others = (pieces[start:stop] for start, stop in pairwise(cuts))
            futures: list[Future[_Result]] = []
            try:
                futures.extend(_started(pool, work, part) for part in others)
                first = work(own)
            finally:
                _await(futures)
        return [first, *(future.result() for future in futures)]
    finally:
        sharing.release()


def _started(
    pool: ThreadPoolExecutor, work: Callable[[Sequence[_Piece]], _Result], part: Sequence[_Piece]
) -> Future[_Result]:
    """The work under way; or done, by this thread, where no other can be started, as when Python is ending."""
    done: Future[_Result] = Future()
    # A pool that cannot start a thread keeps what it was given, for when it can. By then the work is done, and gone.
    waiting = [(work, part, done)]

    def once() -> None:
        try:
            own, pieces, future = waiting.pop()
        except IndexError:
            return
        try:
            future.set_result(own(pieces))
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)

    try:
        # in the caller's context, as np.errstate is part of it
        pool.submit(copy_context().run, once)
    except RuntimeError:
        once()
    return done


def _await(futures: Sequence[Future[_Result]]) -> None:
    """Wait until all have ended, as they write to the caller's arrays, however often the wait is interrupted."""
    interrupted: BaseException | None = None
    while not all(future.done() for future in futures):
        try:
            wait(futures)
        except BaseException as error:  # noqa: BLE001 - it is raised when all have ended
            interrupted = error
    if interrupted is not None:
        raise interrupted


def number_of_threads() -> int:
    """As many as BLAS takes: what OPENBLAS_NUM_THREADS and its like, or `threadpoolctl.threadpool_limits`, set.

    Where several libraries are loaded it is the least of theirs.
    """
    return min(_blas_threads(), default=1)


def _blas_threads() -> list[int]:
    return [library.num_threads for library in _blas().lib_controllers]


# By process, as a fork leaves threads behind.
_KNOWN: dict[int, tuple[ThreadPoolExecutor, threading.Lock]] = {}


def _of_process() -> tuple[ThreadPoolExecutor, threading.Lock]:
    """Threads that stay, started when they are first needed, and who may use them."""
    process = os.getpid()
    # of two first calls at once, both get the same
    return _KNOWN.get(process) or _KNOWN.setdefault(
        process, (ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="impl"), threading.Lock())
    )


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
