"""Text of any length, reduced for people: a command to its beginning, output to its beginning and its end."""

from __future__ import annotations

from collections.abc import Callable

LONGEST_LINE = 1024 * 1024
"""Bytes before an unfinished line is handed on all the same."""


def short(line: str) -> str:
    """A command to be shown: 80 characters at most."""
    return line if len(line) <= 80 else f"{line[:77]}..."


def beginning(text: str, most: int) -> str:
    """The first characters of a text. The mark at the cut lets the journal find an incomplete secret before it."""
    return text if len(text) <= most else f"{text[:most]}…"


def end(text: str, most: int) -> str:
    """The last characters of a text, with the same mark."""
    return text if len(text) <= most else f"…{text[-most:]}"


def left_out(count: int) -> bytes:
    """The line in place of dropped bytes."""
    return f"\n[... {count} bytes left out ...]\n".encode()


class Lines:
    """Hands on whole lines of a stream, so that two streams in one file do not mix within a line."""

    def __init__(self, give: Callable[[bytes], object]) -> None:
        self._give = give
        self._begun = b""

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        text = self._begun + data
        end = len(text) if len(text) > LONGEST_LINE else text.rfind(b"\n") + 1
        self._begun = text[end:]
        if end:
            self._give(text[:end])

    def end(self) -> None:
        """The stream has ended: its rest is a line."""
        rest, self._begun = self._begun, b""
        if rest:
            self._give(rest + b"\n")


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

    @property
    def dropped(self) -> int:
        """The number of bytes dropped from the middle."""
        self._trim()
        return self._dropped

    def _trim(self) -> None:
        excess = len(self._tail) - self._half
        if excess > 0:
            del self._tail[:excess]
            self._dropped += excess

    def text(self) -> str:
        """The kept bytes as text, with a line in place of dropped ones."""
        self._trim()
        gap = left_out(self._dropped) if self._dropped else b""
        return (self._head + gap + self._tail).decode(errors="replace")
