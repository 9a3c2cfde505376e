"""Training graphs as Python files that need NumPy alone."""
