"""Runs: which cases, in which processes, within which limits, and what they come to."""
