"""Accepted host keys: the first one of each machine is kept in a file of known hosts, and must stay."""

from __future__ import annotations

import os
from pathlib import Path


def pin(file: Path, host: str, port: int, key: str) -> None:
    """Keep a host key, a line like `ssh-ed25519 AAAA…`, as OpenSSH keeps it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    name = host if port == 22 else f"[{host}]:{port}"
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{name} {key}\n".encode())  # at once: several links share the file
    finally:
        os.close(descriptor)
