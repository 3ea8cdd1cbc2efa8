"""How soon it is noticed that something is ready, and what a look at ten nodes costs beside a look at one."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.machines.command import run
from benchmarks.machines.told import Told, median
from benchmarks.measure import RunFailed

from seatrial.engine.poll import poll
from seatrial.errors import LinkDown, LinkLost
from seatrial.links.ssh import SSHLink
from seatrial.model.resource import Node
from seatrial.testing import context, flow

IMAGE = "localhost/seatrial-node"
NOTICED = 0.1
TIMES_ONE = 2.0
LOOKS = 30
"""Looks at one node, and at ten."""

LISTENS = """\
import socket, sys, threading, time
time.sleep(1.37)
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
open(sys.argv[3], "w").write(repr(time.time()))
while True:
    server.accept()[0].close()
"""
ACCEPTS = "import socket\ns = socket.create_server(('', 9000))\nwhile True: s.accept()[0].close()"


def ready(scratch: Path, turns: int) -> Told:
    """An SSH server that begins to listen while it is waited for, as a wait for a machine waits for it."""
    late = [asyncio.run(_noticed(scratch)) for _ in range(max(turns, 1) * 4)]
    return Told(
        name="an SSH server begins to answer while it is waited for",
        what="the slowest notice, without the login itself",
        number=max(late) * 1000,
        limit=NOTICED * 1000,
        unit="ms",
        rows={"noticed after": late},
    )


async def _noticed(scratch: Path) -> float:
    """Seconds from the moment at which the server listens until a command has run on it, less what the same costs on
    a server that is there."""
    import asyncssh

    folder = Path(tempfile.mkdtemp(dir=scratch))
    host, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    user.write_private_key(str(folder / "key"))
    (folder / "authorized").write_bytes(user.export_public_key())

    async def session(process: Any) -> None:
        process.exit(0)

    async def listen(port: int) -> Any:
        return await asyncssh.listen(
            "127.0.0.1", port, server_host_keys=[host], authorized_client_keys=str(folder / "authorized"),
            process_factory=session,
        )  # fmt: skip

    first = await listen(0)
    port = first.get_port()
    door = {"host": "127.0.0.1", "port": port, "key": str(folder / "key")}
    link = SSHLink(Node(name="n11", ssh={**door, "known_host": host.export_public_key().decode()}))

    async def look() -> bool | None:
        try:
            return (await link.run(["true"])).ok or None
        except (LinkDown, LinkLost):
            return None

    costs = []
    for _ in range(3):
        begun = time.perf_counter()
        await look()
        costs.append(time.perf_counter() - begun)
        await link.close()
    first.close()
    await first.wait_closed()
    waiting = asyncio.ensure_future(poll(look, deadline=20, what="the server", chance=random.Random()))
    await asyncio.sleep(0.5 + random.random() * 0.5)
    server = await listen(port)
    began = time.perf_counter()
    await waiting
    seconds = time.perf_counter() - began
    await link.close()
    server.close()
    return seconds - median(costs)


def service_ready(scratch: Path, turns: int) -> Told:
    """A service of three nodes that begins to listen while `deploy` waits for it: the real command."""
    late = []
    for _ in range(turns):
        folder = Path(tempfile.mkdtemp(dir=scratch))
        moments = str(folder / "listens-${{ node.name }}")
        command = ["python3", "-c", LISTENS, "${{ node.address }}", "${{ node.ports.door }}", moments]
        system = {
            "kind": "processes",
            "ports": {"door": 0},
            "service": {"command": command},
            "health": {"tcp": "door"},
        }
        workflow = [{"step": "init"}, {"step": "deploy"}]
        suite = {"provider": "local", "parameters": {"cluster_size": 3}, "workflow": workflow}
        done = run(scratch, {"system": system, "test_suites": {"three": suite}}, {})
        last = max(float(file.read_text()) for file in folder.glob("listens-*"))
        late.append(done.begun + done.finished("deploy") - last)
    return Told(
        name="three services begin to answer while `deploy` waits for them",
        what="the slowest end of deploy after the last one's beginning",
        number=max(late) * 1000,
        limit=NOTICED * 1000,
        unit="ms",
        rows={"deploy ended after": late},
    )


def health(scratch: Path, engine: str) -> Told:
    """Ten containers whose links are open: one node's health, all nodes' health; and a bare command on one, on all."""
    return asyncio.run(_health(scratch, engine))


async def _health(scratch: Path, engine: str) -> Told:
    from seatrial.systems.processes import Processes
    from seatrial.systems.processes.settings import ProcessSettings, ServiceSettings
    from seatrial.systems.settings import Probe

    async with _containers(scratch, engine) as ctx:
        service = ServiceSettings(command=("python3", "-c", ACCEPTS))
        system = Processes(ProcessSettings(nodes=10, service=service, health=Probe(tcp=9000)), scratch)
        await system.deploy(ctx)
        nodes = await system.nodes(ctx)

        async def look(count: int) -> None:
            found = await system.health(ctx, nodes[:count])
            if bad := [name for name, one in found.items() if not one.parts["ssh"].ok]:
                raise RunFailed(f"not healthy: {bad}")

        async def command(count: int) -> None:
            await asyncio.gather(*(ctx.link(node).run(["true"]) for node in nodes[:count]))

        await look(10)
        one, ten = await _in_turns(look)
        one_bare, ten_bare = await _in_turns(command)
        mine, theirs = time.process_time(), _spent()
        for _ in range(LOOKS):
            await command(10)
        mine, theirs = time.process_time() - mine, _spent() - theirs
    each = LOOKS * 10
    cores = os.cpu_count() or 1
    floor = (mine + theirs) / each * 10 / cores
    return Told(
        name="health of ten nodes over open links (containers on this host)",
        what="ten nodes / one node",
        number=median(ten) / median(one),
        limit=TIMES_ONE,
        unit="×",
        rows={
            "one node's health (power, SSH, service)": one,
            "ten nodes' health": ten,
            "`true` over one open link": one_bare,
            "`true` over ten open links": ten_bare,
        },
        notes=(
            f"`true` takes {theirs / each * 1000:.1f} ms of CPU on the node and {mine / each * 1000:.1f} ms here; the "
            f"ten nodes share {cores} cores with us, so ten at once cannot take less than {floor * 1000:.1f} ms: "
            f"{floor / median(one_bare):.1f} times one.",
            f"On nodes with processors of their own what is done here decides: {mine / each * 10000:.1f} ms for ten.",
        ),
    )


@asynccontextmanager
async def _containers(scratch: Path, engine: str):
    folder = Path(tempfile.mkdtemp(dir=scratch))
    settings = {"containers": {"image": IMAGE, "engine": engine}}
    async with context(folder, flow(provider="containers"), providers=settings) as ctx:
        yield ctx


async def _in_turns(look: Callable[[int], Awaitable[None]]) -> tuple[list[float], list[float]]:
    costs: dict[int, list[float]] = {1: [], 10: []}
    for _ in range(LOOKS):
        for count, spent in costs.items():
            begun = time.perf_counter()
            await look(count)
            spent.append(time.perf_counter() - begun)
    return costs[1], costs[10]


def _spent() -> float:
    """Seconds of CPU that all processes of nodes have taken so far, with those that have ended."""
    stats = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "stat").read_text().rpartition(")")[2].split()
            stats[int(entry.name)] = (int(words[1]), sum(map(int, words[11:15])), (entry / "cmdline").read_bytes())
        except OSError:
            continue
    inside = {pid for pid, (_, _, command) in stats.items() if b"/seatrial/init" in command}
    while more := {pid for pid, (parent, _, _) in stats.items() if parent in inside} - inside:
        inside |= more
    return sum(stats[pid][1] for pid in inside) / os.sysconf("SC_CLK_TCK")
