"""Reading and copying finished graphs."""
