"""Claims on machines: making, removing and reading them.

A claim is one file in Seatrial's folder on the machine. A hard link creates it: of two control machines one is first,
and the file is complete from its first moment on. Its first line names trial and node, its second is JSON for others.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.errors import CannotTell, LeftBehind, LinkDown, LinkLost, LinkRefused, ToolMissing
from seatrial.links.ssh import SSHLink, ending
from seatrial.model.resource import Node, Resource
from seatrial.spi import Context
from seatrial.spi.concurrency import finish_despite_cancel

SECONDS = 30.0
"""Seconds for one script on a machine."""

BACK = 30.0
"""Seconds for a claimed machine to return from a reboot before it is left as it is."""

_BASE = """[ -n "$base" ] || { if [ "$(id -u)" = 0 ]; then base=/var/lib/seatrial; else base=$HOME/.seatrial; fi; }
"""
_ID = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A machine claimed by this trial: its folder of Seatrial, and its ports with a listener."""

    base: str
    listening: frozenset[int]


@dataclass(frozen=True, slots=True)
class Held:
    """A machine claimed by another trial."""

    by: str


async def claim(link: SSHLink, machine: Node, node: str, ctx: Context) -> Claimed | Held:
    """Claim a machine. If cancelled, it first waits for the script there, so no claim appears later."""
    record = {key.removeprefix("seatrial."): value for key, value in ctx.labels().items()}
    record |= {"node": node, "from": os.uname().nodename}
    script = _claim_script(machine.folder, ctx.trial_id, node, json.dumps(record))
    done = await finish_despite_cancel(link.run(script, timeout=SECONDS), SECONDS)
    first, _, rest = done.stdout.partition("\n")
    if done.ok and first.startswith("claimed "):
        ports = re.findall(r":([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A ", rest)
        return Claimed(first.removeprefix("claimed "), frozenset(int(port, 16) for port in ports))
    if done.ok and first == "held":
        return Held(_holder(rest))
    raise CannotTell(
        f"{link} could not be claimed: {done.stderr.strip() or done.stdout.strip()}; the user needs a writable folder "
        "(`folder`), or `become`"
    )


def _holder(text: str) -> str:
    record = _record(text)
    if record is None:
        return f"somebody whose claim cannot be read: {text.strip()[:200]!r}"
    return (
        f"run {record.get('run')} of {record.get('project')} on {record.get('from')} until {record.get('expires')}; "
        "when that run is gone, `seatrial clean` there releases it"
    )


async def released(machines: list[Node], trial: str, node: str, *, claimed: bool) -> None:
    """Remove the trial's claims, folders and processes on these machines.

    `claimed`: it was about to claim them, so LeftBehind while one is silent or does not let us in. Otherwise they are
    candidates, and a silent one is not an error: a claim there has a record of its own.
    """
    reasons = await asyncio.gather(*(_release(machine, trial, node, claimed) for machine in machines))
    if any(reasons):
        raise LeftBehind("; ".join(filter(None, reasons)))


async def _release(machine: Node, trial: str, node: str, claimed: bool) -> str:
    """Why it is not released; empty when it is, or another trial holds it."""
    link, clock = SSHLink(machine), asyncio.get_running_loop().time
    end = clock() + (BACK if claimed else 0.0)
    try:
        while True:
            try:
                await _end_as_root(link, machine, trial, node)
                done = await link.run(_release_script(machine.folder, trial, node), timeout=SECONDS)
                said = done.stderr.strip() or done.stdout.strip()
                return "" if done.ok else f"{link}: the program that releases it {done.ended}: {said}"
            except (LinkDown, LinkLost) as error:  # it may be booting
                if clock() >= end:
                    raise CannotTell(f"{error}; power it on, then `seatrial clean`") from error
                await asyncio.sleep(0.1)
    except (CannotTell, TimeoutError) as error:
        return f"{trial} may still claim {machine.name}: {error}" if claimed else ""
    finally:
        await link.close()


async def _end_as_root(link: SSHLink, machine: Node, trial: str, node: str) -> None:
    """End what the trial's commands started by `sudo`: the user neither sees nor may end all of it. Not every user may
    become root."""
    if machine.ssh.get("user", "root") == "root" or machine.ssh.get("become") is True:
        return
    held = await link.run(_held_script(machine.folder, trial, node), timeout=SECONDS)
    if held.ok:
        with contextlib.suppress(LinkRefused, ToolMissing):
            await link.sudo(ending.of_trial(trial), timeout=SECONDS)


