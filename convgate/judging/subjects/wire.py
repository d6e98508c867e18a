"""Messages between the judge and a host, written and read within a time: docs/protocol.md."""

import json
import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convgate.judging.subjects.python_host import FRAME, MAGIC, PROTOCOL, message

__all__ = ["PROTOCOL", "ClosedError", "DeadlineError", "ProtocolError", "Reader", "write_message"]

# What is longer is no message of ours.
MOST_HEADER, MOST_BODY = 2**24, 2**34
AT_ONCE = 2**16
# How often it is asked whether the other side is still there.
LOOK_SECONDS = 0.25


class ProtocolError(Exception):
    """The other side does not speak the protocol."""


class ClosedError(Exception):
    """The other side is gone."""


class DeadlineError(Exception):
    """The other side did not answer in time."""


def always() -> bool:
    """Whether the other side is alive, where that cannot be told."""
    return True


def wait(descriptor: int, event: int, deadline: float, alive: Callable[[], bool] = always) -> None:
    """Wait until a file descriptor can be read from or written to.

    Raises
    ------
    ClosedError, DeadlineError
        If whoever is at the other end is no longer alive, or the time is over.
    """
    poll = select.poll()
    poll.register(descriptor, event)
    while True:
        left = max(0.0, deadline - time.monotonic())
        if poll.poll(1000 * min(left, LOOK_SECONDS)):
            return
        if not left:
            raise DeadlineError
        if not alive():
            raise ClosedError("the other side has ended")


def write_message(target: int, header: Mapping[str, Any], blocks: Sequence[bytes], deadline: float) -> None:
    """Write a message to a file descriptor that does not block.

    Parameters
    ----------
    target : int
        The file descriptor.
    header : dict
        What the message says, with the key ``arrays``.
    blocks : sequence of bytes
        Those of the arrays.
    deadline : float
        Of ``time.monotonic``.

    Raises
    ------
    ClosedError, DeadlineError
        If nobody reads there, or not in time.
    """
    left = memoryview(message(dict(header), blocks))
    while left:
        try:
            left = left[os.write(target, left) :]
        except BlockingIOError:
            wait(target, select.POLLOUT, deadline)
        except OSError as error:
            raise ClosedError(str(error)) from error


class Reader:
    """Reads messages from a file descriptor.

    Parameters
    ----------
    source : int
        The file descriptor.
    alive : callable
        Whether whoever writes there is still alive.
    """

    def __init__(self, source: int, alive: Callable[[], bool] = always) -> None:
        self.source, self.alive = source, alive
        self._ahead = bytearray()

    def read(self, deadline: float) -> tuple[dict[str, Any], bytearray]:
        """Read a message.

        Parameters
        ----------
        deadline : float
            Of ``time.monotonic``.

        Returns
        -------
        dict, bytearray
            What the message says, and its body.

        Raises
        ------
        ClosedError, DeadlineError, ProtocolError
            If there is no message, none in time, or something else.
        """
        magic, header_length, body_length = FRAME.unpack(self._exactly(FRAME.size, deadline))
        if magic != MAGIC or header_length > MOST_HEADER or body_length > MOST_BODY:
            raise ProtocolError(f"a message must start with {MAGIC!r} and two lengths, got {magic!r}")
        text, body = self._exactly(header_length, deadline), self._exactly(body_length, deadline)
        try:
            header = json.loads(text.decode())
        except ValueError as error:
            raise ProtocolError(f"the header of a message cannot be read: {type(error).__name__}: {error}") from error
        if not isinstance(header, dict) or not isinstance(header.get("arrays"), list):
            raise ProtocolError('the header of a message must be an object with the list "arrays"')
        return header, body

    def _exactly(self, count: int, deadline: float) -> bytearray:
        found = self._ahead
        while len(found) < count:
            wait(self.source, select.POLLIN, deadline, self.alive)
            some = os.read(self.source, max(AT_ONCE, count - len(found)))
            if not some:
                raise ClosedError("the other side has closed its end")
            found += some
        self._ahead = found[count:]
        del found[count:]
        return found
