"""A local node's folder, keys and machine.json; and the start of its box."""

import getpass
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.providers.local import confinement, shims

# Variables the box inherits from the host's environment, beside the run's names: enough to run this very Python.
_INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
    "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "LD_LIBRARY_PATH",
    confinement.FORCE,
)  # fmt: skip
_RUN_NAMES = ("E2E_", "SEATRIAL_")


def prepare(
    detail: Mapping[str, object], name: str, address: str, port: int, key: Path, environment: Mapping[str, str]
) -> str:
    """Make the folder of a node; its host key as a line of a known_hosts file. Raises OSError, UsageError."""
    folder, logs = Path(str(detail["folder"])), Path(str(detail["logs"]))
    shims.require_carried(folder)
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
    from seatrial.links.ssh.keys import write_key_pair  # with a real SSH server alone

    public = write_key_pair(folder / "host_key")
    (folder / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
    return f"[{address}]:{port} {public}"


def switch_on(folder: Path, *, plain: bool) -> int:
    """Start the box of the machine in a folder, in a session of its own; its process id."""
    env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    env |= json.loads((folder / "machine.json").read_text())["env"] | {"SEATRIAL_NODE_FOLDER": str(folder)}
    if plain:
        env[confinement.FORCE] = confinement.PLAIN
    argv = [sys.executable, "-m", "seatrial.providers.local.machine", str(folder)]
    console = os.open(folder / "box.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Not subprocess: a kept node outlives the process that started it, and nobody waits for it.
        nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        streams = [(os.POSIX_SPAWN_DUP2, console, number) for number in (1, 2)]
        return os.posix_spawn(sys.executable, argv, env, file_actions=[nothing, *streams], setsid=True)
    finally:
        os.close(console)


def user() -> str:
    """The SSH user; the node's processes are this user's."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return "seatrial"
