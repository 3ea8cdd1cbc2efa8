"""Playbooks and their inventory in a folder."""

from __future__ import annotations

import configparser
import json
from pathlib import Path

import yaml

from seatrial.spi import Recognised

PLAYBOOKS = {
    "deploy": ("deploy", "site", "playbook", "main", "install"),
    "destroy": ("destroy", "teardown", "undeploy", "remove", "uninstall", "cleanup"),
    "stop": ("stop",),
    "start": ("start",),
}
"""A verb to the names of its playbook, the likeliest first."""

INVENTORIES = ("inventory", "inventory.ini", "inventory.yml", "inventory.yaml", "hosts", "hosts.ini", "hosts.yml",
               "hosts.yaml", "inventories")  # fmt: skip

NO_DESTROY = "the playbook that removes everything, and succeeds when there is nothing left, as `destroy: FILE`"
NO_INVENTORY = "the inventory, as `inventory: FILE`; for one that your playbook writes: `$deployment_dir/hosts.ini`"


def recognise(folder: Path, way: str) -> Recognised | None:
    """The playbooks of a folder; None: none deploys."""
    found = {verb: name for verb, names in PLAYBOOKS.items() if (name := _playbook(folder, names))}
    if "deploy" not in found:
        return None
    inventory = _inventory(folder)
    lines = [f"folder: {way}", *(f"{verb}: {name}" for verb, name in found.items())]
    lines += [] if "destroy" in found else [f"# needed: {NO_DESTROY}"]
    lines.append(f"inventory: {json.dumps(inventory)}" if inventory else f"# needed: {NO_INVENTORY}")
    lines += [
        "# creates_machines: true # if your playbook makes the machines themselves, and `destroy` removes them",
        '# health: {http: "http://${{ node.address }}/"} # how your service on a node is asked',
    ]
    return Recognised(files=(*found.values(), *inventory), settings="\n".join(lines) + "\n")


def _playbook(folder: Path, names: tuple[str, ...]) -> str:
    files = (f"{name}{ending}" for name in names for ending in (".yml", ".yaml"))
    return next((file for file in files if _has_plays(folder / file)), "")


def _has_plays(file: Path) -> bool:
    """Whether a file is a list with at least one play."""
    try:
        plays = yaml.compose(file.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    keys = (
        key.value
        for play in (plays.value if isinstance(plays, yaml.SequenceNode) else ())
        for key, _ in (play.value if isinstance(play, yaml.MappingNode) else ())
    )
    return any(key in ("hosts", "import_playbook", "ansible.builtin.import_playbook") for key in keys)


def _inventory(folder: Path) -> list[str]:
    """The inventory of `ansible.cfg`, else one with a usual name."""
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        settings.read(folder / "ansible.cfg", encoding="utf-8")
        named = settings.get("defaults", "inventory", fallback="")
    except (configparser.Error, UnicodeDecodeError):
        named = ""
    there = [name.strip() for name in named.split(",") if name.strip() and (folder / name.strip()).exists()]
    return there or [name for name in INVENTORIES if (folder / name).exists()][:1]
