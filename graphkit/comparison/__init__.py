"""Proving a port: two graphs with the same weights on the same inputs, and the first real difference."""
