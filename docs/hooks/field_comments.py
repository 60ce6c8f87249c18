"""Take a field's comment for its docstring, in the API reference.

Fields of tuples and data classes are described by a comment on their line, or by a `Help`.
"""

import ast
import tokenize
from io import StringIO
from pathlib import Path
from typing import Any

from griffe import Attribute, Docstring, Extension


class FieldComments(Extension):
    """Give attributes without a docstring the comment of their line."""

    def on_attribute_instance(self, *, node: ast.AST, attr: Attribute, **_: Any) -> None:
        """Look for the comment, or the text of `Help(…)`, in the lines of the attribute."""
        if attr.docstring or not isinstance(node, ast.AnnAssign):
            return
        texts = [
            str(argument.value)
            for call in ast.walk(node.annotation)
            if isinstance(call, ast.Call) and getattr(call.func, "id", None) == "Help"
            for argument in call.args
            if isinstance(argument, ast.Constant)
        ]
        texts = texts or _comments(attr)
        if texts:
            attr.docstring = Docstring(" ".join(texts), parent=attr)


def _comments(attr: Attribute) -> list[str]:
    """The comments of the attribute's lines."""
    if attr.lineno is None or attr.endlineno is None or not isinstance(attr.filepath, Path):
        return []
    lines = attr.lines_collection[attr.filepath][attr.lineno - 1 : attr.endlineno]
    source = "\n".join(line.strip() for line in lines) + "\n"
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    return [token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT]
