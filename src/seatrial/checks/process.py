"""Whether a program runs inside nodes: number, user and age of its processes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from seatrial.checks.per_node import ON_SOME, OnEachNode, on_each, shell, targeted
from seatrial.errors import CannotTell
from seatrial.links.output import beginning
from seatrial.model.resource import Node
from seatrial.model.result import Observation, failed, passed
from seatrial.model.values import Duration, Pattern
from seatrial.registry import check
from seatrial.spi import Context

OURS = "seatrial looks at processes"
"""Marks the command lines of Seatrial's shell and of the login shell around it; they are ignored."""

# Four programs read all processes together: three for each process would take a small machine many seconds. The pattern
# stays on this host, so the script's own command line cannot match.
LIST = (
    f": {OURS}"
    + r"""
echo "self $$ $(getconf CLK_TCK 2>/dev/null || echo 100) $(cut -d' ' -f1 /proc/uptime)"
[ -r /proc/1/stat ] || { echo "this user does not see the processes of others (hidepid of /proc)" >&2; exit 1; }
if [ -n "$1" ]; then number=$(id -u "$1") || exit; echo "user $number"; fi
echo "=stat"; cat /proc/[0-9]*/stat 2>/dev/null
echo "=uid"; grep -H '^Uid:' /proc/[0-9]*/status 2>/dev/null
echo "=line"; head -v -c 4096 /proc/[0-9]*/cmdline 2>/dev/null
:
"""
)


@dataclass(frozen=True, slots=True)
class Running:
    """A process of a node."""

    pid: int
    user: str
    """The number of its user."""
    seconds: float
    """Its age."""
    line: str
    """Its command line."""

    @property
    def program(self) -> str:
        return posixpath.basename(self.line.split(" ", 1)[0].rstrip(":"))


@check("process")
@dataclass(frozen=True, kw_only=True)
class Process(OnEachNode):
    """A program runs: `process:nginx`, `process[n11]:etcd`."""

    name: str = ""
    """The name of the program: the last part of its path."""
    matching: Pattern = Pattern("")
    """A regular expression for its command line."""
    count: int | None = None
    """Exact number of processes; by default at least one."""
    at_least: int | None = None
    """Minimum number of processes."""
    user: str = ""
    """The required user."""
    running_for: Duration | None = None
    """Minimum age of each process."""
    younger_than: Duration | None = None
    """Maximum age of each process: it was restarted since."""

    text_pattern: ClassVar[str] = f"{ON_SOME}.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        return targeted(rest, "process:nginx", "name")

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if not self.name and not self.matching:
            yield "name", "missing program: give `name`, or `matching` (a regular expression for the command line)"
        for key in ("count", "at_least"):
            if (getattr(self, key) or 0) < 0:
                yield key, f"invalid number {getattr(self, key)}: must be 0 or more"
        if self.count is not None and self.at_least is not None:
            yield "at_least", "`count` already is the exact number: keep one of the two"

    async def observe(self, ctx: Context) -> Observation:
        least = 1 if self.at_least is None else self.at_least
        expected = {"count": f"at least {least}" if self.count is None else self.count}

        async def look(node: Node) -> Observation:
            text = await shell(ctx, node, LIST, self.user, what="its processes")
            user, running = read(text)
            named = [one for one in running if not self.name or one.program == self.name]
            spans = await ctx.search(self.matching, [one.line for one in named]) if self.matching else named
            return self._judge(user, [one for one, span in zip(named, spans, strict=True) if span], expected)

        return await on_each(ctx, self.on, look, expected)

    def _judge(self, user: str, found: Sequence[Running], expected: Mapping[str, object]) -> Observation:
        what = self.name or self.matching
        seen = {"count": len(found), "processes": [f"{one.pid} {beginning(one.line.strip(), 80)}" for one in found[:5]]}
        least = 1 if self.at_least is None else self.at_least
        if len(found) != self.count if self.count is not None else len(found) < least:
            return failed(seen, expected, f"{len(found)} processes of {what}, expected {expected['count']}")
        if self.user and (others := [one for one in found if one.user != user]):
            return failed(seen, {"user": self.user}, f"{what} runs as user {others[0].user}, expected {self.user}")
        if self.running_for is not None and (young := [one for one in found if one.seconds < (self.running_for or 0)]):
            why = f"process {young[0].pid} of {what} has run for only {young[0].seconds:.1f} s"
            return failed(seen, {"running_for": self.running_for}, why)
        if self.younger_than is not None and (old := [one for one in found if one.seconds > (self.younger_than or 0)]):
            why = f"process {old[0].pid} of {what} has already run for {old[0].seconds:.1f} s"
            return failed(seen, {"younger_than": self.younger_than}, why)
        return passed(seen, expected)


def read(text: str) -> tuple[str, list[Running]]:
    """The number of the requested user, and the processes without zombies, Seatrial's own shell and its children."""
    try:
        said, rest = text.split("=stat\n", 1)
        stats, rest = rest.split("=uid\n", 1)
        owners, commands = rest.split("=line\n", 1)
        head, *more = said.splitlines()
        _, self, ticks, uptime = head.split()
        asked = more[0].split()[1] if more else ""
        users = {line.split("/")[2]: line.split()[1] for line in owners.splitlines()}
        parts = re.split(r"(?:\A|\n)==> /proc/(\d+)/cmdline <==\n", commands)
        lines = {pid: line.replace("\0", " ").strip() for pid, line in zip(parts[1::2], parts[2::2], strict=True)}
        running = []
        for stat in re.findall(r"^(\d+) \(.*\) (\S .*)$", stats, re.MULTILINE):
            pid, fields = stat[0], stat[1].split()
            command = lines.get(pid, "")
            # Without a command line it is a kernel thread or a zombie; a process ended meanwhile is missing in a list.
            if command and pid in users and self not in (pid, fields[1]) and OURS not in command:
                seconds = float(uptime) - int(fields[19]) / int(ticks)
                running.append(Running(int(pid), users[pid], seconds, command))
    except (IndexError, ValueError) as error:
        raise CannotTell(f"the list of processes cannot be read: {error}", evidence=beginning(text, 2000)) from error
    return asked, running
