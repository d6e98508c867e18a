"""A subject in a process of its own, in any language: what answers there, and how it ends.

The process reads requests from one pipe and writes replies to another (docs/protocol.md). A call that kills it or does
not come back is the outcome of that call alone: the next call starts another one.
"""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

import numpy as np

from convgate.judging.subjects.wire import (
    PROTOCOL,
    ClosedError,
    DeadlineError,
    ProtocolError,
    read_message,
    write_message,
)
from convgate.problems.problem import Problem, as_options

__all__ = ["CALL_SECONDS", "PREFIXES", "Host", "HostDiedError", "RemoteSubject", "command_of"]

# Names of subjects that are no Python modules.
PREFIXES = ("exec:", "lib:")
# For one call, and to start.
CALL_SECONDS, STARTING_SECONDS = 5.0, 30.0
# Of what a process wrote to standard error before it died.
MOST_LINES = 5
# Exceptions that mean something to the judge; of others the name is kept.
KNOWN = {each.__name__: each for each in (ValueError, TypeError, NotImplementedError)}


class HostDiedError(Exception):
    """A call killed its process, or did not come back.

    Parameters
    ----------
    symptom : str
        "crashed" or "timed out".
    message : str
        How it ended, and what it wrote to standard error last.
    """

    def __init__(self, symptom: str, message: str) -> None:
        super().__init__(message)
        self.symptom = symptom


def command_of(name: str) -> list[str]:
    """The command of a subject that is no Python module.

    Parameters
    ----------
    name : str
        ``exec:COMMAND``, whose words the shell's rules tell apart, or ``lib:PATH`` of a shared library.
    """
    kind, _, rest = name.partition(":")
    if kind == "lib":
        return [sys.executable, "-m", "convgate.judging.subjects.library_host", rest]
    return shlex.split(rest)


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
        self._process: subprocess.Popen[bytes] | None = None
        self._requests = self._replies = -1
        self._said: IO[bytes] | None = None

    def start(self) -> dict[str, Any]:
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
        (theirs_in, self._requests), (self._replies, theirs_out) = os.pipe(), os.pipe()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        try:
            self._process = subprocess.Popen(
                self.command,
                pass_fds=(theirs_in, theirs_out),
                env={**os.environ, "CONVGATE_IN": str(theirs_in), "CONVGATE_OUT": str(theirs_out)},
                stdin=subprocess.DEVNULL,
                stderr=self._said,
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        hello, _ = self._answer(STARTING_SECONDS)
        if hello.get("protocol") != PROTOCOL or not isinstance(hello.get("functions"), list):
            self.stop()
            raise ProtocolError(f"it must say first that it speaks protocol {PROTOCOL} and which functions it has")
        return hello

    def ask(self, request: Mapping[str, Any], arrays: Sequence[Any] = ()) -> tuple[dict[str, Any], list[Any]]:
        """Send a request and wait for the reply.

        Raises
        ------
        HostDiedError
            If it dies of it, or does not come back.
        ProtocolError
            If the reply is none.
        """
        if self._process is None:
            self.start()
        # a process that is gone says so when it is read from
        with suppress(ClosedError):
            write_message(self._requests, request, arrays)
        return self._answer(self.seconds)

    def stop(self) -> None:
        """End the process, if there is one."""
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

    def _answer(self, seconds: float) -> tuple[dict[str, Any], list[Any]]:
        try:
            return read_message(self._replies, time.monotonic() + seconds)
        except DeadlineError:
            message = f"no answer after {seconds:g} s{self._last_words()}"
            self.stop()
            raise HostDiedError("timed out", message) from None
        except ClosedError:
            message = f"the process ended with {self._end()}{self._last_words()}"
            self.stop()
            raise HostDiedError("crashed", message) from None
        except ProtocolError:
            self.stop()
            raise

    def _end(self) -> str:
        code = self._process.wait() if self._process is not None else 0
        return f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"

    def _last_words(self) -> str:
        if self._said is None:
            return ""
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").splitlines()[-MOST_LINES:]
        return f"; it wrote: {' | '.join(lines)}" if lines else ""


class RemoteSubject:
    """A subject whose functions are called in a host.

    Parameters
    ----------
    host : Host
        Its process.

    Raises
    ------
    HostDiedError, ProtocolError, OSError
        If that cannot be started.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        hello = host.start()
        for name in hello["functions"]:
            setattr(self, str(name), self._function(str(name)))
        if "dtypes" in hello:
            self.dtypes = tuple(hello["dtypes"])
        if hello.get("supports"):
            self.supports = self._supports

    def _supports(self, problem: Problem) -> bool:
        reply, _ = self._host.ask({"supports": as_options(problem)})
        return bool(reply.get("supports"))

    def _function(self, name: str) -> Callable[..., Any]:
        def function(*arguments: Any, **options: Any) -> Any:
            sent = [each for each in arguments if isinstance(each, np.ndarray)]
            numbers = iter(range(len(sent)))
            words = [{"array": next(numbers)} if isinstance(e, np.ndarray) else {"value": e} for e in arguments]
            reply, arrays = self._host.ask({"call": name, "arguments": words, "options": options}, sent)
            for place, changed in reply.get("changed", {}).items():
                sent[int(place)][...] = arrays[int(changed)]
            return answer(reply, arrays)

        return function


def answer(reply: Mapping[str, Any], arrays: Sequence[Any]) -> Any:
    """What a call returned; what it raised is raised."""
    if "error" in reply:
        name = str(reply["error"])
        kind = KNOWN.get(name) or type(name if name.isidentifier() else "RemoteError", (Exception,), {})
        raise kind(str(reply.get("message", "")))
    outputs = reply.get("outputs")
    if not isinstance(outputs, list) or not outputs:
        raise ProtocolError(f"a reply must have outputs or an error, got {sorted(reply)}")
    results = [None if each is None else arrays[int(each)] for each in outputs]
    return results[0] if len(results) == 1 else tuple(results)
