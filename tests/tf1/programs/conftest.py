"""Only tests are collected here: what the programs next to them import, only the hook finds."""


def pytest_ignore_collect(collection_path):
    is_program = collection_path.suffix == ".py" and not collection_path.name.startswith(
        ("test_", "conftest")
    )
    return True if is_program else None
