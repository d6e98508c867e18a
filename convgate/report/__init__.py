"""Reporters: each shows a run's events or its record in one format."""
