"""A quick check for libvirt on this machine: it asks the daemon and boots no guest."""

from __future__ import annotations

import functools
import shutil
import socket
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from seatrial.errors import SeatrialError
from seatrial.links import libvirt

PATIENCE = 5.0
"""Seconds for the daemon to accept a connection."""

SYSTEM = "qemu:///system"
SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")


@functools.cache
def why_absent(uri: str = "", *, ours: bool = True) -> str:
    """Why libvirt is unavailable at an address (empty: the usual one); empty: it is available.

    `ours`: Seatrial itself uses it, so the library is needed; otherwise a deployer does, and `virsh` is enough.
    """
    where = uri or SYSTEM
    try:
        libvirt.library()
    except SeatrialError as error:
        return str(error) if ours else _by_its_socket(where)
    reasons: list[str] = []
    # A hanging daemon costs an abandoned thread.
    thread = threading.Thread(target=lambda: reasons.append(libvirt.try_to_open(where)), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return reasons[0] if reasons else f"libvirt at {where} did not answer within {PATIENCE:g} s"


def _by_its_socket(uri: str) -> str:
    if shutil.which("virsh") is None:
        return "neither libvirt-python nor virsh is installed"
    parts = urlsplit(uri)
    sockets = parse_qs(parts.query).get("socket") or (SOCKETS if parts.path == "/system" and not parts.netloc else ())
    if not sockets:
        return ""  # clients start a session's daemon on demand; another host's is not checked from here
    tried = [_refusal(path) for path in sockets]
    return "" if "" in tried else f"no libvirt daemon answers at {uri} ({'; '.join(tried)})"


def _refusal(path: str) -> str:
    if not Path(path).exists():
        return f"no {path}"
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(path)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    return ""
