"""The settings of `[providers.libvirt]`, and what a suite's parameters say of a node's size."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from seatrial.errors import UsageError
from seatrial.model.values import Range

MIB = 1024 * 1024
GIB = 1024 * MIB
CMDLINE = "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet mitigations=off no_timer_check panic=10"
"""`no_timer_check`: a kernel takes an emulated timer that comes late, on a busy host, for broken, and panics."""
UNITS = {"": GIB, "m": MIB, "g": GIB, "t": 1024 * GIB}


@dataclass(frozen=True, kw_only=True)
class LibvirtSettings:
    """Where virtual machines live, and what they are made from."""

    uri: str = ""
    """The address of the daemon; empty: $LIBVIRT_DEFAULT_URI, else qemu:///system."""
    image: str = ""
    """A cloud image or another bootable disk, qcow2 or raw; relative to the project's folder."""
    kernel: str = ""
    """For direct kernel boot; else the image boots by its own loader."""
    initrd: str = ""
    """The initial RAM disk for `kernel`."""
    cmdline: str = CMDLINE
    """The command line for `kernel`."""
    user: str = "root"
    """The user on the nodes."""
    machine: str = "q35"
    """The machine type of QEMU."""
    cpu: str = ""
    """`host-passthrough`, `maximum`, or a model; empty: what fits the acceleration."""
    accelerate: Literal["auto", "kvm", "tcg"] = "auto"
    """`kvm`, `tcg` (emulation, slow), or the one that works here."""
    pool: str = ""
    """A storage pool that exists; empty: one of our own, in `folder`."""
    folder: str = ""
    """Where our own pool keeps disks; empty: /var/lib/libvirt/images/seatrial."""
    network: Literal["isolated", "nat"] = "isolated"
    """`isolated`: nodes reach each other and this host; `nat`: the world besides."""
    memory: Annotated[int, Range(1)] = 512
    """MiB of a node whose suite does not say."""
    vcpus: Annotated[int, Range(1)] = 1
    """CPUs of a node whose suite does not say."""
    room_mb: Annotated[int, Range(1)] = 512
    """MiB that must be free in the pool for each node before it is made."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """One place for disks, and a kernel for the initial RAM disk."""
        if self.pool and self.folder:
            yield "folder", "a pool has its folder already: name `pool` or `folder`, not both"
        if self.initrd and not self.kernel:
            yield "initrd", "`initrd` needs `kernel`, which is missing"


def uri_of(settings: LibvirtSettings) -> str:
    return settings.uri or os.environ.get("LIBVIRT_DEFAULT_URI") or "qemu:///system"


PARAMETERS = ("libvirt_memory", "libvirt_memory_gb", "libvirt_vcpus", "root_volume_size", "data_volumes_per_node",
              "data_volume_size")  # fmt: skip
"""The parameters of a suite with the size of its nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large one node is; bytes unless a name says otherwise."""

    memory_mib: int
    vcpus: int
    root: int
    """0: as large as the image."""
    data: tuple[int, ...]


def size_of(parameters: Mapping[str, object], settings: LibvirtSettings) -> Size:
    """A node's size from the suite's parameters: `libvirt_memory` (MiB) before `libvirt_memory_gb`, `libvirt_vcpus`,
    `root_volume_size`, `data_volumes_per_node`, `data_volume_size` (GiB, or text such as `512M`)."""
    gigabytes = parameters.get("libvirt_memory_gb")
    memory = settings.memory if gigabytes is None else bytes_of("libvirt_memory_gb", gigabytes) // MIB
    if parameters.get("libvirt_memory") is not None:
        memory = whole("libvirt_memory", parameters["libvirt_memory"], 32)
    count = whole("data_volumes_per_node", parameters.get("data_volumes_per_node", 0), 0)
    each = bytes_of("data_volume_size", parameters.get("data_volume_size", 1))
    return Size(
        memory_mib=memory,
        vcpus=whole("libvirt_vcpus", parameters.get("libvirt_vcpus", settings.vcpus), 1),
        root=bytes_of("root_volume_size", parameters["root_volume_size"]) if "root_volume_size" in parameters else 0,
        data=(each,) * count,
    )


def whole(name: str, value: object, least: int) -> int:
    """A whole number that is not too small; UsageError names the parameter."""
    if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value)) or int(str(value)) < least:
        raise UsageError(f"the parameter {name} is {value!r}; allowed is a whole number from {least}")
    return int(str(value))


def bytes_of(name: str, value: object) -> int:
    """Bytes of `20` (GiB), `0.5`, `512M`, `20G`, `1T`; UsageError names the parameter."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mgt]?)(?:i?b)?", str(value).strip().lower())
    if match is None or isinstance(value, bool) or not float(match[1]):
        raise UsageError(f"the parameter {name} is {value!r}; allowed is a size such as 20 (GiB), 0.5, 512M, 20G")
    return int(float(match[1]) * UNITS[match[2]])
