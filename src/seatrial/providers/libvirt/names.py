"""Names of all resources: each contains the run, the trial and the node, so a name alone shows the owner; and those of
probes with their process, so leftovers of a killed one are recognised."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from seatrial.links.paths import project_folder
from seatrial.links.process import process_start

PREFIX = "seatrial"
_IDS = re.compile(r"r[0-9a-z]{23}\.t[0-9a-z]{23}$")
TRIAL = "-"
"""In place of a node in names that belong to the whole trial."""

PROBE = rf"{PREFIX}-probe-[0-9a-f]{{12}}"
PROBE_FILE = re.compile(rf"{PROBE}\.(\d+)-(\d+)\..*")
PROCESS = "seatrial.process"
"""A probe's label with its process."""

OVER = 120.0
"""Seconds after which any probe has ended."""


@dataclass(frozen=True, slots=True)
class File:
    """The name of one of our volumes: `seatrial.<run>.<trial>.<node>.<part>`."""

    run: str
    trial: str
    node: str
    part: str

    def __str__(self) -> str:
        return f"{PREFIX}.{self.run}.{self.trial}.{self.node}.{self.part}"


def file_of(name: str) -> File | None:
    """The parts of a volume's name; None: another program's volume, or one of no run (a cached image)."""
    words = name.split(".", 4)
    if len(words) != 5 or words[0] != PREFIX or not _IDS.match(f"{words[1]}.{words[2]}"):
        return None
    return File(*words[1:])


def network_of(trial: str) -> str:
    return f"{PREFIX}-{trial}"


def trial_of(network: str) -> str:
    """The trial in a network's name; empty: another program's network."""
    head, _, trial = network.partition("-")
    return trial if head == PREFIX and re.fullmatch(r"t[0-9a-z]{23}", trial) else ""


def bridges(trial: str) -> Iterator[str]:
    """Names for a bridge (the kernel allows 15 characters), one after another."""
    for number in range(20):
        yield f"sea{_digest(f'{trial}/{number}')[:10]}"


def mac_of(trial: str, node: str) -> str:
    """A hardware address of QEMU's own range, derived from the names."""
    digest = _digest(f"{trial}/{node}")
    return f"52:54:00:{digest[0:2]}:{digest[2:4]}:{digest[4:6]}"


def subnets(trial: str, taken: Sequence[IPv4Network]) -> Iterator[str]:
    """Private /24 networks (`10.81.7.0/24`) without overlap with the taken ones."""
    start = int(_digest(trial)[:8], 16)
    for step in range(200):
        place = (start + step * 257) % (64 * 256)
        subnet = IPv4Network(f"10.{64 + place // 256}.{place % 256}.0/24")
        if not any(subnet.overlaps(network) for network in taken):
            yield str(subnet)


def new_probe() -> str:
    """A name for one probe's network and guest."""
    return f"{PREFIX}-probe-{secrets.token_hex(6)}"


def probe_files(probe: str) -> str:
    """Prefix of its files: it names the process."""
    return f"{probe}.{os.getpid()}-{process_start(os.getpid())}."


def probe_labels() -> dict[str, str]:
    """The probe's owner, and its expiry."""
    return {
        "seatrial.project": str(project_folder()),
        "seatrial.expires": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + OVER)),
        PROCESS: f"{os.getpid()} {process_start(os.getpid())}",
    }


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
