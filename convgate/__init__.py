"""Is this convolution right? A differential test and verification harness for convolution and pooling.

What stands here is the public interface. It is imported when it is first used, as PyTorch takes seconds to load.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convgate.cases.case import Case
    from convgate.cases.spec import format_spec, parse_spec
    from convgate.judging.checks import judge
    from convgate.judging.subjects.interface import Subject
    from convgate.problems.axis import Axis, make_axes
    from convgate.problems.problem import Problem
    from convgate.results.events import Event, RunFinished
    from convgate.results.record import RunRecord
    from convgate.results.verdicts import Result
    from convgate.run.limits import Limits
    from convgate.run.merge import load_record
    from convgate.run.plan import Plan
    from convgate.run.runner import gate

__all__ = [
    "Axis",
    "Case",
    "Event",
    "Limits",
    "Plan",
    "Problem",
    "Result",
    "RunFinished",
    "RunRecord",
    "Subject",
    "format_spec",
    "gate",
    "judge",
    "load_record",
    "make_axes",
    "parse_spec",
]

HOME = {
    "Axis": "problems.axis",
    "Case": "cases.case",
    "Event": "results.events",
    "Limits": "run.limits",
    "Plan": "run.plan",
    "Problem": "problems.problem",
    "Result": "results.verdicts",
    "RunFinished": "results.events",
    "RunRecord": "results.record",
    "Subject": "judging.subjects.interface",
    "format_spec": "cases.spec",
    "gate": "run.runner",
    "judge": "judging.checks",
    "load_record": "run.merge",
    "make_axes": "problems.axis",
    "parse_spec": "cases.spec",
}


def __getattr__(name: str) -> Any:
    """What the public interface has by a name."""
    if name not in HOME:
        raise AttributeError(f"convgate has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"convgate.{HOME[name]}"), name)


def __dir__() -> list[str]:
    """The public interface."""
    return __all__
