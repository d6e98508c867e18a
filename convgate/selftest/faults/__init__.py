"""Planted faults: a catalogue of bugs that people write, over a correct base, each a subject of the gate.

``convgate gate --subject convgate.selftest.faults:NAME`` must find the fault NAME, and with ``NAME__NAME`` each of two;
``convgate.selftest.faults:correct`` has none.
"""

from types import SimpleNamespace

from convgate.selftest.faults.catalogue import CATALOGUE
from convgate.selftest.faults.fault import CORRECT, STAGES, Edit, Fault, FaultError, diff_of, subject_of

__all__ = ["CATALOGUE", "STAGES", "Edit", "Fault", "FaultError", "correct", "diff_of", "subject_name", "subject_of"]

correct = CORRECT


def subject_name(fault: Fault) -> str:
    """What a fault is called on the command line."""
    return f"{__name__}:{fault.name}"


def __getattr__(name: str) -> SimpleNamespace:
    """The subject with the fault of that name, or with several, their names joined by two underscores."""
    names = name.split("__")
    if all(each in CATALOGUE for each in names):
        return subject_of(*(CATALOGUE[each] for each in names))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
