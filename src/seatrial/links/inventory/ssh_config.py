"""Machines from OpenSSH's client configuration: each name of a `Host` line without wildcards.

It reads HostName, Port, User, IdentityFile, ProxyJump and UserKnownHostsFile; as in ssh, the first value wins. It
follows `Include`, `Host` patterns and `Match all | host | originalhost`, and skips other `Match` blocks (above all
`exec`).
"""

from __future__ import annotations

import fnmatch
import getpass
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seatrial.links.inventory.names import Hosts, Lined, Wrong

_LINE = re.compile(r"(?P<word>[A-Za-z]+)(?:\s*=\s*|\s+)(?P<rest>.*)")
_WANTED = {"hostname": "host", "port": "port", "user": "user", "identityfile": "key", "proxyjump": "jump",
           "userknownhostsfile": "known_hosts"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Said:
    line: int
    word: str
    values: tuple[str, ...]


def looks_so(text: str) -> bool:
    """Whether the first line with content is one of an OpenSSH configuration."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return re.match(r"(Host|Match|Include)\s+\S", first, re.IGNORECASE) is not None


def hosts(text: str, folder: Path) -> Hosts:
    """The machines and their connection settings; Wrong, with the line, when it is unreadable."""
    said = list(_said(text, folder, 0))
    names: dict[str, int] = {}
    for one in said:
        if one.word == "host":
            for name in one.values:
                if not re.search(r"[*?!]", name):
                    names.setdefault(name, one.line)
    return {name: _of(name, said, line) for name, line in names.items()}


def _said(text: str, folder: Path, depth: int) -> Iterator[_Said]:
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise Wrong(f"{line!r} is not KEYWORD VALUE", number)
        try:
            values = tuple(shlex.split(match["rest"], comments=True))
        except ValueError as error:
            raise Wrong(str(error), number) from None
        word = match["word"].lower()
        if not values:
            raise Wrong(f"{match['word']} has no value", number)
        if word == "include":
            yield from _included(values, folder, number, depth)
        else:
            yield _Said(number, word, values)


def _included(patterns: tuple[str, ...], folder: Path, number: int, depth: int) -> Iterator[_Said]:
    if depth > 15:
        raise Wrong("files include each other", number)
    for pattern in patterns:
        path = Path(pattern).expanduser()
        anchored = path if path.is_absolute() else folder / path
        for file in sorted(Path(anchored.anchor).glob(str(anchored.relative_to(anchored.anchor)))):
            try:
                yield from _said(file.read_text(encoding="utf-8"), folder, depth + 1)
            except Wrong as error:
                raise Wrong(f"in {file}:{error.line}: {error}", number) from None
            except (OSError, UnicodeDecodeError) as error:
                raise Wrong(f"{file} cannot be read: {error}", number) from None


def _of(name: str, said: list[_Said], line: int) -> Lined:
    """The settings for one machine: the first value of each keyword, but all key files."""
    found = Lined()
    found.line = line
    keys: list[str] = []
    matching = True
    for one in said:
        if one.word == "host":
            matching = _matches(name, one.values)
        elif one.word == "match":
            matching = _match(name, str(found.get("host", name)), one.values)
        elif matching and one.word == "identityfile":
            keys += [] if one.values[0].lower() == "none" else [one.values[0]]
        elif matching and one.word in _WANTED:
            found.setdefault(_WANTED[one.word], one.values[0])
    found["host"] = str(found.get("host", name)).replace("%h", name)
    found.setdefault("user", getpass.getuser())
    user, home = str(found["user"]), str(Path.home())
    tokens = {"%d": home, "%h": str(found["host"]), "%r": user, "%n": name, "%u": getpass.getuser(), "%%": "%"}
    if keys:
        found["key"] = [re.sub(r"%.", lambda token: tokens.get(token[0], token[0]), key) for key in keys]
    if str(found.get("known_hosts", "")).lower() in ("none", "/dev/null"):
        del found["known_hosts"]
    return found


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    if any(one.startswith("!") and fnmatch.fnmatchcase(name, one[1:]) for one in patterns):
        return False
    return any(fnmatch.fnmatchcase(name, one) for one in patterns if not one.startswith("!"))


def _match(name: str, host: str, words: tuple[str, ...]) -> bool:
    match [word.lower() for word in words[:1]]:
        case ["all"]:
            return len(words) == 1
        case ["host"] if len(words) == 2:
            return _matches(host, tuple(words[1].split(",")))
        case ["originalhost"] if len(words) == 2:
            return _matches(name, tuple(words[1].split(",")))
    return False
