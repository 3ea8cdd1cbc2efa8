"""The path of a document in its GitHub repository."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any
from urllib.parse import quote


def in_repository(document: str, options: Mapping[str, Any]) -> str:
    """A document's path relative to the checkout, else to the project."""
    workspace = options.get("workspace")
    if workspace:
        inside = os.path.relpath(os.path.realpath(document), os.path.realpath(workspace))
        if not inside.startswith(".."):
            return inside
    root = options.get("root")
    if root and PurePath(document).is_absolute():
        relative = os.path.relpath(document, root)
        return document if relative.startswith("..") else relative
    return document


def url(document: str, line: int, options: Mapping[str, Any]) -> str:
    """The URL of a document's line at this commit; empty if unknown."""
    source = options.get("source_url")
    path = in_repository(document, options)
    if not source or not document or PurePath(path).is_absolute() or path.startswith(".."):
        return ""
    return f"{source}/{quote(path)}" + (f"#L{line}" if line else "")
