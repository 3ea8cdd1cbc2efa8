"""SSH key pairs of a run, by ssh-keygen, in a folder of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import CannotTell, ToolMissing
from seatrial.links import process

PATIENCE = 30.0
"""Seconds for ssh-keygen."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key pair of a run, without a passphrase."""

    private: Path
    """The file of the private key, for this user alone."""
    public: str
    """The public key as one line."""
    signers: Path
    """A file like git's `allowedSignersFile`, with this key for every name."""


async def make_key(folder: Path, name: str) -> KeyPair:
    """Make a key pair; the name is its comment, too."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = folder / name
    for old in (private, folder / f"{name}.pub"):
        old.unlink(missing_ok=True)
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(private)]
    try:
        done = await process.run(argv, timeout=PATIENCE)
    except ToolMissing as error:
        raise ToolMissing("ssh-keygen is not installed; install the package openssh-client") from error
    if not done.ok:
        raise CannotTell(f"ssh-keygen made no key: {done.stderr.strip() or f'exit code {done.exit_code}'}")
    public = (folder / f"{name}.pub").read_text().strip()
    signers = folder / f"{name}.signers"
    signers.write_text(f"* {' '.join(public.split()[:2])}\n")
    return KeyPair(private, public, signers)
