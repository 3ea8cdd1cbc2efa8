"""A piece of prose and its place in a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ALLOW = re.compile(r"prose: allow ([a-z-]+)")
"""A visible exception: `# prose: allow RULE` in Python, `<!-- prose: allow RULE -->` in Markdown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One paragraph, docstring or message."""

    file: Path
    """Relative to the checkout."""
    line: int
    """The first line, from 1."""
    text: str
    """Words with single spaces, without markup; code is replaced by a placeholder word."""
    lines: Sequence[str] = ()
    """The file's own lines from `line` on, to find a match in."""
    allowed: frozenset[str] = frozenset()
    """Names of rules excepted here by the file."""

    def line_of(self, offset: int) -> int:
        """The line of the match at this offset of `text`."""
        words = self.text[offset : offset + 80].split()
        for count in (4, 3, 2, 1):
            start = r"\s+".join(re.escape(word) for word in words[:count])
            places = [index for index, line in enumerate(self.lines) if re.search(start, line)]
            if len(places) == 1 or (places and count == 1):
                return self.line + places[0]
        return self.line


def exceptions(lines: Iterable[str]) -> frozenset[str]:
    """The rules excepted by these lines."""
    return frozenset(name for line in lines for name in ALLOW.findall(line))


def documents(root: Path) -> Iterator[Path]:
    """Every Markdown file for readers, sorted; without the pages made from the code, whose words are in the sources."""
    patterns = ("*.md", "docs/**/*.md", "changelog.d/*.md", "CHANGELOG.d/*.md", "examples/*/README.md")
    found = {
        file for pattern in (*patterns, "packages/*/*.md", "packages/*/docs/**/*.md") for file in root.glob(pattern)
    }
    made = {file for file in root.glob("docs/reference/*.md") if file.name != "index.md"}
    return iter(sorted(found - made))


def sources(root: Path) -> Iterator[Path]:
    """Every Python file of the product, of the packages beside it, and of the reference; without tests."""
    patterns = ("src/**/*.py", "packages/*/src/**/*.py", "scripts/reference/*.py")
    return iter(sorted(file for pattern in patterns for file in root.glob(pattern)))
