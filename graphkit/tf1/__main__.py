"""`python -m graphkit.tf1 run|check|upgrade`."""

import sys

from graphkit.tf1.programs import command

if __name__ == "__main__":
    sys.exit(command.main(sys.argv[1:], "python -m graphkit.tf1"))
