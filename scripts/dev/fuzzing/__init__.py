"""Bad input that `scripts/dev/fuzz.py` and `tests/test_fuzz.py` give to readers and functions.

A target draws a case from a random generator, runs it, and can save it to a file. A case passes if it gives a
result, or is refused by one of `REFUSALS` with a message.
"""
