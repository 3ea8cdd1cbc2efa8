"""Keys that Seatrial makes: of a trial, to log in to its nodes; of a node, so that its first login is checked."""

from __future__ import annotations

from pathlib import Path

from seatrial.links.paths import write_whole


def key_pair(comment: str | None = None) -> tuple[str, str]:
    """A new Ed25519 key: its private half in OpenSSH's format, and its public line."""
    import asyncssh

    key = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
    return key.export_private_key().decode(), key.export_public_key().decode().strip()


def write_key_pair(path: Path) -> str:
    """Create a key at `path` (0600) with its public half at `path`.pub; returns the public line."""
    private, public = key_pair("seatrial")
    path.with_suffix(".pub").write_text(f"{public}\n")
    write_whole(path, private, 0o600)
    return public


def trial_key(folder: Path) -> Path:
    """The private key of a trial in its folder for this provider, created when missing; `.pub` is beside it."""
    path = folder / "id_ed25519"
    if not path.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        write_key_pair(path)
    return path
