"""The size of a disk or a file system inside nodes: exact, within bounds, or grown since a mark."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from seatrial.checks.per_node import ON_SOME, OnEachNode, on_each, shell, targeted
from seatrial.checks.sizes import LOOK, Size, bytes_of, measured, wrong_sizes
from seatrial.errors import CannotTell
from seatrial.model.resource import Node
from seatrial.model.result import Category, Observation, failed, passed, unknown
from seatrial.registry import check
from seatrial.spi import Context

MARKS = "disk_size.json"
"""A file in the trial's state folder: mark to node to bytes."""

Of = Literal["auto", "disk", "filesystem"]

_TEXT = re.compile(r"(?P<path>.+?)\s*(?P<how>==|>=|<=)\s*(?P<size>\S+)")


@check("disk_size")
@dataclass(frozen=True, kw_only=True)
class DiskSize(OnEachNode):
    """A disk has the right size: `disk_size:/data==10GiB`, `disk_size[n11]:/dev/vdb>=20GiB`."""

    path: str
    """A mount point, any path on the file system, or a block device."""
    of: Of = "auto"
    """The size of the `disk` (partition, volume) below the path, or of the smaller `filesystem` on it; `auto`: the
    disk's if there is one."""
    size: Size | None = None
    """Exact size: a number of bytes, or like 512MiB, 10GiB (powers of 2), 10GB (powers of 10)."""
    at_least: Size | None = None
    """Minimum size."""
    at_most: Size | None = None
    """Maximum size."""
    tolerance: Size = 0
    """Allowed difference from `size` and `grown_by`."""
    mark: str = ""
    """Remember the measured size under this name, for `grown_since`."""
    grown_since: str = ""
    """The size must have grown since the check with this `mark`."""
    grown_by: Size | None = None
    """The expected growth."""

    text_pattern: ClassVar[str] = f"{ON_SOME}{_TEXT.pattern}"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        """Read `:<path>==<size>`, `>=`, `<=`, with the nodes in brackets before it."""
        read = targeted(rest, "disk_size:/data==10GiB")
        match = _TEXT.fullmatch(read.pop("rest"))
        if match is None:
            raise ValueError(f"missing size in {rest!r}; allowed: disk_size:/data==10GiB, >=, <=")
        key = {"==": "size", ">=": "at_least", "<=": "at_most"}[match["how"]]
        return {"path": match["path"], key: match["size"], **read}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        asked = [key for key in ("size", "at_least", "at_most", "mark", "grown_since") if getattr(self, key)]
        if not asked:
            yield "", "missing expectation: give `size`, `at_least`, `at_most`, `mark` or `grown_since`"
        if self.grown_by is not None and not self.grown_since:
            yield "grown_by", "`grown_by` needs `grown_since`, the mark to count from"
        keys = ("size", "at_least", "at_most", "tolerance", "grown_by")
        yield from wrong_sizes((key, getattr(self, key)) for key in keys)

    async def observe(self, ctx: Context) -> Observation:
        expected = self._expected()

        async def look(node: Node) -> Observation:
            seen = await self._measure(ctx, node)
            if self.mark:
                _remember(ctx.state / MARKS, self.mark, node.name, seen)
            return self._judge(ctx, node, seen, expected)

        return await on_each(ctx, self.on, look, expected)

    async def _measure(self, ctx: Context, node: Node) -> int:
        sizes = measured(await shell(ctx, node, LOOK, self.path, what=self.path))
        for what in ("disk", "filesystem") if self.of == "auto" else (self.of,):
            if what in sizes:
                return sizes[what]
        have = " and ".join(sizes) or "none"
        raise CannotTell(f"the size of the {self.of} at {self.path} of {node.name} cannot be read; readable: {have}")

    def _expected(self) -> Mapping[str, object]:
        keys = ("size", "at_least", "at_most", "grown_since", "grown_by")
        return {key: getattr(self, key) for key in keys if getattr(self, key) not in (None, "")}

    def _judge(self, ctx: Context, node: Node, seen: int, expected: Mapping[str, object]) -> Observation:
        wanted = ""
        if self.size is not None and abs(seen - bytes_of(self.size)) > bytes_of(self.tolerance):
            wanted = f"{self.size} ({bytes_of(self.size)} bytes)"
        elif self.at_least is not None and seen < bytes_of(self.at_least):
            wanted = f"at least {self.at_least}"
        elif self.at_most is not None and seen > bytes_of(self.at_most):
            wanted = f"at most {self.at_most}"
        if wanted:
            return failed(seen, expected, f"{self.path} has {seen} bytes, expected {wanted}")
        if self.grown_since:
            marks = _marks(ctx.state / MARKS)
            before = marks.get(self.grown_since, {}).get(node.name)
            if before is None:
                have = ", ".join(sorted(marks)) or "none"
                why = f"no disk_size check has set mark {self.grown_since!r} on {node.name}; marks: {have}"
                return unknown(why, expected, seen, Category.TEST)
            off = abs(seen - before - bytes_of(self.grown_by)) if self.grown_by is not None else 0
            if seen <= before or off > bytes_of(self.tolerance):
                why = f"{self.path} had {before} bytes at mark {self.grown_since!r}, now {seen}"
                return failed(seen, expected, why)
        return passed(seen, expected)


def _marks(file: Path) -> dict[str, dict[str, int]]:
    if not file.is_file():
        return {}
    found: dict[str, dict[str, int]] = json.loads(file.read_text())
    return found


def _remember(file: Path, mark: str, node: str, seen: int) -> None:
    marks = _marks(file)
    marks.setdefault(mark, {})[node] = seen
    file.write_text(json.dumps(marks))
