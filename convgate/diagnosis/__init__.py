"""What is wrong: failing cases made small, described and shown."""
