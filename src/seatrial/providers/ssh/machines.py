"""The machines that the settings name, and how each is reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, UsageError, nearest
from seatrial.links import inventory
from seatrial.links.paths import project_folder
from seatrial.model.resource import Node

SETTINGS: Mapping[str, type] = {
    "inventory": str,
    "hosts": list,
    "user": str,
    "key": str,
    "known_hosts": str,
    "accept_new": bool,
    "become": bool,
    "folder": str,
}
OURS = "~/.ssh/known_hosts"
"""Where the user's own host keys are; read, for it is the user's own machines that are meant, and never written."""


def require_known(settings: Mapping[str, Any]) -> None:
    """UsageError for settings that there are not, or of another kind than allowed."""
    for key, value in settings.items():
        if key not in SETTINGS:
            raise UsageError(f"providers.ssh has no setting {key!r}: {nearest(key, SETTINGS)}")
        if not isinstance(value, SETTINGS[key]):
            kind = {str: "text", bool: "true or false"}.get(SETTINGS[key], "a list")
            raise UsageError(f"providers.ssh.{key} is {value!r}; allowed is {kind}")
    if settings.get("inventory") and settings.get("hosts"):
        raise UsageError("providers.ssh names both inventory and hosts; name one of them")


def machines(settings: Mapping[str, Any]) -> list[Node]:
    """All machines in their order, reached as inventory and settings say; none when the settings name none."""
    here = project_folder()
    if settings.get("inventory"):
        path = here / Path(settings["inventory"]).expanduser()
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CannotTell(f"the inventory {path} of providers.ssh cannot be read: {error}") from error
        found: Sequence[Node] = inventory.read(text, str(path), path.parent)
    else:
        found = inventory.listed(settings.get("hosts") or (), "providers.ssh.hosts", here)
    without = [node.name for node in found if not node.ssh]
    if without:
        raise CannotTell(f"the inventory reaches {', '.join(without)} by another way than SSH")
    folder = str(settings.get("folder") or "")
    return [replace(node, ssh=_reached(dict(node.ssh), settings, here), folder=node.folder or folder) for node in found]


def _reached(ssh: dict[str, object], settings: Mapping[str, Any], here: Path) -> dict[str, object]:
    """What the inventory does not say of a machine, by the settings."""
    if "user" in settings:
        ssh.setdefault("user", settings["user"])
    if "key" in settings:
        ssh.setdefault("key", str(here / Path(settings["key"]).expanduser()))
    if not ssh.get("key"):
        ssh["agent"] = True  # the user's own: agent and default files
    if not ssh.get("known_host"):
        ssh.setdefault("known_hosts", str(here / Path(settings.get("known_hosts") or OURS).expanduser()))
    if settings.get("accept_new"):
        ssh["accept"] = True
    if "become" in settings:
        ssh.setdefault("become", settings["become"])
    jump = ssh.get("jump")
    if isinstance(jump, dict):
        ssh["jump"] = _reached(dict(jump), {key: settings[key] for key in settings if key != "become"}, here)
    return ssh


def place(machine: Node) -> str:
    """What a machine is known by among trials of this host: `host:port`."""
    return f"{machine.ssh['host']}:{machine.ssh['port']}"
