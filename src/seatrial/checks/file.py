"""Whether a file exists with the right content, mode and size, on this host or on nodes."""

from __future__ import annotations

import asyncio
import hashlib
import re
import stat
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from seatrial.checks.content import held, words
from seatrial.checks.per_node import OnNodes, on_each, text_of
from seatrial.errors import CannotTell, ToolMissing
from seatrial.model.resource import Node
from seatrial.model.result import Observation, failed, passed, unknown
from seatrial.registry import check
from seatrial.spi import Context, Finished, Link
from seatrial.spi.link import NOT_FOUND

T = TypeVar("T")

_KINDS = {stat.S_IFREG: "regular file", stat.S_IFDIR: "directory", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket",
          stat.S_IFCHR: "character special file", stat.S_IFBLK: "block special file"}  # fmt: skip

LIMIT = 16 * 1024 * 1024
"""Maximum size in bytes of a file searched for text; the content of a larger one is unknown."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The attributes of an existing file."""

    size: int
    mode: str
    """In octal, four digits: 0644."""
    owner: str
    """User and group by name and by number: `root:root 0:0`."""
    kind: str
    """As `stat` has it: `regular file`, `directory`, `fifo`, …."""


@check("file")
@dataclass(frozen=True, kw_only=True)
class File(OnNodes):
    """A file exists, or does not, with its content, mode, size and digest: `file:/etc/motd`."""

    path: str
    """The path; on this host relative to the document."""
    on: str = ""
    """Nodes to look on (a selector); by default this host."""
    exists: bool = True
    """Whether the file must exist."""
    contains: str | tuple[str, ...] = ()
    """Text required in the file."""
    lacks: str | tuple[str, ...] = ()
    """Text forbidden in the file. A file that is not readable as text is unknown."""
    mode: str = ""
    """Its permissions in octal, in quotes: "0644"."""
    owner: str = ""
    """The required owner: `USER`, `USER:GROUP` or `:GROUP`."""
    size: int | None = None
    """Its size in bytes."""
    sha256: str = ""
    """Its SHA-256 in hexadecimal."""

    text_pattern: ClassVar[str] = ":.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        return {"path": text_of(rest, "path", "file:/etc/motd")}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """Valid mode, owner and digest, and no expectation of a file required to be absent."""
        if self.mode and not re.fullmatch(r"[0-7]{3,4}", self.mode):
            yield "mode", f'invalid mode {self.mode!r}; allowed: three or four octal digits in quotes, like "0644"'
        if self.owner and not re.fullmatch(r"[^:\s]*(:[^:\s]+)?", self.owner):
            yield "owner", f"invalid owner {self.owner!r}; allowed: USER, USER:GROUP or :GROUP, by name or number"
        if self.sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", self.sha256):
            yield "sha256", f"invalid SHA-256 {self.sha256!r}; allowed: 64 hexadecimal digits"
        if not self.exists:
            for key in ("contains", "lacks", "mode", "owner", "size", "sha256"):
                if getattr(self, key) not in ((), "", None):
                    yield key, f"`{key}` cannot be used with `exists: false`"

    async def observe(self, ctx: Context) -> Observation:
        if not self.on:
            return await self._judge(ctx, _OnHost(ctx.document_folder / self.path))

        async def look(node: Node) -> Observation:
            return await self._judge(ctx, _OnNode(ctx.link(node), self.path, ctx.state))

        return await on_each(ctx, self.on, look, "there" if self.exists else "not there")

    async def _judge(self, ctx: Context, place: _OnHost | _OnNode) -> Observation:
        facts = await place.facts()
        expected = "there" if self.exists else "not there"
        if facts is None:
            judge = failed if self.exists else passed
            return judge("not there", expected, f"{self.path} is missing" if self.exists else "")
        if not self.exists:
            return failed("there", expected, f"{self.path} is there")
        if self.mode and facts.mode != self.mode.zfill(4):
            return failed({"mode": facts.mode}, {"mode": self.mode.zfill(4)}, f"the mode is {facts.mode}")
        if self.owner and not owned(facts.owner, self.owner):
            return failed({"owner": facts.owner}, {"owner": self.owner}, f"the owner is {facts.owner}")
        if self.size is not None and facts.size != self.size:
            return failed({"size": facts.size}, {"size": self.size}, f"the size is {facts.size} bytes")
        searched = words(self.contains) or words(self.lacks)
        if (self.sha256 or searched) and not facts.kind.startswith("regular"):  # a pipe or a device may never end
            return unknown(f"{self.path} is not a regular file but a {facts.kind}: its content is not read")
        if self.sha256:
            digest = await place.sha256()
            if digest != self.sha256.lower():
                return failed({"sha256": digest}, {"sha256": self.sha256.lower()}, "the SHA-256 of the content differs")
        if searched:
            if facts.size > LIMIT:
                raise CannotTell(f"{self.path} has {facts.size} bytes: content is searched up to {LIMIT} bytes only")
            wrong = held(ctx, (await place.content()).decode(errors="replace"), self.contains, self.lacks, self.path)
            if wrong is not None:
                return wrong
        return passed({"size": facts.size, "mode": facts.mode}, expected)


def owned(owner: str, wanted: str) -> bool:
    """Whether `user:group uid:gid` is the wanted owner, each by name or by number; an empty part matches any."""
    both = [one.split(":") for one in owner.split()]
    return all(not word or word in {one[at] for one in both} for at, word in enumerate(wanted.split(":")))


class _OnHost:
    """A file of this host; an OSError becomes CannotTell."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def facts(self) -> Facts | None:
        """None if it does not exist."""
        try:
            found = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise CannotTell(f"{self._path} cannot be inspected: {error.strerror}") from error
        numbers = f"{found.st_uid}:{found.st_gid}"
        try:
            names = f"{self._path.owner()}:{self._path.group()}"
        except (KeyError, OSError):  # a number without a user
            names = numbers
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "special file")
        return Facts(found.st_size, f"{stat.S_IMODE(found.st_mode):04o}", f"{names} {numbers}", kind)

    async def content(self) -> bytes:
        return await self._read(self._path.read_bytes)

    async def sha256(self) -> str:
        """The digest, computed in a thread because the file may be large."""

        def digest() -> str:
            with self._path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

        return await self._read(digest)

    async def _read(self, read: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(read)
        except OSError as error:
            raise CannotTell(f"{self._path} cannot be read: {error.strerror}") from error


class _OnNode:
    """A file of a node, inspected with the node's own tools."""

    def __init__(self, link: Link, path: str, state: Path) -> None:
        self._link, self._path, self._state = link, path, state

    async def facts(self) -> Facts | None:
        """None if it does not exist."""
        argv = ["stat", "-L", "-c", "%s %a %U:%G %u:%g %F", "--", self._path]
        done = await self._link.run(argv, env={"LC_ALL": "C"})
        if done.ok:
            size, mode, names, numbers, kind = done.stdout.strip().split(" ", 4)
            return Facts(int(size), mode.zfill(4), f"{names} {numbers}", kind)
        if "No such file or directory" in done.stderr or "Not a directory" in done.stderr:
            return None
        raise _trouble("stat", done)

    async def content(self) -> bytes:
        with tempfile.TemporaryDirectory(dir=self._state) as folder:
            local = Path(folder) / "content"
            await self._link.get(self._path, local)
            return local.read_bytes()

    async def sha256(self) -> str:
        """The digest, computed by the node's own tool: a large file is not transferred."""
        done = await self._link.run(["sha256sum", "--", self._path], timeout=600)
        if not done.ok:
            raise _trouble("sha256sum", done)
        return done.stdout.split()[0].lstrip("\\")


def _trouble(tool: str, done: Finished) -> CannotTell:
    if done.exit_code == NOT_FOUND:
        return ToolMissing(f"the node has no {tool}; install coreutils or busybox there: {done.stderr.strip()}")
    return CannotTell(f"{tool} {done.ended}: {done.stderr.strip()}")
