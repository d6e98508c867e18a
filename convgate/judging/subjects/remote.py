"""A subject in a process of its own: its functions, called there."""

import ctypes
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convgate.judging.subjects import python_host
from convgate.judging.subjects.host import Host, HostDiedError
from convgate.judging.subjects.python_host import MOST_HELD, memory_of, pack, unpack
from convgate.judging.subjects.wire import ProtocolError
from convgate.problems.operators import FUNCTIONS
from convgate.problems.problem import Problem, as_options

__all__ = [
    "PREFIXES",
    "Foreseen",
    "RemoteError",
    "RemoteSubject",
    "allow",
    "command_of",
    "holding",
    "hurried",
    "make_ahead",
    "takes_several",
]

# Names of subjects that are no Python modules of this environment.
PREFIXES = ("exec:", "lib:", "python:")
# Beside the usual time for a call, for each term of a forward pass: loops of an interpreter take a microsecond for one,
# and a backward pass has some of them.
SECONDS_A_TERM = 2e-5
# Problems about which what a subject says is kept.
MOST_KNOWN = 2**14
# Exceptions that mean something to the judge; of others the name is kept.
KNOWN = {each.__name__: each for each in (ValueError, TypeError, NotImplementedError)}
Array = NDArray[Any]


class RemoteError(Exception):
    """What a subject raised, where its class is not one that means something here."""


def command_of(name: str) -> list[str]:
    """The command that starts the host of a subject.

    Parameters
    ----------
    name : str
        ``module`` or ``module:attribute``; ``python:PATH NAME`` for the same in another environment; ``exec:COMMAND``,
        whose words the shell's rules tell apart; or ``lib:PATH`` of a shared library.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    kind, _, rest = name.partition(":")
    if kind == "exec":
        return shlex.split(rest)
    if kind == "lib":
        return [sys.executable, "-m", "convgate.judging.subjects.library_host", rest]
    if kind != "python":
        return python_command(sys.executable, name, sys.path)
    words = shlex.split(rest)
    if len(words) != 2:
        raise ValueError(f"it must be python:PATH MODULE or python:PATH MODULE:ATTRIBUTE, got {name}")
    return python_command(words[0], words[1], None)


def python_command(python: str, subject: str, path: Sequence[str] | None) -> list[str]:
    """The command of the host of a Python subject, with the folders to import it from if not that Python's own."""
    configuration = {"subject": subject, "path": path, "functions": FUNCTIONS}
    return [python, str(Path(python_host.__file__)), json.dumps(configuration)]


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
    RemoteError
        If it says that the subject could not be loaded.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        hello = host.start()
        if "error" in hello:
            raise RemoteError(f"{hello['error']}: {hello.get('message', '')}".removesuffix(": "))
        self._layouts = bool(hello.get("layouts"))
        # beside the usual time for a call, for the work of the case at hand
        self.more_seconds = 0.0
        self.several = bool(hello.get("several"))
        self._session: Session | None = None
        # calls that have been made ahead of time
        self._ahead: list[tuple[Foreseen, Answered]] = []
        for name in hello["functions"]:
            if name in FUNCTIONS:
                setattr(self, name, partial(self._call, name))
        if "dtypes" in hello:
            self.dtypes = tuple(hello["dtypes"])
        if hello.get("supports"):
            # it is asked about many problems again and again
            self.supports: Callable[[Problem], bool] = lru_cache(MOST_KNOWN)(partial(self._declared, "supports"))
        if hello.get("error_factor"):
            self.error_factor: Callable[[Problem], Any] = lru_cache(MOST_KNOWN)(partial(self._declared, "error_factor"))

    def _declared(self, question: str, problem: Problem) -> Any:
        reply, _ = self.host.ask({question: {**as_options(problem), "output_size": problem.output_size}, "arrays": []})
        if "error" in reply:
            raise exception_of(reply)
        return reply.get(question)

    def make_ahead(self, calls: Sequence["Foreseen"]) -> None:
        """Make calls in one message, for whoever asks for the same later, in this order; forget those made before.

        Each message costs two changes of context, and after each of them a process is slow for a while.
        """
        self._ahead = []
        if not self.several or not calls:
            return
        request = Request(layouts=self._layouts)
        for each in calls:
            request.add(each.name, each.arguments, each.options, each.hold)
        try:
            made = self._made(request, self._seconds)
        except HostDiedError as error:
            # Which call it was, and how it ends, is found out when they are made one by one. What takes too long for
            # all of them is asked for no more together.
            self.several = error.verdict != "timed_out"
        else:
            self._ahead = list(zip(calls, made, strict=True))

    @property
    def _seconds(self) -> float:
        return self.host.seconds + self.more_seconds

    def _made(self, request: "Request", seconds: float) -> list["Answered"]:
        """Make the calls of a request.

        Raises
        ------
        HostDiedError, ProtocolError
            If the host dies of it, or its reply is none.
        """
        reply, body = self.host.ask(request.header(), request.blocks, seconds)
        with readable(self.host):
            own = own_arrays(reply["arrays"], body)
            outcomes = [Answered(each, reply["arrays"], own, request.sent) for each in reply["replies"]]
            if len(outcomes) != len(request.calls):
                raise ValueError(f"{len(request.calls)} calls have {len(outcomes)} replies")
        return outcomes

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        session = self._session
        hold = None if session is None else session.number(self.host)
        asked = Foreseen(name, arguments, options, hold)
        place = next((n for n, (each, _) in enumerate(self._ahead) if each.is_same(asked)), None)
        if place is not None:
            foreseen, outcome = self._ahead[place]
            del self._ahead[: place + 1]
            outcome = outcome.with_arrays(foreseen, asked)
        else:
            request = Request(layouts=self._layouts)
            request.add(name, arguments, options, hold)
            (outcome,) = self._made(request, self._seconds)
        said = outcome.said
        with readable(self.host):
            for changed, number in said.get("changed", {}).items():
                overwrite(outcome.sent[int(changed)], outcome.array(number), outcome.own[number][1])
                # the calls after it were made on what the arrays were before
                self._ahead = []
            if session is not None:
                session.rewrite(said.get("rewritten", ()), outcome)
            results = results_of(said, outcome)
        if "error" in said:
            raise exception_of(said)
        if session is not None:
            session.take(results)
        return results[0] if len(results) == 1 and "returned" not in said else in_class(said, results)


