"""Judging one case: what the subject says, what the oracles say, and what each check makes of it."""
