"""The host of Python subjects: ``python_host.py CONFIGURATION`` answers the calls of docs/protocol.md.

It stands on its own, with nothing but NumPy and the standard library of Python 3.8, so that a subject can run in
whatever environment it needs, and so that nothing of the judge is in its process. CONFIGURATION is a JSON object:
``subject`` ("module" or "module:attribute"), ``path`` (folders to import it from), ``functions`` (names to look for).
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import select
import signal
import struct
import sys
import traceback
from collections import namedtuple
from functools import lru_cache
from typing import Any, Callable, Iterable, Iterator, Sequence

import numpy as np

__all__ = ["FRAME", "MAGIC", "MOST_HELD", "PROTOCOL", "extent", "main", "message", "pack", "serve_subject", "unpack"]

PROTOCOL = 2
MAGIC = b"CVG2"
# The magic word, the length of the header, and that of the body.
FRAME = struct.Struct("<4sIQ")
# Types that can travel: booleans, integers, floating-point and complex numbers.
NUMBERS = "biufc"
# What a result may take in memory, gaps between its entries included, to be sent with its layout.
MOST_EXTENT = 2**26
# So much memory beside an array that is a view of it travels in any case.
MOST_MARGIN = 4096
# Calls whose results are watched for changes by later ones.
MOST_HELD = 8
# A process whose judge is gone ends this many times later than the judge would have ended it.
PATIENCE = 3.0
ENDINGS = (NotImplementedError, ValueError, TypeError)


def message(header: dict[str, Any], blocks: Sequence[bytes] = ()) -> bytes:
    """A header and the blocks of its arrays as bytes."""
    text = json.dumps(header).encode()
    return b"".join([FRAME.pack(MAGIC, len(text), sum(map(len, blocks))), text, *blocks])


def extent(array: np.ndarray[Any, Any]) -> tuple[int, int]:
    """The bytes before the first entry and after it, with that entry, that an array with entries lies in."""
    steps = [(length - 1) * stride for length, stride in zip(array.shape, array.strides)]
    return sum(step for step in steps if step < 0), sum(step for step in steps if step > 0) + array.itemsize


def address(array: np.ndarray[Any, Any]) -> int:
    """Where the first entry of an array lies."""
    where: int = array.__array_interface__["data"][0]
    return where


def is_plain(array: np.ndarray[Any, Any]) -> bool:
    """Whether an array is row-major with the usual strides, also along axes of one entry, or has no entries."""
    if not array.size:
        return True
    stride = array.itemsize
    for length, found in zip(reversed(array.shape), reversed(array.strides)):
        if found != stride:
            return False
        stride *= length
    return True


def pack(array: np.ndarray[Any, Any], *, layout: bool = True) -> tuple[dict[str, Any], bytes]:
    """Describe an array for the header, and give its block: the memory that it lies in, or its entries row by row.

    Parameters
    ----------
    array : ndarray
        Of numbers.
    layout : bool
        Whether its layout in memory travels.
    """
    entry: dict[str, Any] = {"dtype": array.dtype.str, "shape": array.shape}
    if not array.flags.writeable:
        entry["readonly"] = True
    if not layout or (array.base is None and is_plain(array)) or not array.size:
        return entry, array.tobytes()
    start, end = memory_of(array)
    entry.update(strides=array.strides, offset=address(array) - start, bytes=end - start)
    return entry, ctypes.string_at(start, end - start)


def memory_of(array: np.ndarray[Any, Any]) -> tuple[int, int]:
    """The addresses between which the memory lies that an array with entries is a view of, unless most of it is not."""
    start, end = bounds(array)
    owner = array
    while type(owner.base) is np.ndarray:
        owner = owner.base
    if owner is not array and owner.size:
        first, last = bounds(owner)
        if first <= start and end <= last and last - first <= 4 * (end - start) + MOST_MARGIN:
            return first, last
    return start, end


def unpack(entries: Iterable[dict[str, Any]], body: bytearray) -> Iterator[tuple[np.ndarray[Any, Any], int, int]]:
    """The arrays of a message, each with the start and the end of its block; they lie in the body.

    Raises
    ------
    ValueError, KeyError, TypeError
        If the header does not describe the body.
    """
    start = 0
    for each in entries:
        dtype, shape = np.dtype(each["dtype"]), tuple(each["shape"])
        if dtype.kind not in NUMBERS:
            raise ValueError(f"arrays must be of numbers, got dtype {dtype}")
        strides = each.get("strides")
        count = each["bytes"] if strides is not None else dtype.itemsize
        if strides is None:
            for length in shape:
                count *= length
        if count < 0 or start + count > len(body):
            raise ValueError("the body is shorter than its arrays")
        if not count:
            array = np.empty(shape, dtype)
        elif strides is None:
            array = np.ndarray(shape, dtype, body, start)
        else:
            block = memoryview(body)[start : start + count]
            array = np.ndarray(shape, dtype, block, each["offset"], tuple(strides))
        yield array, start, start + count
        start += count
    if start != len(body):
        raise ValueError("the body is longer than its arrays")


class Endpoint:
    """The two pipes to the judge."""

    def __init__(self) -> None:
        self.source, self.target = int(os.environ.pop("CONVGATE_IN")), int(os.environ.pop("CONVGATE_OUT"))
        for each in (self.source, self.target):
            os.set_inheritable(each, False)

    def read(self) -> tuple[dict[str, Any], bytearray]:
        """The next request.

        Raises
        ------
        EOFError
            If the judge is gone.
        """
        _, length, count = FRAME.unpack(self.exactly(FRAME.size))
        return json.loads(bytes(self.exactly(length))), self.exactly(count)

    def exactly(self, count: int) -> bytearray:
        """So many bytes."""
        found = bytearray(count)
        rest = memoryview(found)
        while rest:
            got = os.readv(self.source, [rest])
            if not got:
                raise EOFError
            rest = rest[got:]
        return found

    def write(self, data: bytes) -> None:
        """Write a message."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.target, rest) :]

    def deserted(self) -> bool:
        """Whether the judge is gone."""
        poll = select.poll()
        poll.register(self.source, select.POLLIN)
        return any(event & select.POLLHUP for _, event in poll.poll(0))