@contextmanager
def readable(host: Host) -> Iterator[None]:
    """A reply that cannot be read inside the block ends its host.

    Raises
    ------
    ProtocolError
        If it cannot.
    """
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        host.stop()
        raise ProtocolError(f"a reply cannot be read: {type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class Foreseen:
    """A call: function, arguments and options, and its number among calls whose results are watched, if it is one."""

    name: str
    arguments: Sequence[Any]
    options: Mapping[str, Any]
    hold: int | None = None

    def is_same(self, other: "Foreseen") -> bool:
        """Whether it is the same call, with arrays that are the same to the last bit."""
        return (
            self.name == other.name
            and self.hold == other.hold
            and self.options == other.options
            and len(self.arguments) == len(other.arguments)
            and all(map(is_same, self.arguments, other.arguments))
        )


def is_same(one: Any, other: Any) -> bool:
    """Whether two arguments are equal values, or arrays with the same contents and layout."""
    if one is other:
        return True
    if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)):
        return type(one) is type(other) and not isinstance(one, np.ndarray) and bool(one == other)
    form = one.shape == other.shape and one.dtype == other.dtype and one.strides == other.strides
    return form and one.tobytes() == other.tobytes()


@dataclass(frozen=True)
class Answered:
    """What a host says of a call, with the arrays of the reply and those that were sent."""

    said: Mapping[str, Any]
    entries: Sequence[Mapping[str, Any]]
    own: Sequence[tuple[Array | None, bytearray | None]]
    sent: Sequence[Array]

    def array(self, number: int) -> Array:
        """An array of the reply; what lies in the memory of another one in the host does so here."""
        entry, (found, _) = self.entries[number], self.own[number]
        if found is None:
            kind, other = entry["shares"]
            found = inside(self.sent[other] if kind == "request" else self.array(other), entry)
        if "readonly" in entry:
            found.flags.writeable = False
        return found

    def with_arrays(self, foreseen: Foreseen, asked: Foreseen) -> "Answered":
        """The same for a call with other arrays of the same contents."""
        places = {id(each): place for place, each in enumerate(foreseen.arguments)}
        sent = [asked.arguments[places[id(each)]] if id(each) in places else each for each in self.sent]
        return replace(self, sent=sent)


