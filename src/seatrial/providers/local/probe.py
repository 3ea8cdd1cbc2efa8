"""Whether local nodes can be made on this machine, found out by making one."""

from __future__ import annotations

import os
import random
import secrets
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import SeatrialError
from seatrial.links.process import process_start
from seatrial.model.resource import Node, Resource
from seatrial.providers.local import tree
from seatrial.providers.local.creation import prepare
from seatrial.spi import Readiness

if TYPE_CHECKING:
    from seatrial.providers.local import Local


async def try_one(local: Local) -> Readiness:
    """Boot a node in a temporary folder, see how it is confined, and remove it."""
    from seatrial.links.ssh.keys import trial_key

    tag = f"{tree.TRY}-{os.getpid()}-{process_start(os.getpid())}-{secrets.token_hex(8)}/n11"
    with tempfile.TemporaryDirectory(prefix="seatrial-readiness-") as temporary:
        folder = Path(temporary)  # all of it, so that the finder of a killed probe's node removes all
        detail: dict[str, object] = {"folder": temporary, "tag": tag, "logs": f"{temporary}/logs"}
        resource = Resource(kind="node", name="readiness-n11", owner="provider:local", run="", detail=detail)
        try:
            address = f"127.{random.randrange(64, 128)}.{random.randrange(256)}.{random.randrange(2, 254)}"
            with socket.socket() as probe:
                probe.bind((address, 0))
                port: int = probe.getsockname()[1]
            prepare(detail, "n11", address, port, trial_key(folder / "key"), {})
            node = Node(name="n11", address=address, ssh={"host": address, "port": port}, detail=detail)
            await local.start(node)
            report = tree.read_state(folder)["confinement"]
        except (SeatrialError, OSError) as error:
            return Readiness(False, f"a node was made and did not boot: {error}", "Linux with /proc and 127.0.0.0/8")
        finally:
            await local.destroy(resource)
    if report["mode"] == "namespaces":
        return Readiness(True, f"a node booted in its own namespaces ({report['how']})")
    tracked = "cgroup, subreaper and tags" if report["cgroup"] else "subreaper and tags"
    return Readiness(True, f"a node booted without namespaces ({report['why']}); its processes are held by {tracked}")
