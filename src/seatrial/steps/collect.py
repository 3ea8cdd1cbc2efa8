"""`collect`: files, logs and output of commands, from nodes into the run's artifacts."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from seatrial.errors import CannotTell, SeatrialError
from seatrial.model.resource import Node
from seatrial.model.scenario import Outputs
from seatrial.model.values import Timeout
from seatrial.registry import step
from seatrial.spi import Context, KeepsConsole
from seatrial.spi.concurrency import for_each
from seatrial.steps.wait_running import service_logs

MOST = 1000
"""Maximum number of files for one pattern on one node."""

# Expands the pattern on the node without splitting it at blanks; a folder expands to its files, also behind links.
# Names may have any byte but NUL, so they come in hexadecimal: regular files, an empty name, and everything else.
_LIST = """IFS=
list() {
  for f in $1; do
    case $f in -*) f=./$f;; esac
    if [ -e "$f" ] || [ -L "$f" ]; then find -L "$f" ! -type d "$2" -type f -print0; fi
  done
}
{ list "$1" -a; printf '\\0'; list "$1" '!'; } | od -A n -v -t x1 | tr -d ' \\n'"""


@step("collect")
@dataclass(frozen=True, kw_only=True)
class Collect:
    """Gather files, logs and the output of commands from nodes into `artifacts/NODE/`."""

    decides: ClassVar[bool] = False

    nodes: str | Sequence[str] = "*"
    """A node, or a selector: `n12`, `n12,n13`, `*`, `any` (a running one), `random:2`, or a role of the system
    (`leader`)."""
    paths: str | Sequence[str] = ()
    """Files, folders or patterns (`/var/log/*.log`) on the nodes."""
    commands: Mapping[str, str] = field(default_factory=dict)
    """File name to a command for the node's shell; its output is kept."""
    logs: bool = False
    """Also collect the service's log, and the console if there is one."""
    optional: bool = False
    """Ignore missing files and nodes without an answer."""
    command_timeout: Timeout = Timeout(60.0)
    """Time limit for each command."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if not (self.paths or self.commands or self.logs):
            yield "", "nothing to collect: give one or more of `paths`, `commands` and `logs`"
        if isinstance(self.commands, Mapping):
            names = [safe(name) for name in self.commands]
            if len(set(names)) < len(names):
                yield "commands", "two of the names give the same file name once unsafe characters are replaced"

    def _selector(self) -> str:
        return self.nodes if isinstance(self.nodes, str) else ",".join(self.nodes)

    async def run(self, ctx: Context) -> Outputs:
        """CannotTell if something not optional is missing. Outputs: `files` (paths relative to the artifacts), `count`,
        `missing` (by node)."""
        nodes = await ctx.select(self._selector())
        files: list[str] = []
        missing: dict[str, list[str]] = {}

        async def one(node: Node) -> None:
            gathered = _Gathered(ctx, node, self)
            try:
                await gathered.all()
            except SeatrialError as error:
                if not self.optional:
                    raise
                gathered.missing.append(str(error))
            files.extend(gathered.files)
            if gathered.missing:
                missing[node.name] = gathered.missing

        await for_each(nodes, one)
        for name, told in missing.items():
            ctx.log(f"not collected from {name}: {'; '.join(told)}", "warning")
        return {"files": sorted(files), "count": len(files), "missing": missing}


class _Gathered:
    """The files gathered from one node."""

    def __init__(self, ctx: Context, node: Node, plan: Collect) -> None:
        self._ctx, self._node, self._plan = ctx, node, plan
        self._link = ctx.link(node)
        self.files: list[str] = []
        self.missing: list[str] = []

    async def all(self) -> None:
        """CannotTell when something is missing that must not be; the rest is collected all the same."""
        paths = (self._plan.paths,) if isinstance(self._plan.paths, str) else self._plan.paths
        if self._plan.logs:
            await self._logs()
        for pattern in paths:
            await self._paths(pattern)
        for name, command in self._plan.commands.items():
            await self._command(name, command)
        if self.missing and not self._plan.optional:
            what = "; ".join(self.missing)
            raise CannotTell(f"{what} on {self._node.name}; to ignore this, set `optional: true`")

    def _place(self, *names: str) -> Path:
        """The target of a file; every part of its name is made safe, so no name leads out of the artifacts, or is a
        secret."""
        whole = Path(safe(self._node.name), *(safe(self._ctx.masked(name)) for name in names))
        relative = whole
        for count in itertools.count(2):  # two names may be one once they are safe
            if str(relative) not in self.files:
                break
            relative = whole.with_name(f"{whole.name}~{count}")
        place = self._ctx.artifacts / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        self.files.append(str(relative))
        return place

    def _miss(self, what: str) -> None:
        self.missing.append(what)

    async def _paths(self, pattern: str) -> None:
        files, others = await self._listed(pattern)
        if not files and not others:
            self._miss(f"there is no {pattern}")
        if len(files) > MOST:
            raise CannotTell(f"{pattern} matches {len(files)} files on {self._node.name}; the maximum is {MOST}")
        for remote in others:
            self._miss(f"{printable(remote)} is not a regular file")
        for remote in files:
            place = self._place(*Path(remote.lstrip("/")).parts)
            try:
                await self._link.get(remote, place)
                self._ctx.mask_file(place)
            except FileNotFoundError:  # it existed when it was listed
                self.files.pop()
                self._miss(f"{printable(remote)} is gone")

    async def _listed(self, pattern: str) -> tuple[list[str], list[str]]:
        """The regular files of a pattern, and what else there is."""
        listed = await self._link.run(["sh", "-c", _LIST, "sh", pattern], timeout=self._plan.command_timeout)
        try:
            names = [os.fsdecode(name) for name in bytes.fromhex(listed.stdout).split(b"\0")]
        except ValueError as error:  # part of the output was left out
            raise CannotTell(f"{pattern} matches too many files on {self._node.name}; the maximum is {MOST}") from error
        if "" not in names[:-1]:
            raise CannotTell(f"{pattern} cannot be listed on {self._node.name}: {listed.stderr.strip()}")
        for line in sorted(set(listed.stderr.splitlines())):
            self._miss(line)
        end = names.index("")
        return names[:end], names[end + 1 : -1]

    async def _command(self, name: str, command: str) -> None:
        done = await self._link.run(command, timeout=self._plan.command_timeout)
        text = done.stdout + (f"\n--- standard error\n{done.stderr}" if done.stderr else "")
        if not done.ok:
            self._ctx.log(f"{command!r} {done.ended} on {self._node.name}", "warning")
            text += f"\n--- {done.ended}\n"
        self._write(name, text)

    def _write(self, name: str, text: str) -> None:
        self._place(name).write_text(self._ctx.masked(text), encoding="utf-8", errors="backslashreplace")

    async def _logs(self) -> None:
        text = (await service_logs(self._ctx)).get(self._node.name, "")
        if text:
            self._write("service.log", text)
        else:
            self._miss("the service has no log")
        if isinstance(self._ctx.provider, KeepsConsole):
            self._write("console.log", await self._ctx.provider.console(self._node))


def printable(name: str) -> str:
    """A file's name for a message."""
    return name if name.isprintable() else ascii(os.fsencode(name))[1:]


def safe(name: str) -> str:
    """One part of a file's name: no separators, never `.` or `..`, no characters special to shells or archives."""
    plain = re.sub(r"[^\w.\-=@+]", "_", name)[:200]
    return plain if plain.strip(".") else "_" * max(len(plain), 1)
