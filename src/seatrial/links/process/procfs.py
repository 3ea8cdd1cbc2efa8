"""What the kernel of this host tells of a process."""

from __future__ import annotations

from pathlib import Path


def process_start(pid: int, *, zombie: bool = False) -> str:
    """When a process was started, in ticks since boot: with it a reused pid is found out. Empty when there is no such
    process, or only its zombie (unless `zombie`: it has ended and nobody asked how)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" and not zombie else fields[19]
