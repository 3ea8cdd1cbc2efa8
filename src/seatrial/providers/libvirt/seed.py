"""The NoCloud seed: a small ISO that identifies a machine to itself, before its first boot.

cloud-init reads `meta-data`, `user-data`, `network-config`. The same facts are in `seatrial/` as plain files, one value
each, for an image with an init of a few lines of shell.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

from seatrial.errors import ExtraMissing
from seatrial.providers.nodes import FOLDER, user_data

LABEL = "cidata"
DOMAIN = "seatrial.test"
"""Where the names of nodes live; the network answers for it alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a machine is."""

    instance: str
    hostname: str
    user: str
    authorized: str
    """Our public key, one line."""
    host_key: str
    """The machine's own private key, in OpenSSH's format."""
    host_public: str
    address: str
    """Its own one on a network of 256 addresses."""
    gateway: str
    """This host on the network; it answers questions for names too."""
    mac: str
    routed: bool = False
    """Whether there is a world behind the gateway."""


def files(identity: Identity) -> dict[str, str]:
    """Every file of the seed by its path."""
    address = f"{identity.address}/24"
    plain = {
        "authorized_keys": identity.authorized,
        "ssh_host_ed25519_key": identity.host_key,
        "ssh_host_ed25519_key.pub": identity.host_public,
        "hostname": identity.hostname,
        "hosts": f"127.0.0.1 localhost\n{identity.address} {identity.hostname}",
        "resolv.conf": f"search {DOMAIN}\nnameserver {identity.gateway}",
        "user": identity.user,
        "address": address,
        "gateway": identity.gateway,
        "mac": identity.mac,
        "folder": FOLDER,
    }
    subnet = {"type": "static", "address": address, "dns_nameservers": [identity.gateway], "dns_search": [DOMAIN]}
    if identity.routed:
        subnet["gateway"] = identity.gateway
    card = {"type": "physical", "name": "eth0", "mac_address": identity.mac, "subnets": [subnet]}
    config = user_data(
        identity.hostname, identity.user, identity.authorized, identity.host_key, identity.host_public,
        manage_etc_hosts=False, bootcmd=[["mkdir", "-p", FOLDER]], runcmd=[["chown", identity.user, FOLDER]],
        growpart={"mode": "auto", "devices": ["/"]},
    )  # fmt: skip
    return {
        "meta-data": _json({"instance-id": identity.instance, "local-hostname": identity.hostname}),
        "user-data": config,
        "network-config": _json({"version": 1, "config": [card]}),
        **{f"seatrial/{name}": text if text.endswith("\n") else text + "\n" for name, text in plain.items()},
    }


def _json(value: object) -> str:
    """JSON is YAML, and needs no library."""
    return json.dumps(value, indent=1) + "\n"


def iso(contents: Mapping[str, str]) -> bytes:
    """An ISO image with these files, in Rock Ridge and Joliet names; ExtraMissing without pycdlib."""
    try:
        import pycdlib
    except ImportError as error:
        raise ExtraMissing("pycdlib is not installed: pip install 'seatrial[libvirt]'") from error
    disc = pycdlib.PyCdlib()
    disc.new(interchange_level=3, vol_ident=LABEL, rock_ridge="1.09", joliet=3)
    folders: dict[str, str] = {"": ""}
    for place, (path, text) in enumerate(sorted(contents.items())):
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            folders[folder] = f"/D{place}"
            disc.add_directory(folders[folder], rr_name=folder, joliet_path=f"/{folder}")
        data = text.encode()
        at = f"{folders[folder]}/F{place}.;1"
        disc.add_fp(io.BytesIO(data), len(data), at, rr_name=name, joliet_path=f"/{path}")
    made = io.BytesIO()
    disc.write_fp(made)
    disc.close()
    return made.getvalue()
