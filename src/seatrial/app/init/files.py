"""Files that `init` writes: new ones only, each whole or not at all, with a line for the user."""

from __future__ import annotations

import os
import tempfile
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
        write_whole(file, content)
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


def write_whole(file: Path, text: str) -> None:
    """A new file that appears with all of its text: a killed `init` leaves no half of it. FileExistsError when there is
    one."""
    try:
        nameless = os.open(file.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except OSError:  # a file system without files that have no name
        _by_rename(file, text)
        return
    with os.fdopen(nameless, "w", encoding="utf-8") as new:
        new.write(text)
        new.flush()
        # With a folder's descriptor, even an unused one, the call follows the link of /proc to the file itself.
        os.link(f"/proc/self/fd/{new.fileno()}", file, src_dir_fd=new.fileno(), follow_symlinks=True)


def _by_rename(file: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, prefix=".init-", delete=True) as new:
        new.write(text)
        new.flush()
        Path(new.name).chmod(0o644)
        os.link(new.name, file)
