"""Prose of a Python file: docstrings, and every other sentence of four words or more.

The holes of an f-string become one placeholder word, and so does code in backquotes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from scripts.prose.passages import Passage, exceptions

HOLE = "NAME"
_CODE = re.compile(r"``.+?``|`[^`\n]+`")
_WORD = re.compile(r"[(\"'“]*[A-Za-z][a-z]*(?:['’-][a-z]+)*[)\"'”]*[.,:;!?)]*$")
_SMALL = frozenset(
    re.findall(
        r"\w+",
        "a an the is are was were be been has have had of to in on at by for from with without as and or nor not no it "
        "its this these that which what who when where how if than then there they you your we our all any each only "
        "cannot can may must did does do so but because until before after",
    )
)
"""Without one of these, words are a command line or a list of names."""


def read(file: Path, text: str) -> Iterator[Passage]:
    """The passages of one module, in order."""
    lines = text.split("\n")
    tree = ast.parse(text)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
    }  # they are read with their whole text
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant | ast.JoinedStr)]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
        if id(node) in inside:
            continue
        prose = _plain(node)
        if prose and (id(node) in docstrings or reads_as_prose(prose)):
            last = node.end_lineno or node.lineno
            own = lines[node.lineno - 1 : last]
            before = lines[node.lineno - 2 : node.lineno - 1] if node.lineno > 1 else []
            yield Passage(file=file, line=node.lineno, text=prose, lines=own, allowed=exceptions([*before, *own]))


def _plain(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        text = node.value if isinstance(node.value, str) else ""
    else:
        parts = [part.value if isinstance(part, ast.Constant) else HOLE for part in node.values]
        text = "".join(part for part in parts if isinstance(part, str))
    return text if text.startswith("#!") else " ".join(_CODE.sub("CODE", text).split())


def reads_as_prose(text: str) -> bool:
    """Four words or more, most of them plain, at least one of them a small word of English."""
    tokens = text.split()
    words = [token for token in tokens if token == HOLE or _WORD.match(token)]
    if text.startswith("#!") or len(words) < 4 or len(words) < len(tokens) * 2 / 3:
        return False
    return any(word.strip("(\"'“”).,:;!?").lower() in _SMALL for word in words)
