"""Cases: a problem with its data, dtype and memory layout."""
