"""`graphkit predict` for a checkout, see `python scripts/predict.py --help`."""

import sys

from graphkit.commands import console

if __name__ == "__main__":
    sys.exit(console.main("predict"))
