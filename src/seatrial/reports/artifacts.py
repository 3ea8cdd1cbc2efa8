"""The files in a suite's folder, with the ends of its logs."""

from __future__ import annotations

from pathlib import Path

from seatrial.model.frozen import frozen

MOST = 60
"""Maximum number of files per suite."""

LOGS = {".log", ".txt", ".out", ".err"}
NOT_LISTED = {"result.json"}


@frozen(kw_only=False)
class Artifact:
    """One file; `name` is its path from the suite's folder, `tail` the end of a log."""

    name: str
    size: int
    tail: str = ""


def artifacts(folder: Path, tail: int) -> list[Artifact]:
    """Files in a suite's folder: `test.log` and artifacts, without unreadable ones."""
    kept = []
    diagnostics = folder / "artifacts" / "diagnostics"
    files = [folder / "test.log", *(folder / "artifacts").rglob("*")]
    # Files collected on purpose come first: the diagnostics of many nodes can exceed the maximum.
    for file in sorted(files, key=lambda file: (file.is_relative_to(diagnostics), file)):
        try:
            if file.is_symlink() or not file.is_file() or file.name in NOT_LISTED:
                continue
            size, text = file.stat().st_size, b""
            if file.suffix in LOGS:
                with file.open("rb") as log:
                    log.seek(max(0, size - tail))
                    text = log.read(tail)
        except OSError:
            continue
        kept.append(Artifact(str(file.relative_to(folder)), size, text.decode("utf-8", "replace")))
        if len(kept) == MOST:
            break
    return kept
