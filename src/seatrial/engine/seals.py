"""Seals of ledgers: only records written by this user on this machine are obeyed, never those of a checkout."""

from __future__ import annotations

import hashlib
import hmac
import os
from contextlib import suppress

from seatrial.links.paths import state_folder

SIZE = 32
"""Bytes of the key."""


def key() -> bytes:
    """The user's key, created on first use with the mode 0600. If the state folder cannot be written, the key lasts as
    long as this process, so a later `seatrial clean` refuses the ledger."""
    file = state_folder() / "ledger.key"
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(3):
            with suppress(FileNotFoundError):
                if len(held := file.read_bytes()) == SIZE:
                    return held
                file.unlink()  # a power cut came before its content
            fresh = file.with_name(f".ledger.key.{os.urandom(4).hex()}")
            try:
                with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
                    target.write(os.urandom(SIZE))
                with suppress(FileExistsError):  # another process was first
                    os.link(fresh, file)
            finally:
                fresh.unlink(missing_ok=True)
    return _OWN


_OWN = os.urandom(SIZE)


class Seal:
    """Seals and verifies the lines of one run's ledger."""

    def __init__(self, run: str) -> None:
        self._key = hmac.new(key(), run.encode(), hashlib.sha256).digest()

    def sealed(self, record: str) -> str:
        """A JSON object with its seal as the last member."""
        return f'{record[:-1]},"seal":"{self._seal(record)}"}}'

    def holds(self, line: str) -> bool:
        """Whether a line has its seal and was not changed."""
        record, _, seal = line.rpartition(',"seal":"')
        return hmac.compare_digest(seal, self._seal(record + "}") + '"}') if seal.isascii() else False

    def _seal(self, record: str) -> str:
        return hmac.new(self._key, record.encode(), hashlib.sha256).hexdigest()[:32]
