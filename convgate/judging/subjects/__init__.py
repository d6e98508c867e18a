"""Subjects: finding the code under test, and keeping it at arm's length."""