class Reply:
    """The reply to one message while it is made: what came of each call, and the arrays that belong to it."""

    def __init__(self) -> None:
        self.replies: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []
        self.blocks: list[bytes] = []

    def add(self, entry: dict[str, Any], block: bytes = b"") -> int:
        """Take up an array; its number in the message."""
        self.entries.append(entry)
        self.blocks.append(block)
        return len(self.entries) - 1

    def message(self) -> bytes:
        """The whole as bytes."""
        return message({"replies": self.replies, "arrays": self.entries}, self.blocks)


class Input:
    """An array of a request in memory of its own, and what it is at first."""

    def __init__(self, entry: dict[str, Any], sent: np.ndarray[Any, Any], block: memoryview) -> None:
        if "strides" in entry:
            kind = sent.dtype if len(block) % sent.itemsize == 0 else np.dtype(np.uint8)
            self.owner = np.frombuffer(block, kind).copy()
            self.array = np.ndarray(sent.shape, sent.dtype, self.owner, entry["offset"], sent.strides)
        else:
            self.owner = self.array = sent.copy()
        self.array.flags.writeable = "readonly" not in entry
        self.sent, self.block = sent, block

    def changed(self) -> tuple[dict[str, Any], bytes] | None:
        """The array and its memory as they are now, if they are no longer what they were."""
        array, sent, now = self.array, self.sent, self.owner.tobytes()
        same = array.shape == sent.shape and array.dtype == sent.dtype and array.strides == sent.strides
        if same and now == self.block:
            return None
        entry = {"dtype": self.array.dtype.str, "shape": self.array.shape, "strides": self.array.strides}
        return {**entry, "offset": address(self.array) - address(self.owner), "bytes": len(now)}, now


