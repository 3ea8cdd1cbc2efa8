"""Whether a file system is mounted as expected, inside nodes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from seatrial.checks.content import words
from seatrial.checks.per_node import ON_SOME, OnEachNode, on_each, shell, targeted
from seatrial.checks.sizes import LOOK, Size, bytes_of, measured, wrong_sizes
from seatrial.errors import CannotTell
from seatrial.model.resource import Node
from seatrial.model.result import Observation, Verdict, failed, passed
from seatrial.registry import check
from seatrial.spi import Context


@dataclass(frozen=True, slots=True)
class Mounted:
    """One line of /proc/self/mountinfo."""

    point: str
    device: str
    fstype: str
    options: frozenset[str]
    number: str
    """The device's major:minor."""


def mounts(text: str) -> dict[str, Mounted]:
    """Mounts by mount point; of several at one point the last, because it hides the others."""
    found = {}
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        left, right = before.split(), after.split()
        if not dash or len(left) < 6 or len(right) < 2:
            raise CannotTell(f"invalid line in /proc/self/mountinfo: {line[:100]!r}")
        options = {*left[5].split(","), *(right[2].split(",") if len(right) > 2 else ())}
        # The mount's read-only option overrides its file system's.
        options -= {"rw"} if "ro" in left[5].split(",") else set()
        one = Mounted(_plain(left[4]), _plain(right[1]), right[0], frozenset(options), left[2])
        found[one.point] = one
    return found


def _plain(text: str) -> str:
    """Decode the octal escapes of spaces and the like."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


LIST = r"""
[ -z "$1" ] || readlink -f -- "$1" 2>/dev/null || echo "$1"
[ -n "$1" ] || echo
cat /proc/${SEATRIAL_PROCESS:-self}/mountinfo
"""
"""Prints the named device, all links followed; then the mounts."""


@check("mount")
@dataclass(frozen=True, kw_only=True)
class Mount(OnEachNode):
    """A file system is mounted at a path, or is not: `mount:/data`, `mount[n11]:/data`."""

    path: str
    """The mount point, an absolute path on the node."""
    mounted: bool = True
    """Whether a file system must be mounted there."""
    device: str = ""
    """The mounted source: `/dev/vdb` or a link to it, `host:/export`, `tmpfs`."""
    fstype: str = ""
    """Its type: `ext4`, `xfs`, `nfs4`, `tmpfs`."""
    options: str | tuple[str, ...] = ()
    """Required options: `rw`, `noexec`."""
    at_least: Size | None = None
    """Minimum size of its file system: a number of bytes, or like 512MiB, 10GiB (powers of 2), 10GB (powers of 10)."""

    text_pattern: ClassVar[str] = f"{ON_SOME}.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        return targeted(rest, "mount:/data", "path")

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """An absolute path, and no expectation of a mount required to be absent."""
        if "${{" not in self.path and not self.path.startswith("/"):
            yield "path", f"path {self.path!r} is not absolute"
        if not self.mounted:
            for key in ("device", "fstype", "options", "at_least"):
                if getattr(self, key):
                    yield key, f"`{key}` cannot be used with `mounted: false`"
        yield from wrong_sizes([("at_least", self.at_least)])

    async def observe(self, ctx: Context) -> Observation:
        expected = "mounted" if self.mounted else "not mounted"

        async def look(node: Node) -> Observation:
            named = self.device if self.device.startswith("/") else ""
            text = await shell(ctx, node, LIST, named, what="the list of mounts")
            device, _, list_ = text.partition("\n")
            seen = self._judge(mounts(list_).get(posixpath.normpath(self.path)), device, expected)
            if self.at_least is None or seen.verdict is not Verdict.PASSED:
                return seen
            return await self._large(ctx, node, seen)

        return await on_each(ctx, self.on, look, expected)

    async def _large(self, ctx: Context, node: Node, seen: Observation) -> Observation:
        size = measured(await shell(ctx, node, LOOK, self.path, what=self.path)).get("filesystem")
        if size is None:
            raise CannotTell(f"{node.name} does not report the size of the file system at {self.path}")
        more = {**seen.seen, "size": size} if isinstance(seen.seen, Mapping) else size
        if size >= bytes_of(self.at_least or 0):
            return passed(more, seen.expected)
        return failed(more, {"at_least": self.at_least}, f"{self.path} has {size} bytes, expected {self.at_least}")

    def _judge(self, found: Mounted | None, device: str, expected: str) -> Observation:
        if found is None:
            judge = failed if self.mounted else passed
            return judge("not mounted", expected, f"nothing is mounted at {self.path}" if self.mounted else "")
        seen = {"device": found.device, "fstype": found.fstype, "options": ",".join(sorted(found.options))}
        if not self.mounted:
            return failed(seen, expected, f"{found.device} is mounted at {self.path}")
        for key in ("device", "fstype"):
            wanted = getattr(self, key)
            if wanted and seen[key] != wanted and (key != "device" or seen[key] != device):
                return failed(seen, {key: wanted}, f"the {key} at {self.path} is {seen[key]}, expected {wanted}")
        for option in words(self.options):
            if option not in found.options:
                return failed(seen, {"options": option}, f"{self.path} is mounted without option {option}")
        return passed(seen, expected)
