"""The local provider: nodes are machines made of real processes on loopback; it needs no root."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Literal

from seatrial.errors import CannotTell, LinkDown, LinkLost, ToolMissing
from seatrial.links.output import end
from seatrial.links.paths import write_whole
from seatrial.model.cluster import PowerState
from seatrial.model.frozen import frozen
from seatrial.model.resource import Node, NodeSpec, Resource, Service
from seatrial.providers.local import tree
from seatrial.registry import provider
from seatrial.spi import Context, Link, Powers, Readiness

_LOOK_EVERY = 0.01
_TAIL = 64 * 1024


@frozen
class LocalSettings:
    """How nodes on this machine are kept apart."""

    confinement: Literal["auto", "plain"] = "auto"
    """`auto`: namespaces of the kernel where they are to be had; `plain`: process groups and tags only."""


@provider("local")
class Local:
    """Each node is a supervised process tree with its own folder, loopback address, SSH server and services."""

    on_this_host = True
    """Its nodes hold leases of this host, so `clean` finds them by their leases."""
    shares_files = True
    """Its nodes see the files of this machine: a service is started where it lies."""
    shares_host_logs = True
    """The journal of its nodes would be this host's own."""
    powers = frozenset(Powers) - {Powers.SNAPSHOT, Powers.DISCONNECT, Powers.HEAL}
    parameter_names = ()
    why_missing: Mapping[Powers, str] = {
        Powers.HEAL: "nothing ends a fault on its nodes if Seatrial dies",
    }
    deadlines: Mapping[str, float] = {"deploy": 60.0, "start": 30.0, "stop": 60.0, "restart": 60.0, "destroy": 30.0}

    Settings: ClassVar[type[Any]] = LocalSettings

    def __init__(self, settings: LocalSettings) -> None:
        self._plain = settings.confinement == "plain"

    # Creating and removing

    def foresee(self, spec: NodeSpec, ctx: Context) -> Mapping[str, object]:
        """The node's folder, the tag of its processes, and where its logs are kept."""
        return {
            "folder": str(ctx.state / "nodes" / spec.name),
            "tag": f"{ctx.trial_id}/{spec.name}",
            "logs": str(ctx.artifacts / "nodes" / spec.name),
        }

    async def create(self, spec: NodeSpec, ctx: Context) -> Node:
        """Make a node and return when it is on and its SSH server listens."""
        from seatrial.links.ssh.keys import trial_key
        from seatrial.providers.local.creation import prepare, user

        detail = self.foresee(spec, ctx)
        address = await ctx.lease_address()
        port = await ctx.lease_port(address)
        ports = {name: number or await ctx.lease_port(address) for name, number in spec.ports.items()}
        key = trial_key(ctx.state / "local")
        known_host = prepare(detail, spec.name, address, port, key, ctx.environment())
        ssh = {"host": address, "port": port, "user": user(), "key": str(key), "known_host": known_host}
        folder = f"{detail['folder']}/data"
        node = Node(name=spec.name, address=address, ports=ports, ssh=ssh, folder=folder, detail=detail)
        await self.start(node)
        return node

    async def destroy(self, resource: Resource) -> None:
        """End every process of the node and remove its folder; its logs stay among the artifacts."""
        folder = _kill(resource.detail)
        # Only a folder marked as this node's own is removed.
        with suppress(FileNotFoundError, NotADirectoryError):
            if json.loads((folder / "machine.json").read_text())["env"]["SEATRIAL_NODE"] == resource.detail["tag"]:
                shutil.rmtree(folder)

    async def find(self, run: str) -> Sequence[Resource]:
        """The nodes named by this run's processes on this host; the node of a killed `readiness` belongs to no run."""
        nodes: dict[str, tree.Tagged] = {}
        for process in tree.find_tagged(run):
            if process.folder and not tree.is_tried(process.node):
                nodes.setdefault(process.node, process)
        return [_resource(process) for process in nodes.values()]

    @classmethod
    async def readiness(cls, settings: LocalSettings) -> Readiness:
        """Whether a node can be made here, by a trial that is removed again."""
        from seatrial.providers.local.probe import try_one

        return await try_one(cls(settings))

    # Looking

    def link(self, node: Node) -> Link:
        from seatrial.links.ssh import SSHLink

        return SSHLink(node)

    async def state(self, node: Node) -> PowerState:
        """By the box: running or paused while it lives, stopped otherwise."""
        state = tree.read_state(_folder(node))
        if tree.box(state) is None:
            return PowerState.STOPPED
        if tree.paused(state):
            return PowerState.PAUSED
        return PowerState.RUNNING if state["power"] == "on" else PowerState.STOPPED

    async def power_reason(self, node: Node) -> str:
        """The reason as the box wrote it: running, shutdown, poweroff, cut, …; a killed box could not write."""
        state = tree.read_state(_folder(node))
        if state.get("power") == "on" and tree.box(state) is None:
            return "the box was killed"
        return str(state.get("reason") or "")

    async def boot_id(self, node: Node) -> str:
        """A random id, new at each boot of the box."""
        state = tree.read_state(_folder(node))
        if not state.get("boot_id"):
            raise CannotTell(f"the node {node.name} has never been switched on")
        return str(state["boot_id"])

    async def console(self, node: Node) -> str:
        """The output of the box and the guest."""
        return _tail(Path(str(node.detail["logs"])) / "console.log")

    # Power

    async def start(self, node: Node) -> None:
        """Power it on and wait until SSH listens; a running one stays as it is."""
        from seatrial.providers.local.creation import switch_on

        if tree.box(tree.read_state(_folder(node))) is not None:
            return
        pid = switch_on(_kill(node.detail), plain=self._plain)  # it may have left something behind when it was killed
        await _until(lambda: _is_up(node, pid), self.deadlines["start"], f"the node {node.name} to boot")

    async def stop(self, node: Node) -> None:
        """Press the power button and wait until it is off; a frozen node is let go on first."""
        state = tree.read_state(_folder(node))
        box = tree.box(state)
        if box is None:
            return
        if tree.paused(state):
            await self.resume(node)
        tree.send(box, signal.SIGTERM)
        await self._until_off(node)

    async def crash(self, node: Node) -> None:
        """SIGKILL of the whole tree, with no warning."""
        _kill(node.detail)

    async def guest_stop(self, node: Node) -> None:
        """`poweroff` inside the node."""
        await self._tell(node, "poweroff")
        await self._until_off(node)

    async def guest_reboot(self, node: Node) -> None:
        await self._tell(node, "reboot")

    async def guest_crash(self, node: Node) -> str:
        """SysRq `b`, obeyed by the node's own init alone; else `poweroff -f`."""
        if await self._tell(node, "echo b > /proc/sysrq-trigger"):
            return "rebooting"
        await self._tell(node, "poweroff -f")
        await self._until_off(node)
        return "off"

    async def pause(self, node: Node) -> None:
        tree.pause(tree.read_state(_folder(node)), str(node.detail["tag"]))

    async def resume(self, node: Node) -> None:
        tree.resume(tree.read_state(_folder(node)), str(node.detail["tag"]))

    # Services

    async def install_service(self, node: Node, service: Service) -> None:
        """Write it down for every boot from the next on."""
        folder = _folder(node)
        if service.folder:
            Path(service.folder).mkdir(parents=True, exist_ok=True)
        definition = {
            "argv": list(service.argv),
            "env": dict(service.env),
            "cwd": service.folder,
            "stop_signal": service.stop_signal,
            "stop_timeout": service.stop_timeout,
            "log": str(_log(node, service.name)),
        }
        write_whole(folder / "services" / f"{service.name}.json", json.dumps(definition))

    async def start_service(self, node: Node, name: str) -> None:
        """Have the node's init start it; ToolMissing when its program is missing."""
        if error := await self._ask(node, "start", name):
            kind = ToolMissing if "No such file" in error else CannotTell
            raise kind(f"the service {name} of {node.name} cannot be started: {error}")

    async def stop_service(self, node: Node, name: str) -> None:
        """Have the node's init stop it."""
        if error := await self._ask(node, "stop", name):
            raise CannotTell(f"the service {name} of {node.name} cannot be stopped: {error}")

    async def service_log(self, node: Node, name: str) -> str:
        """The end of its log; the whole log is among the artifacts."""
        return _tail(_log(node, name))

    async def _ask(self, node: Node, *words: str) -> str:
        """The error of the node's init; empty if it did as requested."""
        from seatrial.providers.local import guest

        try:
            answer = await guest.ask(_folder(node), *words)
        except OSError as error:
            raise LinkDown(f"the init of {node.name} does not answer: {error}") from error
        return str(answer["error"]).strip() if answer["code"] else ""

    async def _tell(self, node: Node, command: str) -> bool:
        """Run a power command, even if it takes the connection with it; whether it was obeyed."""
        link = self.link(node)
        try:
            return (await link.run(command, timeout=self.deadlines["stop"])).ok
        except LinkLost:
            return True
        finally:
            await link.close()

    async def _until_off(self, node: Node) -> None:
        folder = _folder(node)

        def off() -> bool:
            return tree.box(tree.read_state(folder)) is None

        await _until(off, self.deadlines["stop"], f"the node {node.name} to be off")
        _reap(tree.read_state(folder).get("machine_pid"))


