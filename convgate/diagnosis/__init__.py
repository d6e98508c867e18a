"""Diagnosis of failures: failing cases are minimised, explained and shown."""
