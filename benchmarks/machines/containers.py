"""Three containers from nothing to SSH on all, by Seatrial's command and by the engine's own."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from pathlib import Path

from benchmarks.machines import keys
from benchmarks.machines.command import run, three_nodes
from benchmarks.machines.told import Told, median

from seatrial.links.containers import Engine
from seatrial.links.containers.engines import find

IMAGE = "localhost/seatrial-node"
LIMIT = 0.7
"""Seconds that Seatrial may take longer than the hand."""

OPTIONS = "-h /keys/host -o AuthorizedKeysFile=/keys/key.pub -o StrictModes=no"
START = f"mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e {OPTIONS}"


def measure(scratch: Path, turns: int, engine_name: str) -> Told:
    """Take turns; the first is not counted."""
    os.environ["SEATRIAL_CACHE_DIR"] = str(scratch / "cache")
    engine = asyncio.run(find(engine_name, image=IMAGE))
    seatrial, until_made, hand, start_up = [], [], [], []
    for turn in range(turns + 1):
        done = run(scratch, three_nodes("containers"), {"containers": {"image": IMAGE, "engine": engine_name}})
        by_hand = asyncio.run(_by_hand(engine, scratch))
        if turn:
            seatrial.append(done.finished("validate"))
            until_made.append(done.finished("deploy"))
            start_up.append(done.finished("init"))
            hand.append(by_hand)
    more = median(seatrial) - median(hand)
    return Told(
        name=f"three containers from nothing to SSH on all ({engine.name})",
        what="Seatrial - by hand",
        number=more,
        limit=LIMIT,
        unit="s",
        rows={
            "Seatrial, from the start of its process": seatrial,
            "  of that until the run begins": start_up,
            "  of that until deploy has ended": until_made,
            f"by hand ({engine.name}, three at a time, ssh)": hand,
        },
    )


async def _by_hand(engine: Engine, scratch: Path) -> float:
    """Network, three containers at the same time, a login on each: seconds. The keys are there before."""
    folder = scratch / "by-hand"
    folder.mkdir(exist_ok=True)
    key, host_key = keys.make(folder, "key"), keys.make(folder, "host")
    mark, env = f"by-hand-{secrets.token_hex(4)}", engine.environment()
    third = secrets.randbelow(250)
    addresses = [f"10.207.{third}.{place}" for place in (11, 12, 13)]
    names = [f"{mark}-{place}" for place in (11, 12, 13)]

    async def node(name: str, address: str) -> float:
        where = ("--network", mark, "--ip", address, "--volume", f"{folder}:/keys:ro")
        await keys.call(
            engine.program, "run", "-d", "--pull=never", "--name", name, *where, IMAGE, "sh", "-c", START, env=env
        )
        return await keys.logged_in(address, key, host_key, within=60)

    try:
        begun = time.perf_counter()
        await keys.call(engine.program, "network", "create", "--subnet", f"10.207.{third}.0/24", mark, env=env)
        ends = await asyncio.gather(*map(node, names, addresses))
        return max(ends) - begun
    finally:
        time_out = ["--time", "0"] if engine.podman else []
        for argv in (["rm", "--force", *time_out, *names], ["network", "rm", mark]):
            await keys.attempt(engine.program, *argv, env=env)