def _folder(node: Node) -> Path:
    return Path(str(node.detail["folder"]))


def _log(node: Node, service: str) -> Path:
    return Path(str(node.detail["logs"])) / f"{service}.log"


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            return file.read().decode(errors="backslashreplace")
    except FileNotFoundError:
        return ""


def _resource(process: tree.Tagged) -> Resource:
    trial, _, node = process.node.rpartition("/")
    detail = {"node": node, "tag": process.node, "folder": process.folder}
    name = f"{trial}-{node}"
    return Resource(kind="node", name=name, owner="provider:local", run=process.run, trial=trial, detail=detail)


def _is_up(node: Node, pid: int) -> bool:
    """Whether the box just started has booted; CannotTell if it ended instead."""
    folder = _folder(node)
    state = tree.read_state(folder)
    if tree.started(pid) is None:
        _reap(pid)
        said = state.get("error") if state.get("machine_pid") == pid else ""
        wrote = _tail(folder / "box.log") + _tail(Path(str(node.detail["logs"])) / "console.log")
        why = said or wrote.strip().rpartition("\n")[2] or "it said nothing"
        raise CannotTell(f"the node {node.name} could not be switched on: {why}", evidence=end(wrote, 4000))
    if state.get("machine_pid") != pid or state["reason"] != "running":
        return False
    ready = folder / "run/ready"
    return ready.exists() and ready.read_text() == state["boot_id"]


async def _until(look: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll until it is so; CannotTell after the deadline, because then our machine is slow, not the product."""
    try:
        async with asyncio.timeout(seconds):
            while not look():
                await asyncio.sleep(_LOOK_EVERY)
    except TimeoutError:
        raise CannotTell(f"waited {seconds:g} s for {what}") from None


def _kill(detail: Mapping[str, object]) -> Path:
    """End every process of a node, those left by a killed box too; its folder."""
    folder = Path(str(detail["folder"] or os.devnull))
    state = tree.read_state(folder)
    tree.kill_tree(state, str(detail["tag"]))
    _reap(state.get("machine_pid"))
    return folder


def _reap(pid: object) -> None:
    """Collect the exit status of a box that was our child, so that no zombie stays."""
    if isinstance(pid, int):
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
