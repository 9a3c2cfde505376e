"""Programs import TensorFlow 1, which only their tests can give them: pytest must not import them."""

collect_ignore_glob = ["[!t]*.py"]
