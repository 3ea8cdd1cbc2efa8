"""The machines in the settings, and the way to each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links import inventory
from seatrial.links.paths import project_folder
from seatrial.model.resource import Node
from seatrial.model.values import Duration

OURS = "~/.ssh/known_hosts"
"""The user's own host keys: read, because these are the user's own machines, and never written."""


@dataclass(frozen=True, kw_only=True)
class SSHSettings:
    """Machines that exist, and how they are reached."""

    inventory: str = ""
    """A file of Ansible (INI, YAML, JSON) or OpenSSH; relative to the project's folder."""
    hosts: tuple[str | Mapping[str, Any], ...] = ()
    """The machines themselves, in place of `inventory`: names, or mappings with `name`, `host`, `port`, `user`, …"""
    user: str | None = None
    """The user of machines that name none."""
    key: str | None = None
    """The private key for machines that name none; without one, your agent and default keys."""
    known_hosts: str = OURS
    """The file of host keys; it is read and never written."""
    accept_new: bool = False
    """Whether a machine without a known host key is accepted."""
    become: bool | None = None
    """Whether commands run by `sudo`, for machines that do not say."""
    folder: str = ""
    """The folder on the machines that Seatrial works in."""
    silence: Duration = Duration(30.0)
    """How long a machine may be silent before its connection, and each command that runs over it, counts as
    interrupted: longer than a partition that a command heals itself, or a pause of the machine."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """The machines come from one place."""
        if self.silence <= 0:
            yield "silence", "must be longer than 0"
        if self.inventory and self.hosts:
            yield "hosts", "name `inventory` or `hosts`, not both"


def machines(settings: SSHSettings) -> list[Node]:
    """All machines in their order, with their ways from inventory and settings; none when the settings name none."""
    here = project_folder()
    if settings.inventory:
        path = here / Path(settings.inventory).expanduser()
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CannotTell(f"the inventory {path} of providers.ssh cannot be read: {error}") from error
        nodes: Sequence[Node] = inventory.read(text, str(path), path.parent)
    else:
        nodes = inventory.listed(settings.hosts, "providers.ssh.hosts", here)
    if without := [node.name for node in nodes if not node.ssh]:
        raise CannotTell(f"the inventory reaches {', '.join(without)} by another way than SSH")
    return [
        replace(node, ssh=_reached(dict(node.ssh), settings, here), folder=node.folder or settings.folder)
        for node in nodes
    ]


def _reached(ssh: dict[str, object], settings: SSHSettings, here: Path) -> dict[str, object]:
    """The way to a machine; the settings fill the inventory's gaps."""
    key = None if settings.key is None else str(here / Path(settings.key).expanduser())
    given = {"user": settings.user, "key": key, "become": settings.become}
    ssh = {name: value for name, value in given.items() if value is not None} | ssh
    if not ssh.get("key"):
        ssh["agent"] = True  # the user's own: agent and default files
    if not ssh.get("known_host"):
        ssh.setdefault("known_hosts", str(here / Path(settings.known_hosts or OURS).expanduser()))
    if settings.accept_new:
        ssh["accept"] = True
    ssh.setdefault("silence", float(settings.silence))
    jump = ssh.get("jump")
    if isinstance(jump, dict):
        ssh["jump"] = _reached(dict(jump), replace(settings, become=None), here)
    return ssh


def place(machine: Node) -> str:
    """The name of a machine in leases of this host: `host:port`."""
    return f"{machine.ssh['host']}:{machine.ssh['port']}"
