"""What is behind an instance: its machine, the keys that its guest agent installs, and its serial port."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from seatrial_stand_ins.gcp.cloud import CLOUD_INIT, TYPES, Cloud, Thing
from seatrial_stand_ins.machines import Wanted

GIB = 1024**3

BOOTS = """SeaBIOS (version 1.8.2-google)
Total RAM Size = 0x0000000040000000 = 1024 MiB
Booting from Hard Disk 0...
[    0.000000] Linux version 6.1.0-41-cloud-amd64 (debian-kernel@lists.debian.org)
[    2.310498] systemd[1]: Hostname set to <{name}>.
"""
SHUTS_DOWN = """[  120.000000] systemd[1]: Reached target System Shutdown.
[  120.100000] systemd-shutdown[1]: Powering off.
[  120.200000] reboot: Power down
"""


async def power_on(cloud: Cloud, thing: Thing) -> None:
    """Start its machine; make it first if there is none."""
    guest = thing.guest
    guest.serial += BOOTS.format(name=thing.name)
    if thing.name in cloud.plants.comes_back_new:
        cloud.plants.comes_back_new.discard(thing.name)
        await cloud.machines.destroy(thing.id)
        guest.real = False
    if guest.real:
        await cloud.machines.start(thing.id)
        return
    cpus, memory = TYPES[str(thing.document["machineType"]).rpartition("/")[2]]
    boot = cloud.get(cloud.path(thing.document["disks"][0]["source"])).document
    source = str(boot.get("sourceImage", ""))
    private, guest.host_key = _key_pair()
    guest.real = True
    guest.address = await cloud.machines.make(
        Wanted(
            id=thing.id, name=thing.name, template=source.rpartition("/")[2], cpus=cpus, memory_mib=memory,
            root_size=int(boot["sizeGb"]) * GIB,
            user_data=agent(metadata_of(thing.document), private, cloud_init=f"/{CLOUD_INIT}/" in source),
        )
    )  # fmt: skip


def metadata_of(document: Mapping[str, Any]) -> dict[str, str]:
    """The metadata by key."""
    return {str(item["key"]): str(item.get("value", "")) for item in document.get("metadata", {}).get("items", ())}


def agent(metadata: Mapping[str, str], host_key: str, *, cloud_init: bool) -> bytes:
    """What the guest agent, and cloud-init in images that have it, do at the first boot: a user with sudo for each of
    `ssh-keys`, and the startup script."""
    import yaml

    config: dict[str, Any] = {}
    if cloud_init and metadata.get("user-data", "").startswith("#cloud-config"):
        config = yaml.safe_load(metadata["user-data"]) or {}
    users: dict[str, list[str]] = {}
    for line in metadata.get("ssh-keys", "").splitlines():
        user, _, key = line.strip().partition(":")
        if key and metadata.get("enable-oslogin", "").upper() != "TRUE":
            users.setdefault(user, []).append(key)
    config.setdefault("ssh_keys", {"ed25519_private": host_key})
    config["users"] = [
        *config.get("users", []),
        *({"name": user, "ssh_authorized_keys": keys, "sudo": True} for user, keys in users.items() if user != "root"),
    ]
    if script := metadata.get("startup-script"):
        config["runcmd"] = [*config.get("runcmd", []), ["sh", "-c", script]]
    return f"#cloud-config\n{json.dumps(config)}".encode()


def _key_pair() -> tuple[str, str]:
    """A host key: its private and its public half, as OpenSSH writes them."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), public.decode()
