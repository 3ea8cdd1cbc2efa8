"""A project whose nodes are virtual machines of the test process's own libvirt daemon, and what of it is left there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.acceptance.harness import Document, Lister, Project, suite
from tests.backends.machines import daemon, inhabitants, machines

SERVICE: Document = {
    "kind": "processes",
    "service": {"command": ["sleep", "100000"]},
    "health": {"command": ["true"]},
}
POOL = "seatrial"
"""The provider's own pool, when the project names no folder."""


def on_libvirt(project: Project, uri: str, **settings: Any) -> None:
    """Write the project's settings."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in machines(uri, **settings).items()]
    (project.folder / "seatrial.toml").write_text("\n".join(["[providers.libvirt]", *lines]) + "\n")


def one_machine(*steps: Document | str, **more: Any) -> Document:
    """A document with one suite on one node."""
    more = {"parameters": {"cluster_size": 1}, **more}
    return {"system": SERVICE, **suite("init", "deploy", *steps, provider="libvirt", **more)}


def virsh(uri: str, *words: str) -> str:
    """libvirt's own answer."""
    argv = ["virsh", "-q", "-c", uri, *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"virsh {' '.join(words)}: {done.stderr}"
    return done.stdout.strip()


def left_in_libvirt(uri: str) -> Lister:
    """What of a project's runs is in libvirt, and the bridges and processes that only they can have."""

    def look(project: Project) -> Sequence[str]:
        found = there(uri, {run.name for run in project.runs()})
        for ledger in project.folder.glob(".seatrial/runs/*/ledger.jsonl"):
            records = map(json.loads, ledger.read_text().splitlines())
            leased = {one["name"] for one in records if one.get("kind") == "bridge"}
            found += [f"bridge {name}" for name in leased if Path("/sys/class/net", name).exists()]
        commands = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in inhabitants(uri)]
        return found + [f"process {name}" for name in commands if name.startswith(("qemu", "dnsmasq"))]

    return look


def there(uri: str, runs: set[str]) -> list[str]:
    """Machines, networks that run, and volumes (none of them a cached image) of these runs, by no code of ours."""
    import libvirt  # an extra

    connection = libvirt.open(uri)
    try:
        found = [
            f"machine {one.name()}"
            for one in connection.listAllDomains()
            if any(run in one.XMLDesc(0) for run in runs) or one.name().startswith("seatrial-probe")
        ]
        nets = [one.name() for one in connection.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE)]
        found += [f"network {name}" for name in nets]
        for pool in connection.listAllStoragePools():
            pool.refresh(0)
            folder = Path(f"/proc/{daemon(uri)}/root{_between(pool.XMLDesc(0), '<path>', '</path>')}")
            # libvirt lists what it can read; the folder itself hides nothing.
            listed = {*pool.listVolumes(), *(file.name for file in folder.iterdir())}
            found += [f"volume {name}" for name in sorted(listed) if any(run in name for run in runs)]
    finally:
        connection.close()
    return found


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]