class Request:
    """A message of calls while it is made.

    Parameters
    ----------
    layouts : bool
        Whether arrays travel with their layout in memory.
    """

    def __init__(self, *, layouts: bool) -> None:
        self.layouts = layouts
        self.calls: list[dict[str, Any]] = []
        self.sent: list[Array] = []
        self.entries: list[dict[str, Any]] = []
        self.blocks: list[bytes] = []

    def add(self, name: str, arguments: Sequence[Any], options: Mapping[str, Any], hold: int | None = None) -> None:
        """Add a call; an array that another call has too is sent once."""
        words = [{"array": self._number(e)} if isinstance(e, np.ndarray) else {"value": e} for e in arguments]
        held = {} if hold is None else {"hold": hold}
        self.calls.append({"call": name, "arguments": words, "options": options, **held})

    def header(self) -> dict[str, Any]:
        """What the message says."""
        return {"calls": self.calls, "arrays": self.entries}

    def _number(self, array: Array) -> int:
        for number, each in enumerate(self.sent):
            if each is array:
                return number
        entry, block = pack(array, layout=self.layouts)
        self.sent.append(array)
        self.entries.append(entry)
        self.blocks.append(block)
        return len(self.sent) - 1


def takes_several(subject: Any) -> bool:
    """Whether a subject runs in a host that takes several calls in a message."""
    return isinstance(subject, RemoteSubject) and subject.several


def make_ahead(subject: Any, calls: Sequence[Foreseen]) -> None:
    """Have calls made in one message where the subject runs in a host that takes several."""
    if isinstance(subject, RemoteSubject):
        subject.make_ahead(calls)


def allow(subject: Any, work: int) -> None:
    """Give the calls of a subject the time that their work takes, in terms of a forward pass."""
    if isinstance(subject, RemoteSubject):
        subject.more_seconds = SECONDS_A_TERM * work


@contextmanager
def hurried(subject: Any, share: float) -> Iterator[None]:
    """Calls of a subject inside the block have this share of the usual time."""
    if not isinstance(subject, RemoteSubject):
        yield
        return
    usual = subject.host.seconds
    subject.host.seconds = share * usual
    try:
        yield
    finally:
        subject.host.seconds = usual


class Session:
    """Calls whose results are watched: what one of them returned, a later one may change."""

    def __init__(self) -> None:
        self.results: list[tuple[Any, ...]] = []
        self.generation = 0

    def number(self, host: Host) -> int:
        """The number of the next call; of a process that has taken the place of another it is the first."""
        if host.generation != self.generation:
            self.results, self.generation = [], host.generation
        return len(self.results)

    def take(self, results: tuple[Any, ...]) -> None:
        """Watch the results of a call."""
        self.results.append(results if len(self.results) < MOST_HELD else ())

    def rewrite(self, rewritten: Sequence[Sequence[int]], outcome: Answered) -> None:
        """Give results of earlier calls the values that they have now."""
        for number, place, where in rewritten:
            array, writeable = self.results[number][place], self.results[number][place].flags.writeable
            array.flags.writeable = True
            array[...] = outcome.array(where)
            array.flags.writeable = writeable


