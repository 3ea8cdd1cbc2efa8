"""Commands for a person to get into kept nodes."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.engine.cleanup import within
from seatrial.model.resource import ENGINES, KUBECTL, LOCAL, Connection, Node
from seatrial.spi import Context, EntersNodes, Provider

SECONDS = 5.0
"""Seconds for the system to list its nodes."""


async def access_commands(ctx: Context) -> dict[str, str]:
    """A shell command into each node, by the node's name; nodes without one, or unknown to the system, are left out.
    Known host keys are in `state/known_hosts`, kept with the nodes."""
    ways: dict[str, str] = {}
    # A courtesy: no exception of a plugin, nor its sys.exit, may prevent the keeping.
    async with within(SECONDS, lambda why: ctx.log(f"no commands to get into the nodes: {why}", "warning")):
        nodes = await ctx.nodes()
        known = [line for node in nodes for line in _known_lines(node.ssh)]
        file = ctx.state / "known_hosts" if known else Path(os.devnull)
        if known:
            file.write_text("".join(f"{line}\n" for line in known))
        ways |= {node.name: way for node in nodes if (way := _way_in(ctx.provider, node, file))}
    return ways


def _way_in(provider: Provider, node: Node, known: Path) -> str:
    if node.ssh.get("host"):
        return shlex.join(ssh_command(node.ssh, known))
    if node.connection is not None:
        return shlex.join(exec_command(node.connection))
    if isinstance(provider, EntersNodes):
        return shlex.join(provider.enter(node))
    return ""


def exec_command(connection: Connection) -> list[str]:
    """The command for a shell in a container, in a pod, or on this machine; empty for other connections."""
    if connection.kind == LOCAL:
        return ["sh"]
    selected = [f"{name}={value}" for name, value in sorted(connection.environment.items())]
    if connection.kind == KUBECTL and connection.target and not connection.become:
        where = (("--context", connection.context), ("--namespace", connection.namespace))
        options = [word for key, value in where for word in ((key, value) if value else ())]
        inside = ["--container", connection.container] if connection.container else []
        words = [KUBECTL, *options, "exec", "-it", connection.target, *inside, "--", "sh"]
        return [*(["env", *selected] if selected else []), *words]
    if connection.kind not in ENGINES:
        return []
    user = "0" if connection.become else connection.user
    as_user = ["--user", user] if user else []
    program = connection.program or connection.kind
    return [*(["env", *selected] if selected else []), program, "exec", "-it", *as_user, connection.target, "sh"]


def ssh_command(ssh: Mapping[str, Any], known: Path) -> list[str]:
    """OpenSSH's command for a node's record (see links.ssh.SSHLink for its words)."""
    keys = ssh.get("key") or ()
    named = [word for key in ([keys] if isinstance(keys, str) else keys) for word in ("-i", str(key))]
    only = ["-o", "IdentitiesOnly=yes"] if named and not ssh.get("agent") else []
    hosts = str(ssh.get("known_hosts") or (known if ssh.get("known_host") else ssh.get("pins") or ""))
    # The person's own SSH files are neither changed nor used.
    trust = ["-o", f"UserKnownHostsFile={hosts}"] if hosts else []
    jump = ssh.get("jump")
    proxy = shlex.join([*ssh_command(jump, known), "-W", "%h:%p"]) if isinstance(jump, Mapping) else ""
    through = ["-o", f"ProxyCommand={proxy}"] if proxy else []
    port = ["-p", str(ssh["port"])] if ssh.get("port") not in (None, "", 22, "22") else []
    return ["ssh", *named, *only, *trust, *through, *port, f"{ssh.get('user') or 'root'}@{ssh.get('host')}"]


def _known_lines(ssh: Mapping[str, Any]) -> list[str]:
    """Lines of a known_hosts file with the keys of a record."""
    jump = ssh.get("jump")
    lines = _known_lines(jump) if isinstance(jump, Mapping) else []
    port = str(ssh.get("port") or 22)
    host = str(ssh.get("host") or "")
    name = host if port == "22" else f"[{host}]:{port}"
    for line in str(ssh.get("known_host") or "").splitlines():
        words = line.split()
        kind = next((at for at, word in enumerate(words) if word.startswith(("ssh-", "ecdsa-", "sk-"))), None)
        if kind is not None:
            lines.append(" ".join([name, *words[kind : kind + 2]]))
    return lines
