"""Python 2's syntax and its edits; expected texts are written by hand."""

import ast

import pytest

from graphkit.tf1.programs import python2, sources

EDITS = [
    ('print "a"', 'print("a")'),
    ("print", "print()"),
    ('print "a", b,', 'print("a", b, end=" ")'),
    ('print ("%d") % x', 'print(("%d") % x)'),
    ('print ("a"), ("b")', 'print(("a"), ("b"))'),
    ('print ("a")', 'print ("a")'),
    ("print -x", "print(-x)"),
    ("print >>f, a, b", "print(a, b, file=f)"),
    ("print >>sys.stderr", "print(file=sys.stderr)"),
    ('if x: print "a"; y = 1', 'if x: print("a"); y = 1'),
    ('print "a" \\\n  "b"  # why', 'print("a" \\\n  "b")  # why'),
    ('print "a # b", [1,\n 2]', 'print("a # b", [1,\n 2])'),
    ("exec code", "exec(code)"),
    ("exec code in names", "exec(code, names)"),
    ('raise E, "text"', 'raise E("text")'),
    ("raise E, (a, b)", "raise E(a, b)"),
    ('raise E("a, b")', 'raise E("a, b")'),
    ("try:\n  f()\nexcept E, e:\n  g()", "try:\n  f()\nexcept E as e:\n  g()"),
    ("try:\n  f()\nexcept (A, B), e:\n  g()", "try:\n  f()\nexcept (A, B) as e:\n  g()"),
    ("try:\n  f()\nexcept (A, B):\n  g()", "try:\n  f()\nexcept (A, B):\n  g()"),
    ("a <> b", "a != b"),
    ("x = 0777 + 10L + 0xFFL + 00 + 0", "x = 0o777 + 10 + 0xFF + 00 + 0"),
    ('x = ur"a\\d" + "0777 <> `"', 'x = r"a\\d" + "0777 <> `"'),
    ("x = `a` + `b`", "x = repr(a) + repr(b)"),
    ('x = """\nprint "a"\n"""', 'x = """\nprint "a"\n"""'),
    ("print = 1; f(print)", "print = 1; f(print)"),
    ('if a:\n\tprint "a"\n        b = 1', 'if a:\n        print("a")\n        b = 1'),
]


@pytest.mark.parametrize(("old", "new"), EDITS)
def test_edits(old, new):
    marker = "\nprint 'Python 2'"  # whatever stands above: the file is Python 2's
    read = sources.source("program.py", old + marker)
    assert read.text.text == new + "\nprint('Python 2')"
    ast.parse(read.text.text)
    assert not [finding for finding in read.syntax if not finding.edits]


def test_python_3_is_left_alone():
    text = (
        "print((1), 2)\nprint\nx = (1 if print else 2)\ndef f(*, exec=None): raise E from e\nlambda: print\n"
    )
    read = sources.source("program.py", text)
    assert (read.text.text, read.syntax) == (text, [])


def test_a_print_into_a_file_is_found_although_python_3_parses_it():
    read = sources.source("program.py", 'import sys\nprint >>sys.stderr, "a"\n')
    assert read.text.text == 'import sys\nprint("a", file=sys.stderr)\n'


def test_messages_name_lines():
    found = python2.find('a = 1\n\n"""\n"""\nprint "x"\nraise E, v, t\n')
    assert [(finding.line, finding.word) for finding in found] == [(5, "print"), (6, "raise")]
    assert "with_traceback(trace)" in found[1].message
    assert not found[1].edits


@pytest.mark.parametrize("line", ["def f(a, (b, c)): pass", "x = (1,", "<<<<<<< HEAD", "x = 'open"])
def test_lines_that_cannot_be_read_are_left_out_and_named(line):
    read = sources.source("program.py", f"import tensorflow as tf\n{line}\ny = 2\n")
    assert any("cannot read this line" in finding.message for finding in read.syntax)
    assert [use.name for use in read.uses] == ["tf"]


def test_encodings(tmp_path):
    for data in (
        b"x = '\xe9'\n",
        "x = 'é'\n".encode(),
        b"# -*- coding: latin-1 -*-\nx = '\xe9'\n",
        b"\xef\xbb\xbfx = 1\n",
    ):
        (tmp_path / "program.py").write_bytes(data)
        read = sources.read(str(tmp_path / "program.py"))
        assert read.original.encode(read.encoding) == data
        assert not read.syntax
