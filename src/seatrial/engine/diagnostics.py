"""Diagnostics of a suite that did not pass, collected from its nodes before cleanup.

All nodes are asked at the same time and each part has a deadline, so a dead node costs only its own few seconds. A
missing part is reported with its reason. Diagnostics never change the verdict, and no exception of a plugin, not even
its sys.exit, may keep the following sweep from its work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from seatrial.engine.cleanup import hurrying, within
from seatrial.engine.context import TrialContext
from seatrial.engine.output_log import tail
from seatrial.engine.trial import Trial
from seatrial.errors import CannotTell
from seatrial.model.cluster import OFF
from seatrial.model.resource import Node
from seatrial.spi import (
    CollectsDiagnostics,
    ExplainsPower,
    KeepsConsole,
    KeepsLogs,
    ProviderTraits,
    ShowsEvidence,
    ShowsMade,
    health_of,
    traits,
)
from seatrial.spi.concurrency import map_concurrently
from seatrial.spi.measuring import provider_knows

DEADLINE = 25.0
"""Time limit for all diagnostics, in seconds."""

ANSWER = 5.0
"""Seconds for a node's link to answer; after that the node is skipped."""

PART = 8.0
"""Time limit for one part of one node, in seconds."""

WHOLE = 20.0
"""Time limit for what the system itself collects, in seconds."""

SYSTEM, RESOURCES, SHARED = "system", "resources", "shared"
"""Folders beside those of the nodes: what the system says, the state of what steps have made, and what servers say that
several trials share."""

ABREAST = 4
"""Simultaneous commands over one link: an SSH server allows ten."""

MOST = 256 * 1024
"""Characters kept of one part: the last ones."""

_HEAD = """S=; [ "$(id -u)" = 0 ] || { sudo -n true 2>/dev/null && S="sudo -n"; }
t() { echo "# $*"; if command -v timeout >/dev/null 2>&1; then timeout 3 "$@" 2>&1; else "$@" 2>&1; fi; }
has() { command -v "$1" >/dev/null 2>&1; }
"""

COMMANDS: Mapping[str, str] = {
    "journal": """if has journalctl && $S journalctl -b -q -n 1 >/dev/null 2>&1
then $S journalctl -b --no-pager -n 2000
else
  t $S dmesg | tail -n 500
  for file in /var/log/*; do
    case $file in */wtmp*|*/btmp*|*/lastlog|*/faillog|*.gz|*.xz|*.[0-9]) continue;; esac
    [ -f "$file" ] && { echo "==> $file"; $S tail -n 200 "$file"; }
  done
fi; true""",
    "network": """if has ip; then t ip -br addr; t ip route; t ip -6 route; t ip neigh
else t cat /proc/net/dev; t cat /proc/net/route; t cat /proc/net/arp; fi
if has ss; then t $S ss -ltnp; elif has netstat; then t $S netstat -ltnp; else t cat /proc/net/tcp /proc/net/tcp6; fi
true""",
    "disk": "t df -h; t df -i; t mount; has lsblk && t lsblk; true",
    "processes": """if has ps; then ps -ef 2>/dev/null || ps
else for one in /proc/[0-9]*; do echo "${one#/proc/} $(tr '\\000' ' ' <"$one/cmdline" 2>/dev/null)"; done; fi; true""",
    "uptime": """t date -u; has uptime && t uptime; t cat /proc/uptime; t uname -a
t cat /proc/sys/kernel/random/boot_id; has free && t free -m; true""",
}
"""Shell commands on a node, by the name of the part."""


async def diagnose(trial: Trial, ctx: TrialContext) -> None:
    """Save each node's answers in `artifacts/diagnostics/<node>/<part>.txt`; a second Ctrl-C skips the rest."""

    def hurried() -> bool:
        return trial.run.hurried

    if hurried():
        ctx.log("no diagnostics: cut short by a second Ctrl-C", "warning")
        return
    clock = asyncio.get_running_loop().time
    start = clock()
    collector = _Collector(trial, ctx)
    limit = asyncio.timeout(DEADLINE)
    try:
        async with limit:
            with hurrying(limit, hurried, 0.0):
                await collector.all()
    except TimeoutError as error:
        late = f"timed out after {DEADLINE:g} s" if limit.expired() else f"TimeoutError: {error}"
        collector.cut("cut short by a second Ctrl-C" if hurried() else late)
    except Exception as error:
        ctx.log(f"diagnostics were interrupted: {type(error).__name__}: {error}", "warning")
        collector.cut("the diagnostics were interrupted")
    collector.tell(round(clock() - start, 6))