class Server:
    """Answers the requests of a judge with what a subject does."""

    def __init__(self, subject: Any) -> None:
        self.subject = subject
        # results of earlier calls, with the number of the call and what they were
        self.held: list[tuple[int, int, np.ndarray[Any, Any], bytes]] = []

    def answer(self, request: dict[str, Any], body: bytearray) -> bytes:
        """Answer a request."""
        signal.setitimer(signal.ITIMER_REAL, PATIENCE * request["seconds"])
        try:
            if "calls" in request:
                return self.calls(request, body)
            (question,) = set(request) & {"supports", "error_factor"}
            return message(self.declared(question, request[question]))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def declared(self, question: str, problem: dict[str, Any]) -> dict[str, Any]:
        """What a subject says of a problem."""
        try:
            said = getattr(self.subject, question)(as_problem(problem))
            if question == "supports":
                return {question: bool(said), "arrays": []}
            number = isinstance(said, (int, float, np.number)) and not isinstance(said, bool)
            return {question: float(said) if number else None if said is None else repr(said), "arrays": []}
        except BaseException as error:  # noqa: BLE001 - whatever a subject raises is an answer
            return {**failure(error), "arrays": []}

    def calls(self, request: dict[str, Any], body: bytearray) -> bytes:
        """Make the calls of a request."""
        sent, view = list(unpack(request["arrays"], body)), memoryview(body)
        reply = Reply()
        for call in request["calls"]:
            inputs = {
                number: Input(request["arrays"][number], sent[number][0], view[sent[number][1] : sent[number][2]])
                for number in (each["array"] for each in call["arguments"] if "array" in each)
            }
            arguments = [
                inputs[each["array"]].array if "array" in each else in_tuples(each["value"])
                for each in call["arguments"]
            ]
            options = {name: in_tuples(value) for name, value in call["options"].items()}
            reply.replies.append(self.call(call, arguments, options, inputs, reply))
        return reply.message()

    def call(
        self,
        call: dict[str, Any],
        arguments: list[Any],
        options: dict[str, Any],
        inputs: dict[int, Input],
        reply: Reply,
    ) -> dict[str, Any]:
        """Make one call: what came of it, and what else it has changed."""
        try:
            with np.errstate(all="ignore"):
                returned = getattr(self.subject, call["call"])(*arguments, **options)
            found = outcome(returned, inputs, reply)
        except BaseException as error:  # noqa: BLE001 - whatever a subject raises is an outcome
            found, returned = failure(error), None
        changed = {str(number): each.changed() for number, each in inputs.items()}
        moved = {number: reply.add(*each) for number, each in changed.items() if each is not None}
        if moved:
            found["changed"] = moved
        if not call.get("hold"):
            # others are watched from now on, or none
            self.held.clear()
        if "hold" not in call:
            return found
        rewritten = [
            [number, place, reply.add(*pack(array, layout=False))]
            for number, place, array, then in self.held
            if array.tobytes() != then
        ]
        if rewritten:
            found["rewritten"] = rewritten
        if len({number for number, *_ in self.held}) < MOST_HELD:
            several = entries_of(returned)
            results = (returned,) if several is None else several
            self.held += [
                (call["hold"], place, each, each.tobytes())
                for place, each in enumerate(results)
                if type(each) is np.ndarray and each.dtype.kind in NUMBERS
            ]
        return found


def as_problem(fields: dict[str, Any]) -> Any:
    """A problem as a subject sees it: its fields by name, not to be changed, and good for a key."""
    return problem_class(tuple(fields))(*map(in_tuples, fields.values()))


@lru_cache(maxsize=None)
def problem_class(names: tuple[str, ...]) -> Any:
    """The class of problems with such fields."""
    return namedtuple("Problem", names)


def in_tuples(value: Any) -> Any:
    """A value of JSON with a tuple for a list, as sizes are."""
    return tuple(value) if type(value) is list else value


def failure(error: BaseException) -> dict[str, Any]:
    """What was raised: the name of the class, which of the known ones it is made of, and the message."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - a class of the subject's own
        text = ""
    found = {"error": type_name(error), "message": text.encode("utf-8", "backslashreplace").decode()}
    kind = next((each.__name__ for each in ENDINGS if isinstance(error, each)), "")
    return {**found, "kind": kind} if kind else found


def type_name(value: Any) -> str:
    """The name of a value's class, whatever the class of that class makes of it."""
    name: str = type.__dict__["__name__"].__get__(type(value))
    return name


def entries_of(returned: Any) -> tuple[Any, ...] | None:
    """The entries of a tuple or list, read by their places whatever a subclass says of them; None of anything else."""
    kind = type(returned)
    if issubclass(kind, tuple):
        return tuple.__getitem__(returned, slice(None))
    return tuple(list.__getitem__(returned, slice(None))) if issubclass(kind, list) else None


def outcome(returned: Any, inputs: dict[int, Input], reply: Reply) -> dict[str, Any]:
    """What was returned: arrays by their numbers in the reply, None, and of all else the name of its class."""
    several = entries_of(returned)
    results = (returned,) if several is None else several
    places = [(number, each) for number, each in enumerate(results) if type(each) is np.ndarray]
    described = dict(zip((number for number, _ in places), describe([each for _, each in places], inputs, reply)))
    outputs = [
        described.get(number, None if each is None else {"type": type_name(each)})
        for number, each in enumerate(results)
    ]
    return {"outputs": outputs} if several is None else {"outputs": outputs, "returned": type_name(returned)}


