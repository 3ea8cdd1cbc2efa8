"""The parts of a local node before it is powered on: its folder, keys and machine.json."""

import getpass
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import UsageError
from seatrial.providers.local import shims

# Variables the box inherits from the host's environment, beside the run's names: enough to run this very Python.
_INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
    "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "LD_LIBRARY_PATH",
    "SEATRIAL_LOCAL_CONFINEMENT",
)  # fmt: skip
_RUN_NAMES = ("E2E_", "SEATRIAL_")


def prepare(
    detail: Mapping[str, object], name: str, address: str, port: int, key: Path, environment: Mapping[str, str]
) -> str:
    """Make the folder of a node; its host key as a line of a known_hosts file. Raises OSError, UsageError."""
    folder, logs = Path(str(detail["folder"])), Path(str(detail["logs"]))
    try:
        shims.require_carried(folder)
    except ValueError as error:
        raise UsageError(str(error)) from error
    for inner in (folder / "services", folder / "home", folder / "data", logs):
        inner.mkdir(parents=True, exist_ok=True)
    run = {name: value for name, value in environment.items() if name.startswith(_RUN_NAMES)}
    machine: dict[str, Any] = {
        "name": name,
        "address": address,
        "ssh_port": port,
        "env": run | {"SEATRIAL_NODE": str(detail["tag"])},
        "host_key": str(folder / "host_key"),
        "authorized_keys": str(folder / "authorized_keys"),
        "console": str(logs / "console.log"),
    }
    # First of all: by this file destroy recognises the folder as a node's own.
    (folder / "machine.json").write_text(json.dumps(machine))
    from seatrial.links.ssh import write_key_pair  # with a real SSH server alone

    public = write_key_pair(folder / "host_key")
    (folder / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
    return f"[{address}]:{port} {public}"


def box_environment(folder: Path) -> dict[str, str]:
    """The environment of a box."""
    env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    tags: dict[str, str] = json.loads((folder / "machine.json").read_text())["env"]
    return env | tags | {"SEATRIAL_NODE_FOLDER": str(folder)}


def user() -> str:
    """The SSH user; the node's processes are this user's."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return "seatrial"
