"""Tests of the gate itself: planted faults, mutants and the kill matrix."""
