"""`graphkit train` for a checkout, see `python scripts/train.py --help`."""

import sys

from graphkit.commands import console

if __name__ == "__main__":
    sys.exit(console.main("train"))
