"""Resources of a probe, named so that leftovers of a killed one are recognised. Blocks."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any

from seatrial.links.libvirt import library
from seatrial.links.paths import project_folder
from seatrial.links.process import process_start
from seatrial.providers.libvirt import volumes, xml
from seatrial.providers.libvirt.names import PREFIX

OVER = 120.0
"""Seconds after which any probe has ended."""

PROCESS = "seatrial.process"
NAME = rf"{PREFIX}-probe-[0-9a-f]{{12}}"
FILE = re.compile(rf"{NAME}\.(\d+)-(\d+)\..*")


def name() -> str:
    """A name for one probe's network and guest."""
    return f"{PREFIX}-probe-{secrets.token_hex(6)}"


def files(name: str) -> str:
    """Prefix of its files: it names the process."""
    return f"{name}.{os.getpid()}-{process_start(os.getpid())}."


def labels() -> dict[str, str]:
    """The probe's owner, and its expiry."""
    return {
        "seatrial.project": str(project_folder()),
        "seatrial.expires": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + OVER)),
        PROCESS: f"{os.getpid()} {process_start(os.getpid())}",
    }


def forgotten(connection: Any) -> dict[str, Mapping[str, str]]:
    """Networks of dead probes, with their labels. Their guests ended with the process's connection."""
    found: dict[str, Mapping[str, str]] = {}
    for network in connection.listAllNetworks():
        if re.fullmatch(NAME, network.name()):
            with contextlib.suppress(library().libvirtError):  # it went while we looked
                told = xml.network_labels(network.XMLDesc(0))
                pid, _, start = told.get(PROCESS, "").partition(" ")
                if pid.isdigit() and str(process_start(int(pid))) != start:
                    found[network.name()] = told
    return found


def forgotten_files(pool: Any) -> list[str]:
    """Files of dead probes."""
    named = filter(None, map(FILE.fullmatch, volumes.look(pool)))
    return [match[0] for match in named if process_start(int(match[1])) != match[2]]
