"""`collect`: files, logs and output of commands, from nodes into the run's artifacts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from seatrial.errors import CannotTell, SeatrialError
from seatrial.model.resource import Node
from seatrial.model.scenario import Outputs
from seatrial.model.values import Duration
from seatrial.registry import step
from seatrial.spi import Context, KeepsConsole
from seatrial.spi.concurrency import for_each
from seatrial.steps.wait_running import service_logs

MOST = 1000
"""Maximum number of files for one pattern on one node."""

# Expands the pattern on the node without splitting it at blanks; a folder expands to its files.
_LIST = """IFS=; for f in $1; do
if [ -d "$f" ]; then find "$f" -type f; elif [ -e "$f" ]; then printf '%s\\n' "$f"; fi
done"""


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
    command_timeout: Duration = Duration(60.0)
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
        paths = (self._plan.paths,) if isinstance(self._plan.paths, str) else self._plan.paths
        if self._plan.logs:
            await self._logs()
        for pattern in paths:
            await self._paths(pattern)
        for name, command in self._plan.commands.items():
            await self._command(name, command)

    def _place(self, *names: str) -> Path:
        """The target of a file; every part of its name is made safe, so no name leads out of the artifacts."""
        relative = Path(safe(self._node.name), *map(safe, names))
        place = self._ctx.artifacts / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        self.files.append(str(relative))
        return place

    def _miss(self, what: str) -> None:
        if not self._plan.optional:
            raise CannotTell(f"{what} on {self._node.name}; to ignore this, set `optional: true`")
        self.missing.append(what)

    async def _paths(self, pattern: str) -> None:
        listed = await self._link.run(["sh", "-c", _LIST, "sh", pattern], timeout=self._plan.command_timeout)
        found = listed.stdout.splitlines()
        if not found:
            self._miss(f"there is no {pattern}")
        if len(found) > MOST:
            raise CannotTell(f"{pattern} matches {len(found)} files on {self._node.name}; the maximum is {MOST}")
        for remote in found:
            place = self._place(*Path(remote.lstrip("/")).parts)
            try:
                await self._link.get(remote, place)
                self._ctx.mask_file(place)
            except FileNotFoundError:  # it existed when it was listed
                self.files.pop()
                self._miss(f"{remote} is gone")

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


def safe(name: str) -> str:
    """One part of a file's name: no separators, never `.` or `..`, no characters special to shells or archives."""
    plain = re.sub(r"[^\w.\-=@+]", "_", name)[:200]
    return plain if plain.strip(".") else "_" * max(len(plain), 1)
