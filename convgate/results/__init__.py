"""What comes out of judging and running, as plain data."""
