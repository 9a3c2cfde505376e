"""`graphkit benchmark` for a checkout, see `python scripts/dev/benchmark.py --help`."""

import sys

from graphkit.commands import console

if __name__ == "__main__":
    sys.exit(console.main("benchmark"))