def describe(results: list[np.ndarray[Any, Any]], inputs: dict[int, Input], reply: Reply) -> Iterator[int]:
    """Take results up in a reply, with the memory that they share: their numbers there."""
    others = [("request", number, each.owner) for number, each in inputs.items()]
    for result in results:
        entry: dict[str, Any] = {"dtype": result.dtype.str, "shape": result.shape}
        flags, block = result.flags, b""
        if result.dtype.kind not in NUMBERS:
            entry = {"dtype": str(result.dtype), "shape": result.shape, "empty": True}
        elif any(np.may_share_memory(result, other) for _, _, other in others):
            entry.update(shared(result, others))
        elif flags.c_contiguous or not result.size:
            block = result.tobytes()
        else:
            low, high = extent(result)
            entry, block = pack(result, layout=high - low <= MOST_EXTENT)
        if not flags.writeable:
            entry["readonly"] = True
        number = reply.add(entry, block)
        if entry.keys().isdisjoint(("shares", "empty")):
            others.append(("reply", number, result))
        yield number


def shared(result: np.ndarray[Any, Any], others: list[tuple[str, int, np.ndarray[Any, Any]]]) -> dict[str, Any]:
    """Where a result lies in the memory of another array.

    Where it reaches beyond that, its values do not matter: it is wrong all the same.
    """
    kind, number, other = next(each for each in others if np.may_share_memory(result, each[2]))
    (low, high), (start, end) = bounds(result), bounds(other)
    inside = start <= low and high <= end
    strides = result.strides if inside else (0,) * result.ndim
    offset = address(result) - start if inside else 0
    return {"shares": [kind, number], "strides": strides, "offset": offset}


def bounds(array: np.ndarray[Any, Any]) -> tuple[int, int]:
    """The addresses between which an array with entries lies."""
    low, high = extent(array)
    return address(array) + low, address(array) + high


def load(name: str) -> Any:
    """The subject: a module, or an attribute of one."""
    module, _, attribute = name.partition(":")
    found = importlib.import_module(module)
    for part in attribute.split(".") if attribute else []:
        found = getattr(found, part)
    return found


def hello(subject: Any, functions: Sequence[str], *, layouts: bool) -> dict[str, Any]:
    """What a host says of its subject first."""
    said: dict[str, Any] = {
        "protocol": PROTOCOL,
        "functions": [name for name in functions if callable(getattr(subject, name, None))],
        "layouts": layouts,
        "several": True,
        "supports": callable(getattr(subject, "supports", None)),
        "error_factor": callable(getattr(subject, "error_factor", None)),
        "arrays": [],
    }
    if hasattr(subject, "dtypes"):
        said["dtypes"] = [str(each) for each in subject.dtypes]
    return said


def alone() -> bool:
    """Whether this process has only one thread, so that it is safe to fork."""
    try:
        return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def serve(judge: Endpoint, subject: Any) -> None:
    """Answer requests until the judge is gone."""
    server = Server(subject)
    while True:
        try:
            request, body = judge.read()
        except EOFError:
            return
        judge.write(server.answer(request, body))


def serve_in_copies(judge: Endpoint, subject: Any, said: dict[str, Any]) -> None:
    """Answer requests in a copy of this process, and in another one whenever that ends.

    So a call that kills its process costs no import, and each copy is a process that has made no call yet.
    """
    while True:
        copy = os.fork()
        if not copy:
            try:
                serve(judge, subject)
            except BaseException:  # noqa: BLE001 - the copy must not go on as if it were the original
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        judge.write(message({**said, "process": copy}))
        _, status = os.waitpid(copy, 0)
        if judge.deserted():
            return
        ended = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        said = {"ended": ended, "arrays": []}


def main(configuration: str) -> None:
    """Answer what a judge asks of a module, or of an attribute of one."""
    asked = json.loads(configuration)
    # that of this script has modules of ours
    sys.path[:] = asked["path"] if asked["path"] is not None else ["", *sys.path[1:]]
    serve_subject(lambda: load(asked["subject"]), asked["functions"])


def serve_subject(load_it: Callable[[], Any], functions: Sequence[str], *, layouts: bool = True) -> None:
    """Load a subject and answer what a judge asks of it.

    Parameters
    ----------
    load_it : callable
        Gives the subject.
    functions : sequence of str
        Names of the functions that it may have.
    layouts : bool
        Whether it takes arrays of any memory layout, and not only row-major ones.
    """
    judge = Endpoint()
    # whoever ends a run by a key ends this process too, whatever it is doing
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        subject = load_it()
        said = hello(subject, functions, layouts=layouts)
    except BaseException as error:  # noqa: BLE001 - a subject can raise anything
        judge.write(message({"protocol": PROTOCOL, **failure(error), "arrays": []}))
        return
    if alone():
        serve_in_copies(judge, subject, said)
    else:
        judge.write(message(said))
        serve(judge, subject)


if __name__ == "__main__":
    main(sys.argv[1])
