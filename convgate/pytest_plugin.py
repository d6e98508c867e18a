"""The pytest plugin: judge cases in a test suite, and write one record of them.

pytest imports this module in every session of every project that has convgate installed, so heavy modules are imported
only when a test first needs them.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from convgate.cases.case import Case
    from convgate.run.in_pytest import Judged

__all__ = ["convgate_judge"]

KEY = "convgate"


class Session:
    """The cases that tests judged, in this process and in finished workers."""

    def __init__(self, file: Path, max_unsupported: float) -> None:
        self.file = file
        self.max_unsupported = max_unsupported
        self.judged: list[Judged] = []
        self.started = time.monotonic()
        self.started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self.message = ""
        self.lost = 0

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Collect the cases that a pytest-xdist worker judged; a crashed worker has none."""
        from convgate.run.in_pytest import decode  # noqa: PLC0415 - heavy

        output = getattr(node, "workeroutput", None)
        self.lost += output is None
        self.judged += decode((output or {}).get(KEY, "[]"))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """In a worker, pass on the judged cases; otherwise write the record."""
        from convgate.run.in_pytest import encode  # noqa: PLC0415 - heavy

        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[KEY] = encode(self.judged)
            return
        if session.exitstatus in {pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR}:
            self.message = f"{self.file} was not written because the tests did not finish"
            return
        try:
            self.write()
        except (ValueError, OSError) as error:
            self.message = f"{self.file} was not written: {error}"
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def write(self) -> None:
        """Write the record."""
        from convgate.report.json import render  # noqa: PLC0415 - heavy
        from convgate.results.files import write_text  # noqa: PLC0415 - heavy
        from convgate.run.in_pytest import record_of_session  # noqa: PLC0415 - heavy
        from convgate.run.summary import summary_of  # noqa: PLC0415 - heavy

        seconds = time.monotonic() - self.started
        record = record_of_session(
            self.judged,
            started_at=self.started_at,
            seconds=seconds,
            lost=self.lost,
            max_unsupported=self.max_unsupported,
        )
        write_text(self.file, render(summary_of(record)))
        self.message = f"{record.subject} {record.verdict}: {record.reason}; see convgate coverage {self.file}"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Report which record was written."""
        terminalreporter.write_line(f"convgate: {self.message}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("convgate")
    group.addoption("--convgate-record", metavar="FILE", help="write a run record of all judged cases to FILE")
    group.addoption(
        "--convgate-max-unsupported",
        metavar="PERCENT",
        type=percentage,
        # convgate.results.record.MAX_UNSUPPORTED, which is heavy to import
        default=10.0,
        help="percentage of an operator's cases that may raise NotImplementedError (default: 10)",
    )


def percentage(text: str) -> float:
    """A number from 0 to 100.

    Raises
    ------
    ValueError
        If the text is not such a number.
    """
    found = float(text)
    if not 0 <= found <= 100:
        raise ValueError
    return found


def pytest_configure(config: pytest.Config) -> None:
    """Record judged cases if ``--convgate-record`` is given."""
    file = config.getoption("--convgate-record")
    if file is not None:
        session = Session(config.invocation_params.dir / file, config.getoption("--convgate-max-unsupported"))
        config.pluginmanager.register(session, "convgate-session")


@pytest.fixture
def convgate_judge(request: pytest.FixtureRequest) -> "Callable[[Case | str, Any], None]":
    """Judge a case: ``convgate_judge(case_or_spec, subject)``, the subject an object or ``"module:attribute"``.

    A failing case fails the test. A case that is not verified, such as an unsupported or vacuous one, skips it.
    """
    session = request.config.pluginmanager.get_plugin("convgate-session")

    def judge(case: "Case | str", subject: Any) -> None:
        __tracebackhide__ = True
        from convgate.cases.spec import SpecError  # noqa: PLC0415 - heavy
        from convgate.judging.subjects.loader import SubjectError  # noqa: PLC0415 - heavy
        from convgate.run.in_pytest import judge_in_test  # noqa: PLC0415 - heavy

        try:
            judgement = judge_in_test(case, subject)
        except (SpecError, SubjectError) as error:
            pytest.fail(str(error), pytrace=False)
        if session is not None:
            session.judged.append(judgement.judged)
        if judgement.report:
            pytest.fail(judgement.report, pytrace=False)
        if judgement.verdict != "passed":
            pytest.skip(f"{judgement.judged.spec} is {judgement.verdict.replace('_', ' ')}")

    return judge
