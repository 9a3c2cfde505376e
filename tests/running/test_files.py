"""Files that are replaced in one step, and paths that TensorFlow can read."""

import contextlib
import json
import os
import subprocess
import sys

import pytest

from graphkit import checks
from graphkit.running import files


def names_in(folder):
    return sorted(file.name for file in folder.iterdir())


def test_a_file_is_the_old_one_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("old")
    with files.replacing(path) as stream:
        stream.write("new ü")
        stream.flush()
        assert path.read_text() == "old"
    assert path.read_bytes() == "new ü".encode() and names_in(tmp_path) == ["history.csv"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), files.replacing(path, mode="xb", encoding=None) as stream:
        stream.write(b"new")
        raise ZeroDivisionError
    assert path.read_text() == "old" and names_in(tmp_path) == ["history.csv"]


def test_links_are_replaced_and_never_written_through(tmp_path):
    folder, mine = tmp_path / "folder", tmp_path / "mine"
    folder.mkdir()
    mine.write_text("precious")
    path = folder / "checkpoint"
    for link in (path, files.new_name(path), folder / "checkpoint.new"):
        link.symlink_to(mine)
    with files.replacing(path) as stream:
        stream.write("new")
    assert mine.read_text() == "precious"
    assert path.read_text() == "new" and not path.is_symlink()


KILLED = """
import os, signal
from graphkit.running import files
with files.replacing({path!r}) as stream:
    stream.write("half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_has_left_is_replaced_or_removed(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("old")
    subprocess.run([sys.executable, "-c", KILLED.format(path=str(path))], check=False)
    assert path.read_text() == "old" and files.new_name(path).read_text() == "half"
    with files.replacing(path) as stream:
        stream.write("new")
    assert path.read_text() == "new" and names_in(tmp_path) == ["run.json"]
    files.new_name(path).touch()
    files.remove_unfinished(tmp_path)
    assert names_in(tmp_path) == ["run.json"]


def test_json_is_read_as_it_was_written_and_any_other_byte_is_found(tmp_path):
    path, fields = tmp_path / "run.json", {"model": "mlp", "rate": 0.1, "classes": ["ü", "b"], "l2": None}
    files.write_json(path, fields)
    assert files.read_json(path) == fields
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 2]) + content[place + 1 :])
        with contextlib.suppress(ValueError):
            assert files.read_json(path) == fields  # where the byte is a blank, say
    for wrong in ("", "{", "[1]", json.dumps(fields), json.dumps({**fields, "checksum": "0"})):
        path.write_text(wrong)
        with pytest.raises(ValueError):
            files.read_json(path)


@pytest.mark.parametrize("path", ["lr=[0.1]", "a*b/c", "a?", "a[", "b]", "a\\b"])
def test_a_path_that_tensorflow_takes_for_a_pattern_is_refused(path):
    with pytest.raises(ValueError, match=r"^Trainer: TensorFlow takes .* use another path; received logdir="):
        files.check_path(checks.Checker("Trainer"), logdir=path)


def test_a_path_that_is_not_in_utf8_is_refused():
    with pytest.raises(ValueError, match="^save: TensorFlow takes paths in UTF-8 only; received path="):
        files.check_path(checks.Checker("save"), path=os.fsdecode(b"run-\xff"))


def test_other_paths_are_taken():
    for path in ("runs/lr=0.1", "a b", "ü", "{1}", "~x", "a:b", "$HOME", "a%b,@3;'\"!^"):
        files.check_path(checks.Checker("save"), path=path)
