"""Results of judging and running, as plain data."""
