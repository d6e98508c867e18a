"""Planted faults: a catalogue of bugs that people write, each planted in a correct base and usable as a subject.

``convgate gate --subject convgate.selftest.faults:NAME`` must find the fault NAME, and with ``NAME__NAME`` both faults;
``convgate.selftest.faults:correct`` has none.
"""

from types import SimpleNamespace

from convgate.selftest.faults.catalogue import CATALOGUE
from convgate.selftest.faults.fault import CORRECT, STAGES, Edit, Fault, FaultError, diff_of, subject_of

__all__ = ["CATALOGUE", "STAGES", "Edit", "Fault", "FaultError", "correct", "diff_of", "subject_name", "subject_of"]

correct = CORRECT


def subject_name(fault: Fault) -> str:
    """The subject name of a fault on the command line."""
    return f"{__name__}:{fault.name}"


def __getattr__(name: str) -> SimpleNamespace:
    """The subject with the fault of this name, or with several faults, whose names are joined by two underscores."""
    names = name.split("__")
    if all(each in CATALOGUE for each in names):
        return subject_of(*(CATALOGUE[each] for each in names))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
