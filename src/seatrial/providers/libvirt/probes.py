"""What a try of this machine makes, so that what one left that was killed is known as its own. Blocks."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any

from seatrial.links.libvirt import library
from seatrial.links.procfs import process_start
from seatrial.links.project import project_folder
from seatrial.providers.libvirt import xml
from seatrial.providers.libvirt.names import PREFIX

OVER = 120.0
"""Seconds after which any try is over."""

PROCESS = "seatrial.process"


def name() -> str:
    """A name for one try's network and guest."""
    return f"{PREFIX}-probe-{secrets.token_hex(6)}"


def labels() -> dict[str, str]:
    """Whose try it is, and until when."""
    return {
        "seatrial.project": str(project_folder()),
        "seatrial.expires": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + OVER)),
        PROCESS: f"{os.getpid()} {process_start(os.getpid())}",
    }


def forgotten(connection: Any) -> dict[str, Mapping[str, str]]:
    """Networks of tries whose process is dead, with their labels. Their guests went with the process's connection."""
    found: dict[str, Mapping[str, str]] = {}
    for network in connection.listAllNetworks():
        if re.fullmatch(rf"{PREFIX}-probe-[0-9a-f]{{12}}", network.name()):
            with contextlib.suppress(library().libvirtError):  # it went while we looked
                told = xml.network_labels(network.XMLDesc(0))
                pid, _, start = told.get(PROCESS, "").partition(" ")
                if pid.isdigit() and str(process_start(int(pid))) != start:
                    found[network.name()] = told
    return found
