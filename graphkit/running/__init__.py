"""Executing steps: sessions, feeds, loops, execution."""
