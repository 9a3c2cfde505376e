"""Bad input by machine: what `scripts/fuzz.py` and `tests/test_fuzz.py` give to readers and functions.

A target draws a case from a random generator, runs it, and saves it where it is to be seen again. A case
has run well if it gave a result, or was refused by one of `REFUSALS` with a message.
"""
