"""Messages between the judge and a host: docs/protocol.md.

A message is a frame of 16 bytes, a header in JSON, and the bytes of arrays.
"""

import json
import os
import select
import struct
import time
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PROTOCOL", "ClosedError", "DeadlineError", "ProtocolError", "read_message", "write_message"]

PROTOCOL = 1
MAGIC = b"CVG1"
# The magic word, the length of the header, and that of all arrays.
FRAME = struct.Struct("<4sIQ")
# What is longer is no message of ours.
MOST_HEADER, MOST_BODY = 2**24, 2**34
AT_ONCE = 2**20

Array = NDArray[Any]


class ProtocolError(Exception):
    """The other side does not speak the protocol."""


class ClosedError(Exception):
    """The other side is gone."""


class DeadlineError(Exception):
    """The other side did not answer in time."""


def write_message(target: int, header: Mapping[str, Any], arrays: Sequence[Array] = ()) -> None:
    """Write a message to a file descriptor.

    Parameters
    ----------
    target : int
        The file descriptor.
    header : dict
        What the message says; it gets the key ``arrays``.
    arrays : sequence of ndarray
        What it carries, of numbers of any kind.

    Raises
    ------
    ClosedError
        If nobody reads there.
    """
    plain = [np.ascontiguousarray(each, each.dtype.newbyteorder("<")).reshape(each.shape) for each in arrays]
    kinds = [{"dtype": each.dtype.str, "shape": each.shape} for each in plain]
    text = json.dumps({**header, "arrays": kinds}).encode()
    body = [each.tobytes() for each in plain]
    data = b"".join([FRAME.pack(MAGIC, len(text), sum(map(len, body))), text, *body])
    try:
        while data:
            data = data[os.write(target, data[:AT_ONCE]) :]
    except OSError as error:
        raise ClosedError(str(error)) from error


def read_message(source: int, deadline: float | None = None) -> tuple[dict[str, Any], list[Array]]:
    """Read a message from a file descriptor.

    Parameters
    ----------
    source : int
        The file descriptor.
    deadline : float or None
        Of ``time.monotonic``; None to wait for as long as it takes.

    Returns
    -------
    dict, list of ndarray
        What the message says, and the arrays that it carries.

    Raises
    ------
    ClosedError, DeadlineError, ProtocolError
        If there is no message, none in time, or something else.
    """
    magic, header_length, body_length = FRAME.unpack(read_exactly(source, FRAME.size, deadline))
    if magic != MAGIC or header_length > MOST_HEADER or body_length > MOST_BODY:
        raise ProtocolError(f"a message must start with {MAGIC!r} and two lengths, got {magic!r}")
    text = read_exactly(source, header_length, deadline)
    body = read_exactly(source, body_length, deadline)
    try:
        header = json.loads(text)
        kinds = [(np.dtype(each["dtype"]), tuple(map(int, each["shape"]))) for each in header["arrays"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError(f"the header of a message cannot be read: {type(error).__name__}: {error}") from error
    if any(dtype.hasobject or min(shape, default=0) < 0 for dtype, shape in kinds):
        raise ProtocolError("arrays must be of numbers and have no negative sizes")
    if sum(dtype.itemsize * prod(shape) for dtype, shape in kinds) != body_length:
        raise ProtocolError(f"the arrays of a message take another number of bytes than the {body_length} sent")
    arrays, start = [], 0
    for dtype, shape in kinds:
        stop = start + dtype.itemsize * prod(shape)
        arrays.append(np.frombuffer(body[start:stop], dtype).reshape(shape).astype(dtype.newbyteorder("=")))
        start = stop
    return header, arrays


def read_exactly(source: int, count: int, deadline: float | None) -> bytes:
    """So many bytes."""
    found = bytearray()
    while len(found) < count:
        if deadline is not None:
            ready, _, _ = select.select([source], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise DeadlineError
        some = os.read(source, min(AT_ONCE, count - len(found)))
        if not some:
            raise ClosedError("the other side has closed its end")
        found += some
    return bytes(found)
