"""Accepted host keys: the first one of each machine is kept in a file, and must stay."""

from __future__ import annotations

import os
from pathlib import Path


def pinned(file: Path, host: str, port: int) -> str:
    """The kept host key of a machine, as a line like `ssh-ed25519 AAAA…`; empty: none. OSError, UnicodeDecodeError."""
    if not file.exists():
        return ""
    name = _name(host, port)
    lines = file.read_text(encoding="utf-8").splitlines()
    return next((line.removeprefix(name) for line in lines if line.startswith(name)), "")


def pin(file: Path, host: str, port: int, key: str) -> None:
    """Keep a host key; the first one of a machine counts."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{_name(host, port)}{key}\n".encode())  # at once: several links share the file
    finally:
        os.close(descriptor)


def _name(host: str, port: int) -> str:
    return f"[{host}]:{port} "
