"""Faults in max_pool2d."""

from convgate.faults.fault import Fault

__all__ = ["FAULTS"]

FAULTS: tuple[Fault, ...] = ()
