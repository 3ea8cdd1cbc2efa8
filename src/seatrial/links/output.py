"""Output of any length, reduced to its beginning and its end."""

from __future__ import annotations


def left_out(count: int) -> bytes:
    """The line in place of dropped bytes."""
    return f"\n[... {count} bytes left out ...]\n".encode()


class BoundedOutput:
    """Keeps the first and the last half of `limit` bytes; counts and drops the bytes between them."""

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        if room := self._half - len(self._head):
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > self._half * 3 // 2:  # rarely, so a long output costs few copies
            self._trim()

    def _trim(self) -> None:
        excess = len(self._tail) - self._half
        if excess > 0:
            del self._tail[:excess]
            self._dropped += excess

    def text(self) -> str:
        """The kept bytes as text, with a line in place of dropped ones."""
        self._trim()
        gap = left_out(self._dropped) if self._dropped else b""
        return b"".join((self._head, gap, self._tail)).decode(errors="replace")
