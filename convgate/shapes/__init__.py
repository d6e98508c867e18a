"""Shape classes, what is feasible, and what is covered."""
