"""The files that a suite left in its folder: which there are, and the tails of its logs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MOST = 60
"""Files that are named per suite."""

LOGS = {".log", ".txt", ".out", ".err"}
NOT_LISTED = {"result.json"}


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file; `name` is its path from the suite's folder, `tail` its last text when it is a log."""

    name: str
    size: int
    tail: str = ""


def artifacts(folder: Path, tail: int) -> list[Artifact]:
    """Files of a suite's folder, `test.log` and its artifacts; what cannot be read is named without a text."""
    found = []
    diagnostics = folder / "artifacts" / "diagnostics"
    files = [folder / "test.log", *(folder / "artifacts").rglob("*")]
    # What a person collected on purpose comes first: of many nodes there are more diagnostics than are named.
    for file in sorted(files, key=lambda file: (file.is_relative_to(diagnostics), file)):
        try:
            if file.is_symlink() or not file.is_file() or file.name in NOT_LISTED:
                continue
            size = file.stat().st_size
            text = _tail(file, size, tail) if file.suffix in LOGS and size else ""
        except OSError:
            continue
        found.append(Artifact(str(file.relative_to(folder)), size, text))
        if len(found) == MOST:
            break
    return found


def _tail(file: Path, size: int, most: int) -> str:
    with file.open("rb") as log:
        log.seek(max(0, size - most))
        return log.read(most).decode("utf-8", "replace")