@contextmanager
def holding(subject: Any) -> Iterator[None]:
    """Calls of a subject inside the block change the results of earlier ones here too, if they do so in its process."""
    if not isinstance(subject, RemoteSubject):
        yield
        return
    subject._session = Session()  # noqa: SLF001 - its own module
    try:
        yield
    finally:
        subject._session = None  # noqa: SLF001


def own_arrays(entries: Sequence[Mapping[str, Any]], body: bytearray) -> list[tuple[Array | None, bytearray | None]]:
    """The arrays of a reply and, of those that came with a layout, the memory; None for those that share another's."""
    found = list(unpack([dict(each) for each in entries if "shares" not in each and "empty" not in each], body))[::-1]
    own: list[tuple[Array | None, bytearray | None]] = []
    for each in entries:
        if "empty" in each:
            own.append((empty(each["dtype"], tuple(each["shape"])), None))
        elif "shares" in each:
            own.append((None, None))
        else:
            array, start, end = found.pop()
            own.append((array, body[start:end] if "strides" in each else None))
    return own


def empty(dtype: str, shape: tuple[int, ...]) -> Array:
    """An array of a dtype that does not travel: it is wrong whatever it holds."""
    try:
        return np.zeros(shape, dtype)
    except (TypeError, ValueError):
        return np.zeros(shape, object)


def inside(other: Array, entry: Mapping[str, Any]) -> Array:
    """An array in the memory of another one."""
    start, end = memory_of(other)
    memory: Any = (ctypes.c_char * (end - start)).from_address(start)
    memory.owner = other
    return np.ndarray(tuple(entry["shape"]), entry["dtype"], memory, entry["offset"], tuple(entry["strides"]))


def overwrite(mine: Array, theirs: Array, memory: bytearray | None) -> None:
    """Give an array the memory, and the form, that a call has left it with."""
    if not mine.size:
        return
    start, end = memory_of(mine)
    if memory is None:
        if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
            raise ValueError("an input that is changed keeps its shape and dtype")
        mine[...] = theirs
        return
    if len(memory) != end - start:
        raise ValueError(f"an input takes {end - start} bytes, got {len(memory)}")
    ctypes.memmove(start, bytes(memory), end - start)
    with suppress(AttributeError, TypeError, ValueError):
        changing: Any = mine
        changing.dtype, changing.shape = theirs.dtype, theirs.shape


def results_of(said: Mapping[str, Any], outcome: Answered) -> tuple[Any, ...]:
    """What a call returned, entry by entry; of what is no array there is a stand-in with the name of its class."""
    if "error" in said:
        return ()
    outputs = said["outputs"]
    if not isinstance(outputs, list) or not (outputs or "returned" in said):
        raise ValueError(f"a reply must have outputs or an error, got {sorted(said)}")
    return tuple(
        None if each is None else stand_in(str(each["type"]))() if isinstance(each, dict) else outcome.array(int(each))
        for each in outputs
    )


def in_class(outcome: Mapping[str, Any], results: tuple[Any, ...]) -> Any:
    """Several results in the class that they were returned in."""
    name = outcome.get("returned", "tuple")
    return list(results) if name == "list" else results if name == "tuple" else stand_in(str(name), tuple)(results)


@cache
def stand_in(name: str, *bases: type) -> type:
    """A class by the name of another one."""
    return type(name if name.isidentifier() else "Unnamed", bases, {})


def exception_of(reply: Mapping[str, Any]) -> Exception:
    """What was raised, as an exception by the same name, made of one that means something here if it was."""
    name = str(reply["error"])
    kind = KNOWN.get(str(reply.get("kind", name)), RemoteError)
    raised: Exception = (kind if kind.__name__ == name else stand_in(name, kind))(str(reply.get("message", "")))
    return raised
