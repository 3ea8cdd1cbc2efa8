"""Seatrial's own SSH key pairs: one per trial for logins, and a node's host key."""

from __future__ import annotations

from pathlib import Path

from seatrial.links.paths import write_whole


def write_key_pair(path: Path) -> str:
    """Create an Ed25519 key at `path` (0600) with its public half at `path`.pub; returns the public line."""
    import asyncssh

    key = asyncssh.generate_private_key("ssh-ed25519", comment="seatrial")
    public = key.export_public_key()
    path.with_suffix(".pub").write_bytes(public)
    write_whole(path, key.export_private_key(), 0o600)
    return public.decode().strip()


def trial_key(folder: Path) -> Path:
    """The private key of a trial in its folder for this provider, created when missing; `.pub` is beside it."""
    path = folder / "id_ed25519"
    if not path.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        write_key_pair(path)
    return path
