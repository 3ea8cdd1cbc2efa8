"""Files that `init` writes: new ones only, each with a line for the user."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


class Files:
    """The files of one folder, and a line about each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []

    def write(self, name: str, text: Callable[[], str]) -> bool:
        """Write a file unless there is one of this name; the answer: whether it is new."""
        file = self.folder / name
        if file.exists() or file.is_symlink():
            self.lines.append(f"kept    {file} (already exists)")
            return False
        content = text()
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as new:
            new.write(content)
        self.lines.append(f"wrote   {file}")
        return True

    def ignore(self, pattern: str) -> None:
        """Add a line to `.gitignore`, unless it has one already."""
        file = self.folder / ".gitignore"
        held = file.read_text(encoding="utf-8") if file.exists() else ""
        if any(line.strip().strip("/") == pattern.strip("/") for line in held.splitlines()):
            self.lines.append(f"kept    {file} (already contains {pattern})")
            return
        with file.open("a", encoding="utf-8") as ignored:
            ignored.write(("\n" if held and not held.endswith("\n") else "") + pattern + "\n")
        self.lines.append(f"{'added' if held else 'wrote':<7} {file}: {pattern}")
