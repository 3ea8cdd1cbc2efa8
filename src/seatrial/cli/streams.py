"""The outputs of this process: open, with an encoding for every character, and there until the end."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


def prepare(as_json: bool, *, owned: bool) -> None:
    """Make the outputs fit for a command; `as_json`: it prints JSON. `owned`: they belong to this process, and no
    reader who goes away breaks them."""
    _open()
    if owned:
        _outlive_readers()
    # Escape marks such as ✓ on outputs with another encoding, and half a character (`"\\ud800"` in a product's JSON) on
    # every output, so that printing them never fails; JSON is UTF-8.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8" if as_json else None, errors="backslashreplace")


def _open() -> None:
    """Replace an output closed by the caller (`>&-`) with one that discards everything."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))


def _outlive_readers() -> None:
    """`seatrial run | head`: the run, its journal and its exit code are the same with and without `head`."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream is getattr(sys, f"__{name}__"):
            stream.flush()
            outlet = _Outlet(stream.fileno())
            buffer: Any = outlet if isinstance(stream.buffer, io.RawIOBase) else io.BufferedWriter(outlet)
            outer = io.TextIOWrapper(
                buffer, stream.encoding, stream.errors,
                line_buffering=stream.line_buffering, write_through=stream.write_through,
            )  # fmt: skip
            setattr(sys, name, outer)


class _Outlet(io.RawIOBase):
    """A file of the process; when its reader has gone, the rest goes nowhere."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        try:
            return os.write(self._descriptor, view)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._descriptor)
            os.close(nowhere)
            return len(view)
