"""Machines from OpenSSH's client configuration: each name of a `Host` line without wildcards.

It reads HostName, Port, User, IdentityFile, ProxyJump, UserKnownHostsFile and StrictHostKeyChecking; as in ssh, the
first value wins. It follows `Include`, `Host` patterns and `Match all | host | originalhost`, and skips other `Match`
blocks (above all `exec`).
"""

from __future__ import annotations

import fnmatch
import getpass
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from seatrial.links.inventory.groups import Hosts, Lined, Wrong

_LINE = re.compile(r"(?P<word>[A-Za-z]+)(?:\s*=\s*|\s+)(?P<rest>.*)")
_WANTED = {"hostname": "host", "port": "port", "user": "user", "identityfile": "key", "proxyjump": "jump",
           "userknownhostsfile": "known_hosts", "stricthostkeychecking": "accept"}  # fmt: skip

ANY_KEY = ("no", "off", "accept-new")
"""Values of StrictHostKeyChecking that accept a first host key."""


class _Line(NamedTuple):
    number: int
    word: str
    values: tuple[str, ...]


def looks_so(text: str) -> bool:
    """Whether the first line with content is one of an OpenSSH configuration."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return re.match(r"(Host|Match|Include)\s+\S", first, re.IGNORECASE) is not None


def hosts(text: str, folder: Path) -> Hosts:
    """The machines and their connection settings; Wrong, with the line, when it is unreadable."""
    lines = list(_lines(text, folder, 0))
    names: dict[str, int] = {}
    for line in lines:
        if line.word == "host":
            for name in line.values:
                if not re.search(r"[*?!]", name):
                    names.setdefault(name, line.number)
    return {name: _of(name, lines, number) for name, number in names.items()}


def _lines(text: str, folder: Path, depth: int) -> Iterator[_Line]:
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise Wrong(f"{line!r} is not KEYWORD VALUE", number)
        try:
            values = tuple(shlex.split(match["rest"], comments=True))
        except ValueError as error:
            raise Wrong(str(error), number) from None
        if not values:
            raise Wrong(f"{match['word']} has no value", number)
        if (word := match["word"].lower()) == "include":
            yield from _included(values, folder, number, depth)
        else:
            yield _Line(number, word, values)


def _included(patterns: tuple[str, ...], folder: Path, number: int, depth: int) -> Iterator[_Line]:
    if depth > 15:
        raise Wrong("files include each other", number)
    for pattern in patterns:
        path = Path(pattern).expanduser()
        anchored = path if path.is_absolute() else folder / path
        for file in sorted(Path(anchored.anchor).glob(str(anchored.relative_to(anchored.anchor)))):
            try:
                yield from _lines(file.read_text(encoding="utf-8"), folder, depth + 1)
            except Wrong as error:
                raise Wrong(f"in {file}:{error.line}: {error}", number) from None
            except (OSError, UnicodeDecodeError) as error:
                raise Wrong(f"{file} cannot be read: {error}", number) from None


def _of(name: str, lines: list[_Line], number: int) -> Lined:
    """The settings for one machine: the first value of each keyword, but all key files."""
    settings = Lined(line=number)
    keys: list[str] = []
    matching = True
    for _, word, values in lines:
        if word == "host":
            matching = _matches(name, values)
        elif word == "match":
            matching = _match(name, str(settings.get("host", name)), values)
        elif matching and word == "identityfile":
            keys += [] if values[0].lower() == "none" else [values[0]]
        elif matching and word in _WANTED:
            settings.setdefault(_WANTED[word], values[0])
    me = getpass.getuser()
    host, user = str(settings.get("host", name)).replace("%h", name), str(settings.get("user", me))
    settings |= {"host": host, "user": user}
    if keys:
        tokens = {"%d": str(Path.home()), "%h": host, "%r": user, "%n": name, "%u": me, "%%": "%"}
        settings["key"] = [re.sub(r"%.", lambda token: tokens.get(token[0], token[0]), key) for key in keys]
    if str(settings.get("known_hosts", "")).lower() in ("none", "/dev/null"):
        del settings["known_hosts"]
    if str(settings.pop("accept", "")).lower() in ANY_KEY:
        settings["accept"] = True
    return settings


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    if any(pattern.startswith("!") and fnmatch.fnmatchcase(name, pattern[1:]) for pattern in patterns):
        return False
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns if not pattern.startswith("!"))


def _match(name: str, host: str, words: tuple[str, ...]) -> bool:
    criterion, patterns = words[0].lower(), words[1:]
    if not patterns:
        return criterion == "all"
    compared = {"host": host, "originalhost": name}.get(criterion)
    return compared is not None and len(patterns) == 1 and _matches(compared, tuple(patterns[0].split(",")))
