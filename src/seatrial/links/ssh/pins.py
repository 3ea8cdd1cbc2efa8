"""Accepted host keys: the first one of each machine is kept in a file of known hosts, and must stay."""

from __future__ import annotations

import os
from pathlib import Path

from seatrial.links.paths import write_whole


def pin(file: Path, host: str, port: int, key: str) -> None:
    """Keep a host key, a line like `ssh-ed25519 AAAA…`, as OpenSSH keeps it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{_name(host, port)} {key}\n".encode())  # at once: several links share the file
    finally:
        os.close(descriptor)


def unpin(file: Path, host: str, port: int) -> None:
    """Forget the keys of a host and port."""
    if file.exists():
        lines = file.read_text().splitlines(keepends=True)
        write_whole(file, "".join(line for line in lines if line.split(" ")[0] != _name(host, port)), 0o600)


def _name(host: str, port: int) -> str:
    return host if port == 22 else f"[{host}]:{port}"
