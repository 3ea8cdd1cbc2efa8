"""Markdown for GitHub: escaped text, evidence in fences, within GitHub's size limit."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seatrial.reports import words

LIMIT = 1_000_000
"""Bytes; GitHub rejects a summary of more than 1 MiB (1,048,576)."""


@dataclass(slots=True)
class Block:
    """A part of the summary; its evidence can be cut."""

    text: str
    evidence: str = ""

    def __str__(self) -> str:
        if not self.evidence:
            return self.text
        fence = "`" * max(3, 1 + _longest_run(self.evidence))
        return f"{self.text}\n{fence}text\n{self.evidence}\n{fence}\n"

    def size(self) -> int:
        """Bytes."""
        return len(str(self).encode()) + 1


def fitted(blocks: list[Block]) -> str:
    """All blocks in less than LIMIT bytes: cuts the largest evidence first, then drops the last blocks."""
    budget = LIMIT - 500
    size = sum(block.size() for block in blocks)
    cut = 0
    for block in sorted(blocks, key=lambda block: len(block.evidence), reverse=True):
        if size <= budget or len(block.evidence) < 2000:
            break
        before = block.size()
        keep = max(1000, len(block.evidence) - (size - budget) - 200)
        block.evidence = words.tail(block.evidence, keep)
        if block.size() > before - (size - budget):  # characters of several bytes: cut to the minimum
            block.evidence = f"… cut\n{block.evidence[-1000:]}"
        size += block.size() - before
        cut += 1
    dropped = 0
    while size > budget and len(blocks) > 2:
        size -= blocks.pop().size()
        dropped += 1
    notes = []
    if cut:
        notes.append(f"{words.count(cut, 'piece')} of evidence shortened")
    if dropped:
        notes.append(f"{words.count(dropped, 'section')} omitted")
    if notes:
        blocks.append(Block(f"\n> This summary has a size limit: {' and '.join(notes)}. See the full report.\n"))
    return "\n".join(map(str, blocks))


def cell(text: str) -> str:
    """Untrusted text for a table cell, without any markup or mention."""
    for mark in "\\`*_[]<>|~":
        text = text.replace(mark, f"\\{mark}" if mark not in "<>" else {"<": "&lt;", ">": "&gt;"}[mark])
    return text.replace("\n", " ").replace("@", "@\u200b").replace("#", "#\u200b")


def code(text: str) -> str:
    """Text as inline code, also for table cells."""
    ticks = "`" * (1 + _longest_run(text))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}".replace("|", "\\|").replace("\n", " ")


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
