"""The source files opened by a command for reading. strace sees every child in every language, but slows commands down,
so tracing is opt-in."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from seatrial.errors import UsageError
from seatrial.links import process
from seatrial.preflight.cache.patterns import matcher

CALLS = "open,openat,openat2,creat,rename,renameat,renameat2,execve"
OPTIONS = ("-f", "-qq", "-y", "-e", f"trace={CALLS}", "-e", "status=successful", "-e", "signal=none", "-s", "4096")

LISTED = 3
"""Most files listed of one folder; above it, the folder is listed."""

OWN_CACHES = frozenset({"__pycache__", "node_modules", ".seatrial"})
"""Caches of tools; others carry a CACHEDIR.TAG, and virtual environments a pyvenv.cfg."""

_OPENED = re.compile(
    r"^\d+\s+(?:(?P<call>open\w*|creat)\(|<\.\.\. (?P<resumed>open\w*|creat) resumed>)"
    r".*\)\s+= \d+<(?P<path>(?:[^>\\]|\\.)*)>"
)
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_AT = re.compile(r'(?:AT_FDCWD|\d+)<((?:[^>\\]|\\.)*)>, "((?:[^"\\]|\\.)*)"')
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")


async def ready() -> None:
    """Check by a trial call that this machine can trace; UsageError when it cannot."""
    hint = "--trace-inputs needs strace"
    if shutil.which("strace") is None:
        remedy = "install it (`apt install strace`), or leave the option out"
        raise UsageError(f"{hint}, and strace is not installed: {remedy}")
    done = await process.run(["strace", *OPTIONS, "-o", os.devnull, "--", "/bin/true"], timeout=20)
    if not done.ok:
        last = done.stderr.strip().rpartition("\n")[2]
        raise UsageError(f"{hint}, and strace may not watch processes here: {last or done.exit_code}")


def wrapped(argv: Sequence[str], file: Path, path: str) -> tuple[str, ...]:
    """The command under strace; unchanged when its program is missing, so the usual error appears."""
    if "/" not in argv[0] and shutil.which(argv[0], path=path) is None:
        return tuple(argv)
    strace = shutil.which("strace") or "strace"
    return (strace, *OPTIONS, "-o", str(file), "--", *argv)


def read_in(file: Path, source: Path, folder: Path) -> set[str]:
    """The source files read by the command, without those it wrote itself."""
    read: set[str] = set()
    made: set[str] = set()
    for path, writes in _events(file, folder):
        if path.startswith(f"{source}/"):
            (made if writes else read).add(os.path.normpath(path)[len(str(source)) + 1 :])
    return {one for one in read - made if (source / one).is_file()}


def _events(file: Path, folder: Path) -> Iterator[tuple[str, bool]]:
    """Each file opened or made, and whether it was made or written."""
    try:
        lines = file.read_text(errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return
    begun: dict[str, str] = {}
    for line in lines:
        number = line.partition(" ")[0]
        if line.endswith("<unfinished ...>"):
            begun[number] = line
        if opened := _OPENED.match(line):
            whole = line + (begun.pop(number, "") if opened["resumed"] else "")
            writes = "creat" in (opened["call"], opened["resumed"]) or _WRITES.search(whole) is not None
            yield _decoded(opened["path"]), writes
        elif "rename" in line:
            named = [str(Path(_decoded(at)) / _decoded(name)) for at, name in _AT.findall(line)]
            for path in (named or [_decoded(text) for text in _TEXT.findall(line)])[-1:]:
                yield str(folder / path), True
        elif "execve(" in line:
            for text in _TEXT.findall(line)[:1]:
                yield os.path.realpath(folder / _decoded(text)), False


def _decoded(text: str) -> str:
    r"""A name as strace writes it: `\"`, `\n`, and bytes as octal numbers."""
    if "\\" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape").decode("unicode_escape").encode("latin-1", "replace")
    return raw.decode("utf-8", "surrogateescape")


def undeclared(
    read: Collection[str], declared: Collection[str], artifacts: Sequence[str], folder: Path, source: Path
) -> list[str]:
    """The files that are neither inputs, nor artifacts of the check, nor caches of tools."""
    inner = folder.relative_to(source).as_posix()
    own = matcher([pattern if inner == "." else f"{inner}/{pattern}" for pattern in artifacts])
    left = [one for one in sorted(read) if one not in declared and not own.match_file(one)]
    return [one for one in left if not _kept_by_a_tool(one, source)]


def _kept_by_a_tool(path: str, source: Path) -> bool:
    folders = list(Path(path).parents)[:-1]
    marks = ("CACHEDIR.TAG", "pyvenv.cfg")
    return any(
        folder.name in OWN_CACHES or any((source / folder / mark).is_file() for mark in marks) for folder in folders
    )


def globs(files: Sequence[str]) -> list[str]:
    """Patterns to cover these files: their names, or their folder when it has many of them."""
    tops: dict[str, list[str]] = {}
    for one in files:
        top, _, rest = one.partition("/")
        tops.setdefault(top if rest else "", []).append(one)
    told: list[str] = []
    for top, held in sorted(tops.items()):
        told += held if not top or len(held) <= LISTED else [f"{top}/**"]
    return told
