"""The libvirt of tests on real machines: settings with the image of `make backends`, as small as it boots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.libvirtd import leftovers
from tests.backends.docker import ROOT


def machines(uri: str, **more: Any) -> dict[str, Any]:
    """Settings for the daemon at this address; others over them."""
    images = ROOT / ".images"
    return {
        "uri": uri,
        "image": str(images / "node.qcow2"),
        "kernel": str(images / "vmlinux"),
        "initrd": str(images / "initrd.img"),
        "memory": 160,
        **more,
    }


def inhabitants(uri: str) -> list[int]:
    """The processes of the test process's own daemon, and those that it started: QEMU, dnsmasq."""
    return list(leftovers.inhabitants(Path(uri.partition("socket=")[2]).parents[1]))


def daemon(uri: str) -> int:
    """One of them: they have a view of the file system of their own."""
    return inhabitants(uri)[0]
