"""A whole cluster in one folder: `start`, break it as you like, `stop`; nothing of it is left."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from scripts.cluster import images
from scripts.cluster.control_plane import ControlPlane, free_number
from scripts.cluster.node import Node, forget
from scripts.cluster.spaces import PATH, Broken, Program, last_words, wait_until
from scripts.real_tools import tools

PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "conntrack": "conntrack",
    "iptables": "iptables",
    "ip": "iproute2",
    "catatonit": "catatonit",
    "busybox": "busybox-static",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
BUILT = ("kubernetes", "etcd")
PLACES = {name: tools()[name].path for name in (*BUILT, "helm")}
"""Where the tools are; tests have another cache folder of their own later."""
START = 240.0


class Cluster:
    """A control plane and its nodes (`n1`, `n2`, …). It ends with `stop`, and with the process that started it."""

    def __init__(self, folder: Path, nodes: int = 2) -> None:
        self.folder, self._count = folder, nodes
        self.plane: ControlPlane | None = None
        self.nodes: dict[str, Node] = {}

    @property
    def kubeconfig(self) -> Path:
        """For kubectl, Helm and Seatrial; only this user may read it."""
        return self.folder / "kubeconfig"

    @property
    def context(self) -> str:
        """The one context in it."""
        return self.folder.name

    def programs(self) -> Mapping[str, Program]:
        """All programs: `kube-apiserver`, `etcd`, …, `n1/kubelet`, `n1/containerd`, `n1/kube-proxy`, …"""
        assert self.plane is not None
        on_nodes = {f"{node.name}/{name}": one for node in self.nodes.values() for name, one in node.programs.items()}
        return {**self.plane.programs, **on_nodes}

    def start(self) -> None:
        """Start everything and wait until all nodes are ready; Broken with the reason, and nothing is left."""
        if why := missing():
            raise Broken(why)
        self.folder.mkdir(mode=0o700, parents=True)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        programs = self.folder / "bin"
        programs.mkdir()
        for name in BUILT:
            for program in PLACES[name].parent.iterdir():
                (programs / program.name).symlink_to(program)
        with free_number() as free:
            self.plane = plane = ControlPlane(self.folder, programs, free)
            plane.start()
        for number in range(1, self._count + 1):
            node = self.nodes[f"n{number}"] = Node(plane, self.folder / f"n{number}", programs, number)
            node.start()
        for node in self.nodes.values():
            for other in self.nodes.values():
                if other is not node:
                    plane.route(node.space, other.number, other.address)
        archives = self.folder / "images"
        archives.mkdir()
        written = images.write(archives)
        plane.finish()
        for node in self.nodes.values():
            node.finish(written)
        try:
            wait_until(self.ready, START, "the nodes are ready")
        except Broken as error:
            ends = "; ".join(f"{name}: {last_words(one.log)[-300:]}" for name, one in self.programs().items())
            raise Broken(f"{error}; {ends}") from None

    def ready(self) -> bool:
        """Whether all nodes are ready, and pods can be made."""
        assert self.plane is not None
        for program in self.programs().values():
            program.require()
        nodes = self.plane.get("/api/v1/nodes")
        if nodes is None or self.plane.get("/api/v1/namespaces/default/serviceaccounts/default") is None:
            return False
        conditions = [
            one["status"]["conditions"] for one in json.loads(nodes)["items"] if "conditions" in one["status"]
        ]
        ready = [one for all_of in conditions for one in all_of if one["type"] == "Ready" and one["status"] == "True"]
        return len(ready) == len(self.nodes)

    def stop(self) -> list[str]:
        """End all of it; what could not be removed, in words."""
        left = [said for node in self.nodes.values() for said in node.stop()]
        if self.plane is not None:
            self.plane.stop()
        forget(self.folder)
        if self.folder.exists():
            left.append(f"the folder {self.folder}")
        self.nodes, self.plane = {}, None
        return left


def missing() -> str:
    """The reason if no cluster can start here, as far as known without a try; else an empty text."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a Kubernetes cluster of one's own needs Linux and root"
    if absent := [name for name in BUILT if not PLACES[name].exists()]:
        return (
            f"{', '.join(absent)} not built: `make backends` (alone: python3 -m scripts.real_tools {' '.join(absent)})"
        )
    if lacking := [name for name in PACKAGES if not shutil.which(name, path=PATH)]:
        packages = " ".join(dict.fromkeys(PACKAGES[name] for name in lacking))
        return f"{', '.join(lacking)} not found: apt-get install {packages} (or `make backends`, which does)"
    return ""
