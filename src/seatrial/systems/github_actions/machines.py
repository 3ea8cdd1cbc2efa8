"""The nodes of a deployment, from its workflow's outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, StepFailed
from seatrial.model.resource import Node
from seatrial.spi import Context
from seatrial.systems.github_actions.settings import SshSettings

_WITH_PORT = re.compile(r"(?P<host>[^:\[\]\s]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})")


def machines(
    ctx: Context, wanted: Mapping[str, Any], ssh: SshSettings | None, outputs: Mapping[str, Any], folder: Path
) -> list[Node]:
    """A node for each name; NAME1, NAME2, … for a list. StepFailed when the outputs lack a named value."""
    nodes: list[Node] = []
    for name, told in wanted.items():
        value = filled(ctx, told, outputs, f"the address of {name}")
        for node, address in _named(name, value):
            nodes.append(_node(ctx, node, address, ssh, outputs, folder))
    if len({node.name for node in nodes}) != len(nodes):
        raise CannotTell(f"two nodes have the same name: {', '.join(node.name for node in nodes)}; change `nodes`")
    return nodes


def filled(ctx: Context, told: Any, outputs: Mapping[str, Any], what: str) -> Any:
    """A value with `${{ outputs.… }}` in it; a template alone keeps its type."""
    try:
        return ctx.bind(told, outputs=outputs)
    except CannotTell as error:
        if "outputs" not in str(error):
            raise
        raise StepFailed(f"{what}: {told!r} has no value in the workflow's outputs: {error}") from error


def _named(name: str, value: Any) -> Sequence[tuple[str, str]]:
    if isinstance(value, str) and re.search(r"[,\s]", value.strip()):
        value = [one for one in re.split(r"[,\s]+", value.strip()) if one]
    if isinstance(value, list | tuple):
        if wrong := [one for one in value if one is not None and not isinstance(one, str)]:
            raise StepFailed(f"the addresses of {name} contain {wrong[0]!r}, not a text")
        return [(f"{name}{number}", one.strip()) for number, one in enumerate(value, 1) if one and one.strip()]
    if value is None or value == "":
        return ()
    if not isinstance(value, str):
        raise StepFailed(f"the address of {name} is {value!r}, not a text or a list of texts")
    return [(name, value.strip())]


def _node(
    ctx: Context, name: str, address: str, ssh: SshSettings | None, outputs: Mapping[str, Any], folder: Path
) -> Node:
    with_port = _WITH_PORT.fullmatch(address)
    port = int(with_port["port"]) if with_port else 0
    host = (with_port["host"] if with_port else address).strip("[]")
    if ssh is None:
        return Node(name=name, address=host)
    ways: dict[str, object] = {"host": host, "port": port or ssh.port}
    ways["user"] = filled(ctx, ssh.user, outputs, "the SSH user")
    for word in ("key", "known_hosts"):
        path = filled(ctx, getattr(ssh, word), outputs, f"`{word}` of SSH")
        if path:
            ways[word] = str(folder / Path(str(path)).expanduser())
    if ssh.accept:
        ways["accept"] = True
    return Node(name=name, address=host, ssh=ways)
