"""Reporters: each reads a run's events or its record and shows them in one way."""
