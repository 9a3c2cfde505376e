"""`graphkit evaluate` for a checkout, see `python scripts/evaluate.py --help`."""

import sys

from graphkit.commands import console

if __name__ == "__main__":
    sys.exit(console.main("evaluate"))
