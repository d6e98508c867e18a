"""Whether the gate finds what it must: planted faults, mutants and the kill matrix."""
