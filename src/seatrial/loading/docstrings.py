"""The descriptions of a class's fields: the docstrings below them in its source, read only on demand."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import sys
from collections.abc import Iterator, Mapping
from typing import Any


def attribute_docs(factory: type[Any]) -> Mapping[str, str]:
    """The docstrings of a class's attributes, by name, including those of base classes.

    A paragraph is one line. Empty if the source of the class cannot be read.
    """
    docs: dict[str, str] = {}
    for base in reversed(factory.__mro__):
        docs |= _attributes(_classes(base.__module__).get(base.__qualname__, []))
    return docs


@functools.cache
def _classes(module: str) -> Mapping[str, list[ast.stmt]]:
    """The bodies of a module's classes, by qualified name."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError, SyntaxError):
        return {}
    return dict(_bodies(tree.body, ""))


def _bodies(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, list[ast.stmt]]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name, node.body
            yield from _bodies(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _bodies(node.body, f"{prefix}{node.name}.<locals>.")
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _bodies(node.body, prefix)


def _attributes(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for node, below in itertools.pairwise(body):
        target: ast.expr | None = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        text = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else None
        if isinstance(target, ast.Name) and isinstance(text, str):
            paragraphs = inspect.cleandoc(text).split("\n\n")
            yield target.id, "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
