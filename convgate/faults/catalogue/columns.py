"""Faults in im2col and col2im."""

from convgate.faults.fault import Fault

__all__ = ["FAULTS"]

FAULTS: tuple[Fault, ...] = ()
