"""Work shared among threads, each with a BLAS of one thread.

NumPy lets go of Python's lock while it copies and multiplies, so that threads compute side by side. Left to itself,
BLAS would share out each matrix product alone, and its threads, which go on spinning for a while, would slow the copies
in between. So the images are shared out instead, and BLAS is held to one thread for as long as that takes.
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
    pool, sharing = _of_process(os.getpid())
    # One call at a time: BLAS has one number of threads for all, and when one call takes the cores none are idle.
    if threads < 2 or not sharing.acquire(blocking=False):
        return [work(pieces)]
    try:
        cuts = [len(pieces) * i // threads for i in range(threads + 1)]
        own, *others = (pieces[start:stop] for start, stop in pairwise(cuts))
        futures: list[Future[_Result]] = []
        with _blas().limit(limits=1):
            try:
                futures.extend(_started(pool, work, part) for part in others)
                first = work(own)
            finally:
                wait(futures)  # they write to the caller's arrays
        return [first, *(future.result() for future in futures)]
    finally:
        sharing.release()


def _started(
    pool: ThreadPoolExecutor, work: Callable[[Sequence[_Piece]], _Result], part: Sequence[_Piece]
) -> Future[_Result]:
    """The work under way; or done, by this thread, where Python is ending and starts no other."""
    try:
        # in the caller's context, as np.errstate is part of it
        return pool.submit(copy_context().run, work, part)
    except RuntimeError:
        done: Future[_Result] = Future()
        done.set_result(work(part))
        return done


def number_of_threads() -> int:
    """As many as BLAS takes: what OPENBLAS_NUM_THREADS and its like, or `threadpoolctl.threadpool_limits`, set.

    Where several libraries are loaded it is the least of theirs.
    """
    return min((library.num_threads for library in _blas().lib_controllers), default=1)


@functools.lru_cache(maxsize=1)
def _of_process(_: int) -> tuple[ThreadPoolExecutor, threading.Lock]:
    """Threads that stay, started when they are first needed, and who may use them: a fork leaves them behind."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="impl"), threading.Lock()


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
