"""A fault is found through the protocol as it is in the judge's own process: in the same checks, in the same way."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from convgate.cases.spec import parse_spec
from convgate.judging.checks import judge_trial
from convgate.judging.subjects import python_host
from convgate.judging.subjects.remote import RemoteSubject
from convgate.judging.trial import Trial
from convgate.problems.operators import FUNCTIONS
from convgate.run.state_leaks import make_calls
from convgate.selftest.faults import CATALOGUE, subject_of

# What a fault does there depends on what a call sees of its arrays' memory, or leaves behind: all faults of such
# classes (memory layouts, dtypes, empty batches, inputs changed, state, numbers that are not finite, buffers), and some
# of the others.
OF_MEMORY = {17, 19, 22, 25, 27, 33, 34}
ASKED = [
    name
    for number, (name, fault) in enumerate(CATALOGUE.items())
    if not fault.dies and (fault.bug_class in OF_MEMORY or number % 9 == 0)
]
# Each returns its one buffer again and again. In the judge's process central differences then see both sides alike;
# through the protocol each result arrives as it was.
SEEN_LESS = {"conv2d_returns_the_same_buffer_again", "avg_pool2d_returns_the_same_buffer_again"}


class InThisProcess:
    """The two ends of the protocol without a process between them."""

    seconds, generation = 5.0, 1

    def __init__(self, subject: Any) -> None:
        self.subject, self.server = subject, python_host.Server(subject)

    def start(self) -> dict[str, Any]:
        """What it says of itself."""
        return python_host.hello(self.subject, FUNCTIONS, layouts=True)

    def ask(
        self, request: dict[str, Any], blocks: Sequence[bytes] = (), seconds: float = 5.0
    ) -> tuple[dict[str, Any], bytearray]:
        """Its reply."""
        header, body = taken_apart(python_host.message({**request, "seconds": seconds}, blocks))
        return taken_apart(self.server.answer(header, body))


def taken_apart(message: bytes) -> tuple[dict[str, Any], bytearray]:
    size = python_host.FRAME.size
    _, length, _ = python_host.FRAME.unpack(message[:size])
    return json.loads(message[size : size + length]), bytearray(message[size + length :])


def seen(name: str, *, remote: bool, sampled: bool) -> list[tuple[str, str, str, str]]:
    fault = CATALOGUE[name]
    subject = subject_of(fault)
    there = RemoteSubject(InThisProcess(subject)) if remote else subject  # type: ignore[arg-type]
    if fault.after:
        make_calls(parse_spec(fault.after), there)
    results = judge_trial(Trial(parse_spec(fault.spec), there, sampled=sampled))
    unseen = "finite_difference" if name in SEEN_LESS else ""
    return [(each.check, each.verdict, each.symptom, each.message) for each in results if each.check != unseen]


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("name", ASKED)
def test_a_fault_shows_through_the_protocol_as_it_does_in_this_process(name: str, sampled: bool) -> None:
    """Call by call, and with all calls of a case in one or two messages."""
    assert seen(name, remote=True, sampled=sampled) == seen(name, remote=False, sampled=sampled)
