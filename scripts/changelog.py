"""Changelog fragments: `python -m scripts.changelog` shows the next section, with a version it writes CHANGELOG.md."""

from __future__ import annotations

import datetime
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")
HEAD = "## [Unreleased]\n"
VERSION = re.compile(r"\d+\.\d+\.\d+")


def fragments(folder: Path) -> Sequence[Path]:
    """The fragments by kind, then by name; ValueError for a file with another name."""
    files = [file for file in sorted(folder.iterdir()) if file.name != "README.md"]
    for file in files:
        if not re.fullmatch(rf"[\w-]+\.({'|'.join(KINDS)})\.md", file.name):
            raise ValueError(f"{file}: a fragment's name is NAME.KIND.md, KIND one of {', '.join(KINDS)}")
    return sorted(files, key=lambda file: KINDS.index(file.name.split(".")[1]))


def section(folder: Path) -> str:
    """The entries of the next release, a heading for each kind."""
    lines: list[str] = []
    last = ""
    for file in fragments(folder):
        kind = file.name.split(".")[1]
        if kind != last:
            lines += [f"### {kind.capitalize()}", ""]
            last = kind
        lines += [*_entry(file.read_text(encoding="utf-8")), ""]
    return "\n".join(lines)


def _entry(text: str) -> Iterator[str]:
    first, *more = text.strip().splitlines()
    yield f"- {first}"
    yield from (f"  {line}" for line in more)


def release(root: Path, version: str, today: datetime.date) -> None:
    """Put a section for the version into CHANGELOG.md, below [Unreleased], and remove the fragments."""
    if not VERSION.fullmatch(version):
        raise ValueError(f"invalid version {version!r}: write three numbers, for example 0.2.0")
    file, folder = root / "CHANGELOG.md", root / "changelog.d"
    text = file.read_text(encoding="utf-8")
    before, mark, after = text.partition(HEAD)
    if not mark:
        raise ValueError(f"{file}: the line {HEAD.strip()!r} is missing")
    entries = section(folder)
    if not entries:
        raise ValueError(f"{folder}: no fragments, nothing to release")
    made = f"{before}{HEAD}\n## [{version}] - {today.isoformat()}\n\n{entries}{after}"
    file.write_text(made, encoding="utf-8")
    for fragment in fragments(folder):
        fragment.unlink()


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Show or release; 2 for a mistake."""
    try:
        if arguments:
            release(root, arguments[0], datetime.datetime.now(datetime.UTC).date())
        else:
            sys.stdout.write(section(root / "changelog.d"))
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
