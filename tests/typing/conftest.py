"""The programs here are read by mypy; pytest must not import them."""

collect_ignore_glob = ["*.py"]
