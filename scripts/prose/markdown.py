"""Prose of a Markdown file: paragraphs, list items, table rows and headings, without code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from scripts.prose.passages import Passage, exceptions

OFF, ON = "<!-- prose: off -->", "<!-- prose: on -->"
"""Around examples of bad style."""
_FENCE = re.compile(r"\s*(?:>\s*)?(```+|~~~+)")
_CODE = re.compile(r"(`+)(?:.+?)\1", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_COMMENT = re.compile(r"<!--.*?-->|<[^<>\n]+>|\bhttps?://\S+", re.DOTALL)
_BULLET = re.compile(r"\s*(?:[-*+]|\d+\.)\s")


def read(file: Path, text: str) -> Iterator[Passage]:
    """The passages of one page, in order."""
    block: list[str] = []
    start, fence, off, above = 1, "", False, ""

    def passage() -> Iterator[Passage]:
        plain = _plain("\n".join(block))
        if plain:
            yield Passage(file=file, line=start, text=plain, lines=tuple(block), allowed=exceptions([above, *block]))

    for number, line in enumerate(text.split("\n"), start=1):
        mark = _FENCE.match(line)
        if fence or mark:
            yield from passage()
            block = []
            if mark and not fence:
                fence = mark[1]
            elif mark and mark[1].startswith(fence):
                fence = ""
            continue
        off = (off or OFF in line) and ON not in line
        alone = line.lstrip().startswith(("|", "#")) or _BULLET.match(line)
        if off or not line.strip() or alone or line.strip().startswith("<!--"):
            yield from passage()
            block = []
        if off or not line.strip() or line.strip().startswith("<!--"):
            above = line
            continue
        if not block:
            start = number
        block.append(line)
    yield from passage()


def _plain(text: str) -> str:
    text = _COMMENT.sub(" ", _LINK.sub(r"\1", _CODE.sub("CODE", text)))
    return " ".join(re.sub(r"[*_|#>]", " ", text).split())
