"""What the reference shows of docstrings, as mkdocstrings reads them by griffe."""

import re
from typing import Any

import griffe

HEADING = re.compile(r"^( *)Example:$", re.MULTILINE)


class Examples(griffe.Extension):
    """Shows examples as code, and leaves out what functions of graphkit call among themselves."""

    def on_object(self, *, obj: griffe.Object, **others: Any) -> None:
        if obj.docstring is None:
            return
        # graphkit heads them "Example", griffe knows "Examples".
        obj.docstring.value = HEADING.sub(r"\1Examples:", obj.docstring.value)
        if isinstance(obj, griffe.Function) and "check" in obj.parameters:
            obj.docstring = None  # it is given the checker of another function; no text, not shown
