"""Work is shared among threads, and calls from many threads share nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

import impl
from impl.threads import number_of_threads, share

if not ThreadpoolController().select(user_api="blas").lib_controllers:
    pytest.skip("threadpoolctl knows no such BLAS", allow_module_level=True)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@pytest.fixture
def two_blas_threads() -> Iterator[None]:
    """BLAS with two threads, as on a machine with two cores, even where the tests hold it to one."""
    with threadpool_limits(2, user_api="blas"):
        yield


on_two_cores = pytest.mark.usefixtures("two_blas_threads")


def blas_threads() -> list[int]:
    return [each.num_threads for each in ThreadpoolController().select(user_api="blas").lib_controllers]


@on_two_cores
def test_results_come_in_the_order_of_the_pieces() -> None:
    assert share(list, range(7), entries=2**30) == [[0, 1, 2], [3, 4, 5, 6]]


@on_two_cores
def test_what_is_little_is_not_shared() -> None:
    assert share(list, range(7), entries=1) == [list(range(7))]


@on_two_cores
def test_each_part_has_a_thread_of_its_own_while_blas_has_one() -> None:
    meeting = threading.Barrier(2, timeout=30)

    def work(_: Sequence[int]) -> tuple[int, list[int]]:
        meeting.wait()
        return threading.get_ident(), blas_threads()

    (one, limited), (other, _) = share(work, range(2), entries=2**30)
    assert one == threading.get_ident() != other
    assert set(limited) == {1}
    assert set(blas_threads()) == {2}


@on_two_cores
def test_a_call_beside_one_that_is_shared_keeps_to_its_own_thread() -> None:
    first_is_in, second_is_out = threading.Event(), threading.Event()

    def first(part: Sequence[int]) -> None:
        if 0 in part:
            first_is_in.set()
            assert second_is_out.wait(30)

    with ThreadPoolExecutor(1) as callers:
        one = callers.submit(share, first, range(2), entries=2**30)
        assert first_is_in.wait(30)
        with pytest.MonkeyPatch.context() as settings:
            settings.setattr("impl.threads.number_of_threads", lambda: 2)
            assert share(list, range(7), entries=2**30) == [list(range(7))]
        second_is_out.set()
        one.result(30)
    assert share(list, range(7), entries=2**30) == [[0, 1, 2], [3, 4, 5, 6]]
    assert set(blas_threads()) == {2}


@on_two_cores
@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_in_any_part_is_raised_once_all_parts_have_ended(failing: int) -> None:
    ended = threading.Event()

    def work(part: Sequence[int]) -> None:
        if failing in part:
            raise MemoryError
        ended.wait(0.2)
        ended.set()

    with pytest.raises(MemoryError):
        share(work, range(2), entries=2**30)
    assert ended.is_set()
    assert set(blas_threads()) == {2}


@on_two_cores
def test_where_no_thread_can_be_started_the_work_is_done_all_the_same_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("impl.threads._KNOWN", {})
    with monkeypatch.context() as settings:
        settings.setattr(threading.Thread, "start", refuse)
        share(done.extend, range(4), entries=2**30)
    # now it can, and finds in its queue what is done already
    share(done.extend, range(4, 8), entries=2**30)
    assert sorted(done) == list(range(8))


@on_two_cores
def test_an_interrupted_call_ends_when_all_parts_have(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    waits: list[object] = []

    def interrupted(futures: Sequence[Any]) -> None:
        waits.append(futures)
        if len(waits) == 1:
            raise KeyboardInterrupt
        wait(futures)

    def work(part: Sequence[int]) -> None:
        if 1 in part:
            threading.Event().wait(0.2)
            ended.set()

    monkeypatch.setattr("impl.threads.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        share(work, range(2), entries=2**30)
    assert ended.is_set()
    assert set(blas_threads()) == {2}


@on_two_cores
def test_where_another_thread_has_set_how_many_threads_blas_has_nothing_is_shared() -> None:
    """It is left to that thread, and each part would take as many."""
    before = blas_threads()
    with ThreadPoolExecutor(1) as caller:
        parts = caller.submit(share, lambda part: (list(part), blas_threads()), range(4), entries=2**30).result(30)
    limits = [most for _, most in parts]
    assert [part for part, _ in parts] == ([[0, 1, 2, 3]] if limits == [before] else [[0, 1], [2, 3]])
    assert len(parts) == 1 or all(set(most) == {1} for most in limits)


@on_two_cores
def test_how_errors_of_floating_point_are_treated_holds_in_all_threads() -> None:
    def work(_: Sequence[int]) -> str:
        return str(np.geterr()["over"])

    with np.errstate(over="call"):
        assert share(work, range(2), entries=2**30) == ["call", "call"]


@on_two_cores
def test_there_are_as_many_threads_as_blas_has() -> None:
    with threadpool_limits(1, user_api="blas"):
        assert number_of_threads() == 1
    assert number_of_threads() == 2


def calls(seed: int) -> list[Any]:
    """All functions, on integers, so that every order of summation gives the same."""
    rng = np.random.default_rng(seed)
    x, weight = (rng.integers(-9, 10, shape).astype(np.float32) for shape in ((4, 6, 9, 11 + seed % 3), (6, 3, 3, 2)))
    y = impl.conv2d(x, weight, stride=(1, 1 + seed % 2), padding=(1, 1), groups=2)
    gradients = impl.conv2d_backward(y, x, weight, stride=(1, 1 + seed % 2), padding=(1, 1), groups=2)
    best, mean = impl.max_pool2d(x, 3, stride=2, padding=1), impl.avg_pool2d(x, 2, divisor_override=4)
    return [
        y,
        *gradients[:2],
        best,
        impl.max_pool2d_backward(best, x, 3, stride=2, padding=1),
        mean,
        impl.avg_pool2d_backward(mean, x, 2, divisor_override=4),
        impl.im2col(x, 3),
    ]


def in_pieces(settings: pytest.MonkeyPatch) -> None:
    """Tiles so small and threads so eager that small problems are cut and shared as well."""
    settings.setattr("impl.tiles.TILE", 2000)
    settings.setattr("impl.threads.WORTH_SHARING", 0)
    settings.setattr("impl.threads.number_of_threads", lambda: 3)


def test_calls_from_many_threads_at_once_give_what_they_give_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [calls(seed) for seed in range(24)]
    in_pieces(monkeypatch)
    start = threading.Barrier(8, timeout=30)

    def caller(first: int) -> list[list[Any]]:
        start.wait()
        return [calls(seed) for _ in range(5) for seed in range(first, 24, 8)]

    with ThreadPoolExecutor(8) as callers:
        found = list(callers.map(caller, range(8)))
    for first, several in enumerate(found):
        for number, results in enumerate(several):
            expected = alone[range(first, 24, 8)[number % 3]]
            for actual, wanted in zip(results, expected, strict=True):
                np.testing.assert_array_equal(actual, wanted)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_has_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads of the process that forks are not there in the other, and must not be waited for."""
    in_pieces(monkeypatch)
    expected = calls(0)
    child = os.fork()
    if not child:
        same = False
        try:
            same = all(np.array_equal(one, other) for one, other in zip(calls(0), expected, strict=True))
        finally:
            os._exit(0 if same else 1)
    ended = waited(lambda: os.waitpid(child, os.WNOHANG))
    if ended == (0, 0):  # it waits for threads that are not there
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended == (child, 0)


def waited(look: Callable[[], tuple[int, int]]) -> tuple[int, int]:
    """What became of a process within half a minute."""
    for _ in range(300):
        found = look()
        if found[0]:
            return found
        threading.Event().wait(0.1)
    return 0, 0


def test_a_thread_that_outlives_the_main_one_does_the_work_alone() -> None:
    """Python starts no threads any more when its main thread has ended."""
    program = """
import threading, time
import impl.threads

def late():
    threading.main_thread().join()
    time.sleep(0.2)
    print(impl.threads.share(list, range(4), entries=2**30))

impl.threads.number_of_threads = lambda: 2
threading.Thread(target=late).start()
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("[[0, 1], [2, 3]]\n", "")
