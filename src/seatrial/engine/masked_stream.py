"""Masks the secrets in text that is written while it comes."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from seatrial.engine.masking import Masks

QUIET = 0.1
"""Seconds before a line is written: the text behind it may show that a secret goes across its end."""

MOST = 256 * 1024
"""Characters that wait at most; of a fast output, the last part waits for more."""

BEHIND = 16 * 1024
"""Characters of a fast output that wait: more than any secret."""

TRIES = 16
"""Places to try for a cut."""


class MaskedStream:
    """Takes bytes, and hands masked text to `write`, never a part of a secret.

    A text is cut only at a place where both parts, masked alone, are the same as the masked whole. An end that may be
    the beginning of a secret waits for what comes next, however long that takes.
    """

    def __init__(self, masks: Masks, write: Callable[[str], None]) -> None:
        self._masks, self._write = masks, write
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = ""
        self._settled = 0
        """The characters that already waited for one period."""
        self._error: Exception | None = None

    def add(self, data: bytes) -> None:
        """Take the next bytes; raises the error of an earlier write."""
        if self._error is not None:
            raise self._error
        self._waiting += self._decode(data)
        if len(self._waiting) > MOST:
            self._release(len(self._waiting) - BEHIND)
        if self._timer is None and self._waiting:
            self._timer = self._loop.call_later(QUIET, self._tick)

    def close(self) -> None:
        """Write the rest; raises the error of an earlier write."""
        if self._timer is not None:
            self._timer.cancel()
        if self._error is not None:
            raise self._error
        self._waiting += self._decode(b"", True)
        self._hand_on(len(self._waiting))

    def _tick(self) -> None:
        self._timer = None
        try:
            self._release(min(self._settled, self._masks.decided(self._waiting)))
        except Exception as error:  # for the next call: nobody waits for this one
            self._error = error
            return
        news, self._settled = len(self._waiting) > self._settled, len(self._waiting)
        if news:
            self._timer = self._loop.call_later(QUIET, self._tick)

    def _release(self, end: int) -> None:
        """Write the text up to this place, or to a place shortly before it where a cut is harmless."""
        text = self._waiting
        if end >= len(text) or not self._masks:
            self._hand_on(end if end >= len(text) else text.rfind("\n", 0, end) + 1)
            return
        whole = self._masks.hide(text)
        for cut in _places(text, end):
            before = self._masks.hide(text[:cut])
            if before + self._masks.hide(text[cut:]) == whole:
                self._hand_on(cut, before)
                return
        if len(text) > 4 * MOST:  # one long secret or a line without an end: masked as far as it is known
            self._hand_on(len(text))

    def _hand_on(self, end: int, masked: str | None = None) -> None:
        if end:
            text, self._waiting = self._waiting[:end], self._waiting[end:]
            self._settled = max(0, self._settled - end)
            self._write(self._masks.hide(text) if masked is None else masked)


def _places(text: str, end: int) -> Iterator[int]:
    """Ends of lines before a place; in a long line, places without a line end."""
    cut = text.rfind("\n", 0, end) + 1
    for _ in range(TRIES):
        if not cut:
            break
        yield cut
        cut = text.rfind("\n", 0, cut - 1) + 1
    if len(text) > MOST:
        yield from range(end, max(0, end - TRIES * 997), -997)


def private(file: Path) -> TextIO:
    """A file to append to, for its owner alone."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")


@contextmanager
def masked_file(file: Path, masks: Masks) -> Iterator[MaskedFile]:
    """Append a program's output to a file, masked, as it comes. A file that cannot be written stops nothing."""

    def write(text: str) -> None:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            with private(file) as opened:
                opened.write(text)

    output = MaskedFile(file, masks, write)
    try:
        yield output
    finally:
        output.close()


class MaskedFile(MaskedStream):
    """A stream with the name of its file."""

    def __init__(self, file: Path, masks: Masks, write: Callable[[str], None]) -> None:
        super().__init__(masks, write)
        self.file = file

    def masked(self, text: str) -> str:
        """The text with every secret masked."""
        return self._masks.hide(text)
