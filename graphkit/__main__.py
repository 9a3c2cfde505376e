"""`python -m graphkit`."""

import sys

from graphkit.commands import console

if __name__ == "__main__":
    sys.exit(console.main())
