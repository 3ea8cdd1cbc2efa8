"""Talking to a node's init from the host."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ANSWERS_WITHIN = 60.0


@contextmanager
def short_name(path: Path) -> Iterator[str]:
    """A socket file name within the kernel's 108 bytes, however deep its folder."""
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


async def ask(folder: Path, *words: str) -> dict[str, Any]:
    """The init's answer to `seatrial-init WORDS`: code, out, error. Raises OSError if it does not answer."""
    import asyncio

    link = socket.socket(socket.AF_UNIX)
    link.setblocking(False)
    try:
        with short_name(folder / "run/init.sock") as name:
            link.connect(name)
        reader, writer = await asyncio.open_unix_connection(sock=link)
    except BaseException:
        link.close()
        raise
    try:
        writer.write(json.dumps(words).encode() + b"\n")
        async with asyncio.timeout(_ANSWERS_WITHIN):
            line = await reader.readline()
    finally:
        writer.close()
    if not line:
        raise ConnectionResetError("the node went down before its init answered")
    answer: dict[str, Any] = json.loads(line)
    return answer
