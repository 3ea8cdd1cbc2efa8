"""Make the app's machines, or change the existing ones: `python3 infra/provision.py --workers 2 …`.

You can run it again at any time: existing machines stay, missing ones are made, surplus ones are destroyed, disks grow.
Writes all addresses as JSON: {"web_ip": …, "worker_ips": […], "db_ip": …}.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cloud
from cs import CloudStackException

SSH_SECONDS = 300


@dataclass(frozen=True)
class Wanted:
    """One machine."""

    name: str
    role: str
    disk: int
    """GiB of its data disk."""


def main() -> int:
    """0; 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--with-database", choices=("true", "false"), default="true")
    parser.add_argument("--web-disk", type=int, default=1, help="GiB")
    parser.add_argument("--worker-disk", type=int, default=1, help="GiB")
    parser.add_argument("--database-disk", type=int, default=1, help="GiB")
    parser.add_argument("--run-id", default="", help="who made this: a tag on everything")
    parser.add_argument("--output", type=Path, required=True)
    asked = parser.parse_args()
    wanted = [Wanted(f"{cloud.SERVICE}-web", "web", asked.web_disk)]
    wanted += [Wanted(f"{cloud.SERVICE}-worker-{n}", "worker", asked.worker_disk) for n in range(1, asked.workers + 1)]
    if asked.with_database == "true":
        wanted.append(Wanted(f"{cloud.SERVICE}-db", "db", asked.database_disk))
    try:
        addresses = provision(wanted, asked.run_id)
    except (cloud.Wrong, CloudStackException, OSError) as error:
        print(f"provision: {error}", file=sys.stderr)
        return 1
    told = {
        "web_ip": addresses[f"{cloud.SERVICE}-web"],
        "worker_ips": [addresses[one.name] for one in wanted if one.role == "worker"],
        "db_ip": addresses.get(f"{cloud.SERVICE}-db", ""),
    }
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    asked.output.write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps(told))
    return 0


def provision(wanted: list[Wanted], run_id: str) -> dict[str, str]:
    """Make it so; the addresses by name."""
    there = cloud.machines()
    broken = [name for name, one in there.items() if one["state"] == "Error"]
    surplus = [name for name in there if name not in {one.name for one in wanted}]
    cloud.destroy(broken + surplus)
    ground = _ground()
    return dict(cloud.at_once(lambda one: (one.name, _machine(one, ground, run_id)), wanted))


def _ground() -> dict[str, str]:
    """The common base of all machines: the environment's names as identifiers, and the app's network and key pair."""
    zone = cloud.id_of("listZones", os.environ["CLOUDSTACK_ZONE"])
    offering = cloud.id_of("listServiceOfferings", os.environ["CLOUDSTACK_OFFERING"])
    template = cloud.id_of("listTemplates", os.environ["CLOUDSTACK_TEMPLATE"], templatefilter="executable", zoneid=zone)
    disk = cloud.id_of("listDiskOfferings", os.environ["CLOUDSTACK_DISK_OFFERING"])
    own = cloud.networks()
    if not own:
        kind = cloud.id_of("listNetworkOfferings", os.environ["CLOUDSTACK_NETWORK_OFFERING"])
        made = cloud.client().createNetwork(
            name=cloud.SERVICE, displaytext=cloud.SERVICE, networkofferingid=kind, zoneid=zone
        )
        own = [made["network"]]
        cloud.tag("Network", own[0]["id"], {"service": cloud.SERVICE})
    if not cloud.key_pairs() and os.environ.get("RESCUE_PUBLIC_KEY"):
        cloud.client().registerSSHKeyPair(name=cloud.SERVICE, publickey=os.environ["RESCUE_PUBLIC_KEY"])
    return {"zone": zone, "offering": offering, "template": template, "disk": disk, "network": str(own[0]["id"])}


def _machine(wanted: Wanted, ground: dict[str, str], run_id: str) -> str:
    """One machine with its disk, prepared; its address."""
    machine = cloud.machines().get(wanted.name)
    if machine is None:
        print(f"making {wanted.name}", flush=True)
        pair = {"keypair": cloud.SERVICE} if cloud.key_pairs() else {}
        machine = cloud.done(
            "deployVirtualMachine",
            name=wanted.name,
            displayname=wanted.name,
            zoneid=ground["zone"],
            serviceofferingid=ground["offering"],
            templateid=ground["template"],
            networkids=ground["network"],
            userdata=_user_data(),
            **pair,
        )["virtualmachine"]
    elif machine["state"] == "Stopped":
        machine = cloud.done("startVirtualMachine", id=machine["id"])["virtualmachine"]
    tags = {"service": cloud.SERVICE, "role": wanted.role, **({"e2e-run-id": run_id} if run_id else {})}
    cloud.tag("UserVm", str(machine["id"]), tags)
    _disk(wanted, ground, str(machine["id"]), tags)
    address = str(machine["nic"][0]["ipaddress"])
    _prepare(wanted.name, address)
    return address


def _disk(wanted: Wanted, ground: dict[str, str], machine: str, tags: dict[str, str]) -> None:
    """Its data disk, attached, at least as large as asked for: disks of CloudStack do not shrink."""
    name = f"{wanted.name}-data"
    disk = cloud.volumes().get(name)
    if disk is None:
        disk = cloud.done(
            "createVolume", name=name, zoneid=ground["zone"], diskofferingid=ground["disk"], size=wanted.disk
        )["volume"]
    elif disk["size"] < wanted.disk * cloud.GIB:
        print(f"{name} grows to {wanted.disk} GiB", flush=True)
        disk = cloud.done("resizeVolume", id=disk["id"], size=wanted.disk)["volume"]
    cloud.tag("Volume", str(disk["id"]), tags)
    if not disk.get("virtualmachineid"):
        cloud.done("attachVolume", id=disk["id"], virtualmachineid=machine)


def _user_data() -> str:
    """Cloud-init lets the deploy key in."""
    return base64.b64encode(f"#cloud-config\nssh_authorized_keys:\n  - {_public_key()}\n".encode()).decode()


def _public_key() -> str:
    words = ["ssh-keygen", "-y", "-f", os.environ["SSH_KEY_FILE"]]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def _prepare(name: str, address: str) -> None:
    """Wait for its SSH server, then have it mount its disk and accept only the deploy key."""
    known = os.environ.get("SSH_KNOWN_HOSTS") or os.path.expanduser("~/.ssh/known_hosts")
    argv = [
        *("ssh", "-i", os.environ["SSH_KEY_FILE"], "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"),
        *("-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR", "-o", "StrictHostKeyChecking=accept-new"),
        *("-o", f"UserKnownHostsFile={known}", f"root@{address}"),
    ]
    end = time.monotonic() + SSH_SECONDS
    while (last := subprocess.run([*argv, "true"], capture_output=True, text=True, check=False)).returncode:
        if time.monotonic() > end:
            raise cloud.Wrong(f"{name} ({address}) has no SSH after {SSH_SECONDS} s: {last.stderr.strip()}")
        time.sleep(1)
    script = Path(__file__).with_name("prepare-node.sh").read_text()
    done = subprocess.run(
        [*argv, f"sh -s -- '{_public_key()}'"],
        input=script,
        capture_output=True,
        text=True,
        timeout=SSH_SECONDS,
        check=False,
    )
    if done.returncode:
        raise cloud.Wrong(f"{name} ({address}) could not be prepared: {done.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main())
