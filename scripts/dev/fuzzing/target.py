"""What a target that reads files is."""

from pathlib import Path


class Target:
    """A reader and the files that it is given.

    Args:
      name: name of the target.
      make: function (random) -> {file name: bytes}, a case.
      read: function (folder) -> what the reader returns for the files in it.
      check: function (case, result), which raises `WrongResult` if the result does not agree with the files.
    """

    may_be_large = False

    def __init__(self, name, make, read, check):
        self.name, self.draw, self.read, self.check = name, make, read, check

    def run(self, case, folder):
        for name, content in case.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.check(case, self.read(Path(folder)))

    def save(self, case, path):
        """Writes the case's files into a folder; returns it."""
        path.mkdir(parents=True, exist_ok=True)
        for name, content in case.items():
            (path / name).write_bytes(content)
        return path


def read_first(read):
    """Returns a function that reads the only file of a folder."""
    return lambda folder: read(next(folder.iterdir()))
