"""Playbooks and their inventory in a folder."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import yaml

from seatrial.links.ansible import configuration
from seatrial.spi import Recognised

PLAYBOOKS = {
    "deploy": ("deploy", "site", "playbook", "main", "install"),
    "destroy": ("destroy", "teardown", "undeploy", "remove", "uninstall", "cleanup"),
    "stop": ("stop",),
    "start": ("start",),
}
"""A verb to the names of its playbook, the likeliest first."""

PLACES = ("", "playbooks/")
"""Where playbooks are."""

INVENTORIES = ("inventory", "inventory.ini", "inventory.yml", "inventory.yaml", "hosts", "hosts.ini", "hosts.yml",
               "hosts.yaml")  # fmt: skip
SEVERAL = ("inventories", "environments")
"""Folders with an inventory for each environment."""

NO_DESTROY = "the playbook that removes everything, and succeeds when there is nothing left, as `destroy: FILE`"
NO_INVENTORY = "the inventory, as `inventory: FILE`; for one that your playbook writes: `$deployment_dir/hosts.ini`"
NO_PASSWORD = "the password of your vaults, as `vault_password_file: FILE` (a file, or a program that prints it)"
MAYBE_CREATES = "# creates_machines: true # if your playbook makes the machines themselves, and `destroy` removes them"
HEALTH = '# health: {http: "http://${{ node.address }}/"} # how your service on a node is asked'


def recognise(folder: Path, way: str) -> Recognised | None:
    """The playbooks of a folder; None: none deploys."""
    found = {verb: name for verb, names in PLAYBOOKS.items() if (name := _playbook(folder, names))}
    if "deploy" not in found:
        return None
    lines = [f"folder: {way}", *(f"{verb}: {name}" for verb, name in found.items())]
    lines += [] if "destroy" in found else [f"# needed: {NO_DESTROY}"]
    there, settings = _inventory(folder, found["deploy"])
    lines += settings
    if any(configuration.vaults(folder)) and not configuration.knows_passwords(folder, os.environ):
        lines.append(f"# needed: {NO_PASSWORD}")
    return Recognised(files=(*found.values(), *there), settings="\n".join([*lines, HEALTH]) + "\n")


def _playbook(folder: Path, names: tuple[str, ...]) -> str:
    files = (f"{place}{name}{ending}" for place in PLACES for name in names for ending in (".yml", ".yaml"))
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


def _inventory(folder: Path, deploy: str) -> tuple[list[str], list[str]]:
    """The present files of the inventory, and the settings for it: that of `ansible.cfg`, else one with a usual
    name, else the only one of a folder with several. One that does not exist yet is written by the playbook."""
    named = [name.strip() for name in configuration.setting(folder, "inventory").split(",") if name.strip()]
    there = [name for name in named if (folder / name).exists()]
    if named and not there and (name := named[0]) and _writes(folder / deploy, Path(name).name):
        return [], [f"inventory: {json.dumps(name)} # {deploy} writes it", "creates_machines: true"]
    there = there or [name for name in INVENTORIES if (folder / name).exists()][:1]
    if not there:
        for name in SEVERAL:
            below = (folder / name).iterdir() if (folder / name).is_dir() else ()
            several = sorted(f"{name}/{path.name}" for path in below if not path.name.startswith("."))
            if len(several) > 1:
                return [], [f"# needed: one of your inventories, as `inventory: FILE`: {', '.join(several)}"]
            there += several
    if not there:
        return [], [f"# needed: {NO_INVENTORY}", MAYBE_CREATES]
    return there, [f"inventory: {json.dumps(there if len(there) > 1 else there[0])}", MAYBE_CREATES]


def _writes(playbook: Path, name: str) -> bool:
    """Whether a playbook, or a file of tasks beside it, writes a file of this name."""
    files = [playbook, *playbook.parent.glob("tasks/*.y*ml"), *playbook.parent.glob("roles/*/tasks/*.y*ml")]
    wanted = re.compile(rf"\b(dest|path|output)\b.*\b{re.escape(name)}")
    return any(wanted.search(file.read_text(encoding="utf-8", errors="replace")) for file in files)
