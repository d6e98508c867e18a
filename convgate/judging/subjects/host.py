"""The process in which a subject runs, from the judge's side: docs/protocol.md.

A call that kills it or does not come back is the outcome of that call alone: the next call starts another one.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from convgate.judging.subjects.wire import (
    PROTOCOL,
    ClosedError,
    DeadlineError,
    ProtocolError,
    Reader,
    write_message,
)

__all__ = ["CALL_SECONDS", "ONE_THREAD", "STARTING_SECONDS", "Host", "HostDiedError"]

# For one call, and to start.
CALL_SECONDS, STARTING_SECONDS = 5.0, 60.0
# For a process that was killed to be gone, and for a copy of one to be there.
ENDING_SECONDS = 10.0
# Problems are small, and there are as many workers as cores. A host with one thread can also make copies of itself.
LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
ONE_THREAD = {**{f"{name}_NUM_THREADS": "1" for name in LIBRARIES}, "VECLIB_MAXIMUM_THREADS": "1"}
# Of what a process wrote to standard error before it died.
MOST_LINES = 5


class HostDiedError(Exception):
    """A call killed its process, or did not come back.

    Parameters
    ----------
    verdict : str
        "crashed" or "timed_out".
    message : str
        How it ended, and what it wrote to standard error last.
    """

    def __init__(self, verdict: str, message: str) -> None:
        super().__init__(message)
        self.verdict = verdict


class Host:
    """The process, started when it is first needed and again after it has died.

    Parameters
    ----------
    command : sequence of str
        Its program and arguments.
    seconds : float
        The longest time for one call.
    """

    def __init__(self, command: Sequence[str], seconds: float = CALL_SECONDS) -> None:
        self.command, self.seconds = list(command), seconds
        # how often it was started anew
        self.generation = 0
        self._process: subprocess.Popen[bytes] | None = None
        # of a host that answers in copies of itself
        self._copy = 0
        self._requests = self._replies = -1
        self._reader = Reader(-1)
        self._said: IO[bytes] | None = None
        self._said_before = 0

    def start(self, seconds: float = STARTING_SECONDS) -> dict[str, Any]:
        """Start the process.

        Returns
        -------
        dict
            What it says of itself: its functions, and whether it answers ``supports``.

        Raises
        ------
        HostDiedError, ProtocolError, OSError
            If it cannot be started, or does not speak the protocol.
        """
        self.stop()
        self.generation += 1
        (theirs_in, self._requests), (self._replies, theirs_out) = os.pipe(), os.pipe()
        os.set_blocking(self._requests, False)
        self._reader = Reader(self._replies, self._is_alive)
        self._said, self._said_before = tempfile.TemporaryFile(), 0  # noqa: SIM115 - it lives as long as the process
        try:
            self._process = subprocess.Popen(
                self.command,
                pass_fds=(theirs_in, theirs_out),
                env={**ONE_THREAD, **os.environ, "CONVGATE_IN": str(theirs_in), "CONVGATE_OUT": str(theirs_out)},
                stdin=subprocess.DEVNULL,
                stderr=self._said,
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        hello, _ = self._answer(seconds)
        if hello.get("protocol") != PROTOCOL or not ("error" in hello or isinstance(hello.get("functions"), list)):
            self.stop()
            raise ProtocolError(f"it must say first that it speaks protocol {PROTOCOL} and which functions it has")
        self._copy = int(hello.get("process", 0))
        return hello

    def ask(
        self, request: Mapping[str, Any], blocks: Sequence[bytes] = (), seconds: float | None = None
    ) -> tuple[dict[str, Any], bytearray]:
        """Send a request and wait for the reply.

        Parameters
        ----------
        request : dict
            With the key ``arrays``.
        blocks : sequence of bytes
            Those of the arrays.
        seconds : float or None
            The longest time to wait, or None for that of a call.

        Raises
        ------
        HostDiedError
            If it dies of it, or does not come back.
        ProtocolError
            If the reply is none.
        """
        if self._process is None:
            self.start()
        seconds = self.seconds if seconds is None else seconds
        # a process that is gone, or does not read, says so when it is read from
        with suppress(ClosedError, DeadlineError):
            deadline = time.monotonic() + seconds
            write_message(self._requests, {**request, "seconds": seconds}, blocks, deadline)
        return self._answer(seconds)

    def renew(self) -> None:
        """Go on in a process that has made no call yet."""
        if self._process is not None and self._copy:
            self._end_copy()
        else:
            self.stop()

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._copy:
            with suppress(ProcessLookupError):
                os.kill(self._copy, signal.SIGKILL)
            self._copy = 0
        for descriptor in (self._requests, self._replies):
            if descriptor >= 0:
                os.close(descriptor)
        self._requests = self._replies = -1
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._said is not None:
            self._said.close()
            self._said = None

    def __del__(self) -> None:
        with suppress(Exception):
            self.stop()

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _answer(self, seconds: float) -> tuple[dict[str, Any], bytearray]:
        try:
            reply, body = self._reader.read(time.monotonic() + seconds)
        except DeadlineError:
            message = f"no answer after {seconds:.3g} s{self._last_words()}"
            self.renew()
            raise HostDiedError("timed_out", message) from None
        except ClosedError:
            code = self._process.wait() if self._process is not None else 0
            message = f"the process ended with {ending(code)}{self._last_words()}"
            self.stop()
            raise HostDiedError("crashed", message) from None
        except ProtocolError:
            self.stop()
            raise
        if "ended" in reply:
            message = f"the process ended with {ending(int(reply['ended']))}{self._last_words()}"
            self._renewed(reply)
            raise HostDiedError("crashed", message)
        return reply, body

    def _end_copy(self) -> None:
        """End the copy of a host that answers, for another one to take its place."""
        try:
            os.kill(self._copy, signal.SIGKILL)
            while "ended" not in (reply := self._reader.read(time.monotonic() + ENDING_SECONDS)[0]):
                pass
            self._renewed(reply)
        except (ClosedError, DeadlineError, ProtocolError, ProcessLookupError):
            self.stop()

    def _renewed(self, reply: Mapping[str, Any]) -> None:
        self.generation += 1
        self._copy = int(reply["process"])
        if self._said is not None:
            self._said_before = os.fstat(self._said.fileno()).st_size

    def _last_words(self) -> str:
        if self._said is None:
            return ""
        self._said.seek(self._said_before)
        lines = self._said.read().decode("utf-8", "replace").splitlines()[-MOST_LINES:]
        return f"; it wrote: {' | '.join(lines)}" if lines else ""


def ending(code: int) -> str:
    """How a process ended, by its exit code, negative for a signal."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"signal {-code} ({signal.Signals(-code).name})"
    return f"signal {-code}"
