"""Rows on this host, without a node: what all of them share."""

from __future__ import annotations

from typing import Any

from tests.acceptance.harness import Document, suite, validate
from tests.truth.case import Case
from tests.truth.documents import LETTERS

MISSING = ["no-such-program-of-ours"]
EMPTY = {"step": "set", "values": {"w": "", "n": None}}
W, N = "${{ vars.w }}", "${{ vars.n }}"
"""What comes out empty, or null."""


def row(what: str, look: str, letter: str, *steps: Document | str | Any, **more: Any) -> Case:
    planted, right = LETTERS[letter]
    document = steps[0] if len(steps) == 1 and callable(steps[0]) else suite(*steps)
    return Case(system="local", what=what, look=look, planted=planted, right=right, document=document, **more)


def check(what: str, letter: str, looked: Document, *before: Document, **more: Any) -> Case:
    """A row of one check that needs no server."""
    name = more.pop("look", looked["check"])
    return row(what, name, letter, *before, validate(looked), **more)


def looks(text: str | list[str], **more: Any) -> Document:
    return {"check": "command", "command": text, **more}
