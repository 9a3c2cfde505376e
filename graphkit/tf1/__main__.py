"""`python -m graphkit.tf1 run|check|upgrade`."""

import importlib
import sys

if __name__ == "__main__":
    # By name, since the commands know TensorFlow 1's names, and not the other way round.
    sys.exit(importlib.import_module("graphkit.commands.tf1").main(sys.argv[1:], "python -m graphkit.tf1"))
