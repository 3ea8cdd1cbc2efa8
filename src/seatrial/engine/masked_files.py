"""The files of a run: only their owner may read them, and no secret stays in them."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from seatrial.engine.masking import MASK, Masks, hide_in_urls
from seatrial.links.paths import write_whole

PIECE = 32 * 1024 * 1024
"""Bytes read at a time; pieces end with a line."""

LINE = 1024 * 1024
"""Maximum length of the line at the end of a piece."""


def protect(folder: Path, masks: Masks, spared: Collection[Path] = ()) -> list[str]:
    """Mask the secrets in all files below a folder and in their names, and let only the owner read them; links are not
    followed. Returns the files that could not be rewritten, each with the reason."""
    troubles = []
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(path, name) not in spared]
        for file in (Path(path, name) for name in files):
            try:
                mask_file(file, masks)
            except FileNotFoundError:
                continue  # its writer took it away
            except OSError as error:
                troubles.append(f"{file}: {error.strerror}")
    return troubles + _rename(folder, masks, spared)


def _rename(folder: Path, masks: Masks, spared: Collection[Path]) -> list[str]:
    """Mask the secrets in the names of files and folders, the innermost first."""
    troubles = []
    for path, folders, files in os.walk(folder, topdown=False):
        if any(Path(path).is_relative_to(one) for one in spared):
            continue
        for name in (*files, *folders):
            hidden = masks.hide(name).replace(MASK, "___")
            if hidden == name or Path(path, name) in spared:
                continue
            try:
                Path(path, name).rename(_free(Path(path, hidden)))
            except OSError as error:
                troubles.append(f"the name of {Path(path, name)}: {error.strerror}")
    return troubles


def _free(path: Path) -> Path:
    """This path, or one like it of which nothing has the name."""
    numbered = (path.with_name(f"{path.name}~{count}") for count in itertools.count(2))
    return path if not os.path.lexists(path) else next(one for one in numbered if not os.path.lexists(one))


def mask_file(file: Path, masks: Masks) -> None:
    """Mask the secrets in one file, and let only its owner read it; anything but a regular file is left alone."""
    mode = file.lstat().st_mode
    if not stat.S_ISREG(mode):
        return
    if mode & 0o077:
        with suppress(PermissionError):  # another user's, for example a container's
            file.chmod(mode & 0o700)
    hidden, changed = [], False
    for data in _pieces(file):
        content = _hidden(data, masks)
        changed = changed or content != data
        hidden.append(content)
    if changed:
        write_whole(file, b"".join(hidden), mode & 0o700)


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while data := source.read(PIECE):
            yield data if len(data) < PIECE else data + source.readline(LINE)


def _hidden(data: bytes, masks: Masks) -> bytes:
    text = ""
    if masks and masks.occurs_in(data):
        text = masks.hide(data.decode("utf-8", "surrogateescape"))
    elif b"\0" not in data[:8192] and (b"@" in data or b"=" in data):  # a program's bytes may look like a URL
        text = hide_in_urls(data.decode("utf-8", "surrogateescape"))
    return text.encode("utf-8", "surrogateescape") if text else data
