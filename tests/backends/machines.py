"""Settings of the libvirt provider for tests on real machines: the image of `make backends`, as small as it boots."""

from __future__ import annotations

from typing import Any

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
