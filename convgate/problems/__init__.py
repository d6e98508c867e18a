"""Problems: an operator's geometry and options, without data."""
