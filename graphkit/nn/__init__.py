"""Builders that emit ops into the current default graph; none of them opens a session."""
