"""The limits, and what each part of the checkout may still exceed them by while it is being rewritten.

`[tool.prose]` in pyproject.toml has the limits. `allowances.toml` beside this file has one row for each part over a
limit. Lower a row, never raise it (`python -m scripts.prose --lower`), and delete it when it says 0.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FILE = Path("scripts/prose/allowances.toml")
TOGETHER, GUIDES = "together", "guides"
"""Rows of that file for the counts of everything and of the guides."""
_HEAD = """\
# What is left to rewrite. Lower these, never raise them: `python -m scripts.prose --lower` writes what is reached.
# relative: that, which, what, whose in 100 words. findings: phrases that STYLE.md advises against.
"""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The allowance of one part."""

    relative: float = math.inf
    """Relative words per 100; a part without a row is held by the limit for everything together."""
    findings: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of the check."""

    relative: float
    """Relative words per 100, for documents and sources together."""
    you: float
    """"You" and "your" per 100 words of the guides, at least."""
    guides: Sequence[str]
    """Glob patterns of the pages addressed to the reader."""
    parts: Mapping[str, Allowance] = field(default_factory=dict)


def load(root: Path) -> Limits:
    """Read both files."""
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["prose"]
    rows = tomllib.loads((root / FILE).read_text()) if (root / FILE).exists() else {}
    together, guides = rows.pop(TOGETHER, {}), rows.pop(GUIDES, {})
    return Limits(
        relative=together.get("relative", settings["relative"]),
        you=guides.get("you", settings["you"]),
        guides=settings["guides"],
        parts={part: Allowance(row.get("relative", math.inf), row.get("findings", 0)) for part, row in rows.items()},
    )


def lowered(limits: Limits, reached: Mapping[str, Allowance], relative: float, you: float) -> str:
    """The text of the file with each row lowered to the figure reached; a part without a row gets none."""
    lines = [_HEAD, f"[{TOGETHER}]\nrelative = {min(limits.relative, _up(relative))}\n"]
    lines.append(f"[{GUIDES}]\nyou = {max(limits.you, math.floor(you * 10) / 10)}\n")
    for part, allowance in sorted(limits.parts.items()):
        now = reached.get(part, Allowance(0, 0))
        row = Allowance(min(allowance.relative, _up(now.relative)), min(allowance.findings, now.findings))
        lines.append(f'["{part}"]\nrelative = {row.relative}\nfindings = {row.findings}\n')
    return "\n".join(lines)


def _up(value: float) -> float:
    return math.ceil(value * 10) / 10


def part_of(file: Path) -> str:
    """The row for a file: src/seatrial/cli, src/seatrial, packages/stand-ins, docs, README.md, …"""
    folders = file.parts[:-1]
    if not folders:
        return file.name
    return "/".join(folders[: {"src": 3, "packages": 2}.get(folders[0], 1)])
