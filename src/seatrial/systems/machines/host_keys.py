"""Host keys of the machines that a trial makes itself: nobody can know them before, so the first one is accepted and
must stay. A machine that answers before `deploy` existed before: its key is not accepted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, LinkDown
from seatrial.links import tcp
from seatrial.model.resource import Node
from seatrial.spi import Context
from seatrial.spi.concurrency import NODES_AT_ONCE, map_concurrently

FILE = "host_keys"
"""The file in the trial's state folder with the accepted keys, as OpenSSH has them."""


def place(ssh: Mapping[str, Any]) -> str:
    """Host and port of a way in."""
    return f"{ssh.get('host')}:{ssh.get('port') or 22}"


async def already_there(nodes: Sequence[Node]) -> dict[str, str]:
    """Place to node, of those that answer now. Nobody can ask behind a jump host: such a node counts too."""
    by_ssh = [node for node in nodes if node.ssh.get("host")]
    answers = await map_concurrently(_answers, by_ssh, most=NODES_AT_ONCE)
    return {place(node.ssh): node.name for node, answer in zip(by_ssh, answers, strict=True) if answer}


async def _answers(node: Node) -> bool:
    if "jump" in node.ssh:
        return True
    try:
        await tcp.reach(str(node.ssh["host"]), int(str(node.ssh.get("port") or 22)))
    except (LinkDown, CannotTell):
        return False
    return True


def accepting(nodes: Sequence[Node], pins: Path, there: Collection[str]) -> list[Node]:
    """The nodes with the first host key accepted, except for those that existed before, and for those whose records
    say which key they have."""
    made = {place(node.ssh) for node in nodes if node.ssh.get("host")} - set(there)
    return [replace(node, ssh=_accepting(node.ssh, pins, made)) if node.ssh else node for node in nodes]


def _accepting(ssh: Mapping[str, Any], pins: Path, made: Collection[str]) -> dict[str, Any]:
    jump = ssh.get("jump")
    through = {"jump": _accepting(jump, pins, made)} if isinstance(jump, Mapping) else {}
    known = ssh.get("known_host") or ssh.get("known_hosts") or ssh.get("accept") is False
    first = {} if known or place(ssh) not in made else {"accept": True, "pins": str(pins)}
    return {**ssh, **first, **through}


async def forget(ctx: Context, nodes: Sequence[Node]) -> None:
    """These machines are gone: the next ones at their places have other keys."""
    from seatrial.links.ssh import SSHLink
    from seatrial.links.ssh.pins import unpin

    for node in nodes:
        if not node.ssh.get("pins"):
            continue
        unpin(Path(str(node.ssh["pins"])), str(node.ssh["host"]), int(str(node.ssh["port"])))
        if isinstance(link := ctx.link(node), SSHLink):
            await link.close()
            link.known_host = ""
