"""What a call through the protocol costs beside the subject's own time: ``python benchmarks/hosts.py``.

A subject that returns at once is called on a small image: in this process, through a host with one call a message, and
with many. Times are medians of several rounds.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from convgate.judging.subjects.loader import load_subject
from convgate.judging.subjects.remote import Foreseen

CALLS, TOGETHER, ROUNDS = 2_000, 50, 9
# It only copies its input, so nearly all of the time is spent on the protocol.
SUBJECT = "def im2col(x, kernel_size, **options):\n    return x.copy()\n"
OPTIONS = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}


def microseconds(work: Callable[[], None], calls: int) -> float:
    """Median time of a call."""
    found = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        found.append((time.perf_counter() - started) / calls)
    return 1e6 * statistics.median(found)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "at_once.py").write_text(SUBJECT)
        sys.path.insert(0, folder)
        local, remote = load_subject("local:at_once"), load_subject("at_once")
        x = np.arange(32.0).reshape(1, 2, 4, 4)
        several = [Foreseen("im2col", (x, (3, 3)), OPTIONS)] * TOGETHER

        def alone(subject: object) -> None:
            for _ in range(CALLS):
                subject.im2col(x, (3, 3), **OPTIONS)  # type: ignore[attr-defined]

        def together() -> None:
            for _ in range(CALLS // TOGETHER):
                remote.make_ahead(several)
                for _ in range(TOGETHER):
                    remote.im2col(x, (3, 3), **OPTIONS)

        here = microseconds(lambda: alone(local), CALLS)
        print(f"in this process      {here:6.1f} us a call")  # noqa: T201
        for name, work in (("one call a message", lambda: alone(remote)), (f"{TOGETHER} calls a message", together)):
            print(f"{name:20s} {microseconds(work, CALLS) - here:6.1f} us more a call")  # noqa: T201
        remote.host.stop()


if __name__ == "__main__":
    main()
