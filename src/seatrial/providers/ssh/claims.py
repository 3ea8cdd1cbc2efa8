"""Claims on machines: making, removing and reading them."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.errors import CannotTell, LeftBehind, LinkDown, LinkLost, LinkRefused
from seatrial.links.ssh import SSHLink
from seatrial.model.resource import Node, Resource
from seatrial.providers.ssh import scripts
from seatrial.spi import Context
from seatrial.spi.concurrency import finish_despite_cancel

SECONDS = 30.0
"""For one script on a machine."""

BACK = 30.0
"""Seconds for a claimed machine to return from a reboot before it is left as it is."""

_ID = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A machine that is ours: its folder of Seatrial, and the ports that are listened on."""

    base: str
    listening: frozenset[int]


@dataclass(frozen=True, slots=True)
class Held:
    """A machine that is another's."""

    by: str


async def claim(link: SSHLink, machine: Node, node: str, ctx: Context) -> Claimed | Held:
    """Claim a machine. When it is cancelled it first waits for the script there, so that nothing is claimed later."""
    labels = ctx.labels()
    told = {key.removeprefix("seatrial."): value for key, value in labels.items()}
    told |= {"node": node, "from": os.uname().nodename}
    script = scripts.claim(machine.folder, ctx.trial_id, node, json.dumps(told))
    done = await finish_despite_cancel(link.run(script, timeout=SECONDS), SECONDS)
    first, _, rest = done.stdout.partition("\n")
    if done.ok and first.startswith("claimed "):
        ports = re.findall(r":([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A ", rest)
        return Claimed(first.removeprefix("claimed "), frozenset(int(port, 16) for port in ports))
    if done.ok and first == "held":
        return Held(_holder(rest))
    raise CannotTell(f"{link} could not be claimed: {done.stderr.strip() or done.stdout.strip()}; the user needs a "
                     "folder that it may write to (`folder`), or `become`")  # fmt: skip


def _holder(text: str) -> str:
    told = _told(text)
    if told is None:
        return f"somebody whose claim cannot be read: {text.strip()[:200]!r}"
    return (
        f"run {told.get('run')} of {told.get('project')} on {told.get('from')} until {told.get('expires')}; when that "
        "run is gone, `seatrial clean` there gives it back"
    )


async def released(machines: list[Node], trial: str, node: str, *, claimed: bool) -> None:
    """Give back what this trial has on these machines.

    `claimed`: it was about to claim them, so LeftBehind while one is silent or does not let us in. Else they are those
    that it might have claimed, and where nobody answers there is nothing to say: such a claim has a record of its own.
    """
    told = await asyncio.gather(*(_release(machine, trial, node, claimed) for machine in machines))
    if any(told):
        raise LeftBehind("; ".join(filter(None, told)))


async def _release(machine: Node, trial: str, node: str, claimed: bool) -> str:
    """Why it is not given back; empty when it is, or never was ours."""
    link, clock = SSHLink(machine), asyncio.get_running_loop().time
    end = clock() + (BACK if claimed else 0.0)
    try:
        while True:
            try:
                done = await link.run(scripts.release(machine.folder, trial, node), timeout=SECONDS)
                return "" if done.ok else f"{link}: {done.stderr.strip() or done.stdout.strip()}"
            except (LinkDown, LinkLost) as error:  # it may be booting
                if clock() >= end:
                    raise CannotTell(f"{error}; power it on, then `seatrial clean`") from error
                await asyncio.sleep(0.1)
    except (CannotTell, TimeoutError) as error:
        return f"{trial} may still claim {machine.name}: {error}" if claimed else ""
    finally:
        await link.close()


async def standing(machine: Node, run: str) -> Resource | None:
    """The claim of this run (`*`: of any) on a machine; None also where nobody answers, or we are not let in."""
    link = SSHLink(machine)
    try:
        done = await link.run(scripts.listing(machine.folder), timeout=SECONDS)
    except (LinkDown, LinkRefused):
        return None
    finally:
        await link.close()
    if not done.ok:
        raise CannotTell(f"{link}: its claim cannot be read: {done.stderr.strip()}")
    told = _told(done.stdout)
    if told is None or run not in ("*", told["run"]):
        return None
    trial, node = told["trial"], told["node"]
    detail = {"node": node, "machines": [ways(machine)], "claimed": True}
    detail |= {"project": told.get("project"), "expires": told.get("expires")}
    return Resource(
        kind="node",
        name=f"{trial}-{node}",
        owner="provider:ssh",
        run=told["run"],
        trial=trial,
        detail=detail,
        outlives_host=True,
    )


def _told(text: str) -> Mapping[str, Any] | None:
    """The JSON of a claim; None when there is none of ours."""
    lines = text.splitlines()
    try:
        told = json.loads(lines[1])
        good = all(_ID.fullmatch(told[key]) for key in ("run", "trial"))
        return told if good and lines[0] == f"{told['trial']} {told['node']}" else None
    except (ValueError, IndexError, KeyError, TypeError):
        return None


def ways(machine: Node) -> dict[str, object]:
    """A machine for the ledger: all that is needed to go there again."""
    return {"name": machine.name, "ssh": dict(machine.ssh), "folder": machine.folder}


def machine_of(ways: Mapping[str, Any]) -> Node:
    """A machine from the ledger."""
    return Node(name=str(ways["name"]), ssh=dict(ways["ssh"]), folder=str(ways.get("folder") or ""))