class _Collector:
    """Asks all nodes at the same time, and writes each part as soon as it arrives."""

    def __init__(self, trial: Trial, ctx: TrialContext) -> None:
        self._trial = trial
        self._ctx = ctx
        self._folder = trial.folder / "artifacts" / "diagnostics"
        self._parts: tuple[str, ...] = ()
        self._missing: dict[str, dict[str, str]] = {}
        """The reason for each missing part, by node."""
        self._files: list[str] = []
        """Files of the system's own."""
        self._shown: list[str] = []
        """Files about what steps have made."""

    async def all(self) -> None:
        """Every existing node, and those created only in part."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._whole())
            group.create_task(self._resources())
            group.create_task(self._of_shared())
            group.create_task(self._each())

    async def _whole(self) -> None:
        """What the system itself collects, in a folder `system`."""
        system, problems = self._trial.system, list[str]()
        if not isinstance(system, CollectsDiagnostics):
            return
        async with within(WHOLE, problems.append):
            for name, text in (await system.diagnostics(self._ctx)).items():
                self._write(SYSTEM, name.removesuffix(".txt"), text)
                self._files.append(name)
        if problems:
            self._files.append("missing.txt")
            self._write(SYSTEM, "missing", f"{problems[0]}\n")

    async def _resources(self) -> None:
        """The state of what steps have made, each in a file of the folder `resources`."""
        registry = self._trial.run.registry
        for entry in self._trial.run.ledger.out(self._trial.id):
            kind, _, name = entry.resource.owner.partition(":")
            known = kind == "step" and registry.knows(kind, name)
            owner = object.__new__(registry.get(kind, name)) if known else None
            if not isinstance(owner, ShowsMade):
                continue
            what, text, problems = f"{entry.resource.kind} {entry.resource.name}", "", list[str]()
            async with within(PART, problems.append):
                text = await owner.show(entry.resource)
            text = f"{what}: not known: {problems[0]}\n" if problems else text
            if text:
                self._shown.append(f"{_file_name(what)}.txt")
                self._write(RESOURCES, _file_name(what), text)

    async def _of_shared(self) -> None:
        """What shared servers know about the time of the failure, such as metrics."""
        for auditor in self._trial.auditors.values():
            if not isinstance(auditor, CollectsDiagnostics):
                continue
            problems: list[str] = []
            async with within(PART, problems.append):
                for name, text in (await auditor.diagnostics(self._ctx)).items():
                    self._write(SHARED, name.removesuffix(".txt"), text)
            if problems:
                self._write(SHARED, "missing", f"{type(auditor).__name__}: {problems[0]}\n")

    async def _each(self) -> None:
        """What each node says."""
        nodes = await self._nodes()
        if not nodes:
            return
        # The provider knows nothing about a node it did not create: neither console nor logs.
        shared = self._trial.system.places_nodes and traits(self._trial.provider, ProviderTraits).shares_host_logs
        shell = [part for part in COMMANDS if part != "journal" or not shared]
        console = ["console"] if self._console is not None else []
        self._parts = ("power", *console, *shell, "service")
        self._missing = {node.name: dict.fromkeys(self._parts, "not asked for") for node in nodes}
        async with asyncio.TaskGroup() as group:
            # A system with all its logs in one place is asked once.
            logs = group.create_task(self._all_logs(nodes))
            for node in nodes:
                group.create_task(self._node(node, shell, logs))

    async def _nodes(self) -> list[Node]:
        trial, ctx = self._trial, self._ctx
        nodes: list[Node] = []
        async with within(PART, lambda why: ctx.log(f"the system cannot list its nodes: {why}", "warning")):
            nodes = list(await ctx.nodes())
        known = {node.name for node in nodes}
        for entry in trial.run.ledger.out(trial.id):
            resource = entry.resource
            if resource.kind == "node" and resource.owner == f"provider:{trial.suite.provider}":
                name = str(resource.detail.get("node") or resource.name)
                if name not in known:
                    # Created only in part: the provider's plan is all there is.
                    nodes.append(Node(name=name, detail={"resource": resource.name, **resource.detail}))
        return nodes

    async def _node(self, node: Node, shell: list[str], logs: asyncio.Task[Mapping[str, str]]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._part(node, "power", lambda: self._power(node)))
            group.create_task(self._part(node, "service", lambda: self._service(node, logs)))
            if (provider := self._console) is not None:
                group.create_task(self._part(node, "console", lambda: provider.console(node)))
            group.create_task(self._shell(node, shell))

    async def _shell(self, node: Node, parts: list[str]) -> None:
        """All answers of its shell; a node that does not answer is asked nothing more."""
        refused: list[str] = []
        async with within(ANSWER, refused.append, f"the node did not answer within {ANSWER:g} s"):
            if provider_knows(self._ctx, node) and await self._is_off(node):
                raise CannotTell("the node is not running")
            await self._ctx.link(node).run(["true"], timeout=ANSWER)
        if refused:
            self._missing[node.name].update(dict.fromkeys(parts, refused[0]))
            return

        async def ask(part: str) -> None:
            await self._part(node, part, lambda: self._asked(node, COMMANDS[part]))

        await map_concurrently(ask, parts, most=ABREAST)

    async def _is_off(self, node: Node) -> bool:
        """Whether the node is known to be off; if the provider does not know, the node is asked."""
        try:
            return await self._trial.provider.state(node) in OFF
        except asyncio.CancelledError:
            raise
        except BaseException:
            return False

    async def _asked(self, node: Node, script: str) -> str:
        done = await self._ctx.link(node).run(["sh", "-c", _HEAD + script], timeout=PART)
        return done.stdout + done.stderr + ("" if done.ok else f"\n({done.ended})\n")

    async def _power(self, node: Node) -> str:
        """The provider's view of the node; the system's view if the provider does not know it."""
        provider = self._trial.provider
        if not provider_knows(self._ctx, node):
            health = (await health_of(self._ctx, [node])).get(node.name)
            return f"state: {health.power.value if health is not None else 'not told'}\n"
        lines = [f"state: {await provider.state(node)}"]
        if isinstance(provider, ExplainsPower):
            lines.append(f"reason: {await _or_why(provider.power_reason(node))}")
        lines.append(f"boot id: {await _or_why(provider.boot_id(node))}")
        return "".join(f"{line}\n" for line in lines)

    async def _service(self, node: Node, logs: asyncio.Task[Mapping[str, str]]) -> str:
        system = self._trial.system
        own = system.service_log(self._ctx, node) if isinstance(system, KeepsLogs) else None
        text = await own if own is not None else (await logs).get(node.name)
        if text is None:
            raise CannotTell(f"the system {self._trial.suite.system.kind} keeps no log of it")
        if text.startswith("no log: "):
            raise CannotTell(text.removeprefix("no log: "))
        self._ctx.output(f"{node.name}.log", text)
        return text

    async def _all_logs(self, nodes: list[Node]) -> Mapping[str, str]:
        system = self._trial.system
        if isinstance(system, KeepsLogs) or not isinstance(system, ShowsEvidence):
            return {}
        logs: dict[str, str] = {}
        async with within(PART, lambda why: logs.update({node.name: f"no log: {why}" for node in nodes})):
            logs.update(await system.evidence(self._ctx))
        return logs

    async def _part(self, node: Node, part: str, ask: Callable[[], Awaitable[str]]) -> None:
        missing = self._missing[node.name]
        missing[part] = "the time was up before the answer came"
        async with within(PART, lambda why: missing.update({part: why})):
            self._write(node.name, part, await ask() or "(nothing)\n")
            del missing[part]

    def _write(self, node: str, name: str, text: str) -> None:
        # Masked before the cut: half a secret would not be recognised.
        text = tail(self._trial.run.journal.masked(text), MOST)
        folder = self._folder / _file_name(node)
        file = folder / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", errors="backslashreplace")

    @property
    def _console(self) -> KeepsConsole | None:
        provider = self._trial.provider
        places = self._trial.system.places_nodes
        return provider if places and isinstance(provider, KeepsConsole) else None

    def cut(self, why: str) -> None:
        """Time is up: give this reason for every part still missing."""
        for missing in self._missing.values():
            for part, before in missing.items():
                if before in ("not asked for", "the time was up before the answer came"):
                    missing[part] = why

    def tell(self, duration: float) -> None:
        """Report the folder and the missing parts."""
        if not (self._missing or self._files or self._shown):
            return
        missing = {node: dict(sorted(reasons.items())) for node, reasons in self._missing.items() if reasons}
        for node, reasons in missing.items():
            try:
                self._write(node, "missing", "".join(f"{part}: {why}\n" for part, why in reasons.items()))
            except OSError as error:
                self._ctx.log(f"diagnostics of {node} cannot be written: {error.strerror}", "warning")
        self._trial.emit(
            "diagnostics",
            folder=str(self._folder.relative_to(self._trial.folder)),
            path=str(self._folder),
            nodes={node: sorted({*self._parts} - reasons.keys()) for node, reasons in self._missing.items()},
            missing=missing,
            system=self._files,
            resources=self._shown,
            duration=duration,
        )


def _file_name(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in text).strip(".")


async def _or_why(answer: Awaitable[str]) -> str:
    lines: list[str] = []
    async with within(PART, lambda why: lines.append(f"not known: {why}")):
        lines.append(await answer or "not known")
    return lines[0]