async def standing(machine: Node, run: str) -> Resource | None:
    """The claim of this run (`*`: of any) on a machine; None also where nobody answers, or we are not let in."""
    link = SSHLink(machine)
    try:
        done = await link.run(_listing_script(machine.folder), timeout=SECONDS)
    except (LinkDown, LinkRefused):
        return None
    finally:
        await link.close()
    if not done.ok:
        raise CannotTell(f"{link}: its claim cannot be read: {done.stderr.strip()}")
    record = _record(done.stdout)
    if record is None or run not in ("*", record["run"]):
        return None
    trial, node = record["trial"], record["node"]
    detail = {"node": node, "machines": [ways(machine)], "claimed": True}
    detail |= {"project": record.get("project"), "expires": record.get("expires")}
    return Resource(
        kind="node", name=f"{trial}-{node}", owner="provider:ssh", run=record["run"], trial=trial, detail=detail,
        outlives_host=True,
    )  # fmt: skip


def _record(text: str) -> Mapping[str, Any] | None:
    """The JSON of a claim; None when it is not one of Seatrial's."""
    lines = text.splitlines()
    try:
        record = json.loads(lines[1])
        valid = all(_ID.fullmatch(record[key]) for key in ("run", "trial"))
        return record if valid and lines[0] == f"{record['trial']} {record['node']}" else None
    except (ValueError, IndexError, KeyError, TypeError):
        return None


def ways(machine: Node) -> dict[str, object]:
    """A machine for the ledger: enough to reach it again."""
    return {"name": machine.name, "ssh": dict(machine.ssh), "folder": machine.folder}


def machine_of(ways: Mapping[str, Any]) -> Node:
    """A machine from the ledger."""
    return Node(name=str(ways["name"]), ssh=dict(ways["ssh"]), folder=str(ways.get("folder") or ""))


def _claim_script(base: str, trial: str, node: str, told: str) -> str:
    """Prints `claimed FOLDER` and the kernel's lines of listening sockets, or `held` and the existing claim."""
    return f"""{_head(base, trial, node)}told={shlex.quote(told)}
umask 022
mine="$base/.claim.$trial.$node"
mkdir -p "$base" && printf '%s %s\\n%s\\n' "$trial" "$node" "$told" >"$mine" || exit 73
sync "$mine" 2>/dev/null || sync
if ln "$mine" "$base/claim" 2>/dev/null || cmp -s "$mine" "$base/claim"; then
  rm -f "$mine"
  mkdir -p "$base/$trial" || exit 73
  sync "$base" 2>/dev/null || sync
  printf 'claimed %s\\n' "$base"
  grep -hs ' 0A ' /proc/net/tcp /proc/net/tcp6
  exit 0
fi
rm -f "$mine"
[ -e "$base/claim" ] || {{ echo "$base cannot hold a claim: it takes no hard links" >&2; exit 73; }}
echo held
cat "$base/claim"
"""


def _release_script(base: str, trial: str, node: str) -> str:
    """End the trial's processes, remove its folder and claim; prints `released`, or `absent` when another holds it."""
    return f"""{_head(base, trial, node)}
rm -f "$base/.claim.$trial.$node"
held=
[ -e "$base/claim" ] && read -r held <"$base/claim"
[ "$held" = "$trial $node" ] || {{ echo absent; exit 0; }}
{ending.of_trial(trial)}
rm -rf "${{base:?}}/${{trial:?}}" && rm -f "$base/claim" && echo released
"""


def _held_script(base: str, trial: str, node: str) -> str:
    """Exit code 0 when the claim is this trial's."""
    return f"""{_head(base, trial, node)}
held=
[ -e "$base/claim" ] && read -r held <"$base/claim"
[ "$held" = "$trial $node" ]
"""


def _listing_script(base: str) -> str:
    """Prints the existing claim, if any."""
    return f'base={shlex.quote(base)}\n{_BASE}[ ! -e "$base/claim" ] || cat "$base/claim"\n'


def _head(base: str, trial: str, node: str) -> str:
    return f"base={shlex.quote(base)}; trial={shlex.quote(trial)}; node={shlex.quote(node)}\n{_BASE}"
