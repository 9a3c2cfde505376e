"""What `compare_xla.py` compares."""
