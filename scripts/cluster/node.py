"""A node: containerd, kubelet, kube-proxy and a bridge for its pods, in a space of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from scripts.cluster.control_plane import PODS, ControlPlane
from scripts.cluster.images import SANDBOX
from scripts.cluster.spaces import ENVIRONMENT, Broken, Program, Space, ended, last_words, run

CGROUPS = Path("/sys/fs/cgroup")
START = 240.0
"""Seconds for containerd to answer."""


class Node:
    """A node of a cluster; its programs by name."""

    def __init__(self, plane: ControlPlane, folder: Path, programs: Path, number: int) -> None:
        self.name, self.number, self._plane, self._folder = folder.name, number, plane, folder
        self._cgroup = f"seatrial-k8s/{os.getpid()}-{folder.parent.name}-{folder.name}"
        self.space = Space()
        self._socket = folder / "containerd.sock"
        self.address = ""
        argvs = (
            ["containerd", "--config", str(folder / "containerd.toml")],
            [
                str(programs / "kubelet"),
                f"--config={folder}/kubelet.yaml",
                f"--kubeconfig={plane.kubeconfig}",
                f"--hostname-override={self.name}",
                f"--root-dir={folder}/kubelet",
                f"--cert-dir={folder}/keys",
                "--oom-score-adj=0",
            ],
            [str(programs / "kube-proxy"), f"--config={folder}/proxy.yaml"],
        )
        made = [Program(self.space, folder, argv) for argv in argvs]
        self.programs = {program.name: program for program in made}

    def start(self) -> None:
        """Prepare the space, and start containerd."""
        for name in ("root", "state", "cni", "logs", "upper", "work", "plugins"):
            (self._folder / name).mkdir(parents=True)
        self.address = self._plane.join(self.space, self.name, self.number)
        # Tools of a node write to fixed places: here each finds its own.
        self.space.run("mount", "--make-rshared", "/")
        self.space.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
        for place in ("lib", "log"):
            upper, work = self._folder / "upper" / place, self._folder / "work" / place
            upper.mkdir()
            work.mkdir()
            layers = f"lowerdir=/var/{place},upperdir={upper},workdir={work}"
            self.space.run("mount", "-t", "overlay", "-o", layers, "overlay", f"/var/{place}")
        self.space.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self._make_cgroups()
        self._write_settings()
        self.programs["containerd"].start()

    def finish(self, images: list[Path]) -> None:
        """Import the images, and start kubelet and kube-proxy."""
        deadline = time.monotonic() + START
        while self._containerd("version"):
            self.programs["containerd"].require()
            if time.monotonic() > deadline:
                raise Broken(f"containerd does not answer: {last_words(self.programs['containerd'].log)}")
            time.sleep(0.1)
        for image in images:
            if why := self._containerd("--namespace=k8s.io", "images", "import", str(image)):
                raise Broken(f"containerd did not import {image}: {why}")
        self._plane.expect(self.name)
        self.programs["kubelet"].start()
        self.programs["kube-proxy"].start()

    def stop(self) -> list[str]:
        """End all of it; what could not be removed, in words."""
        self.space.stop()
        return remove_cgroups(self._cgroup)

    def _containerd(self, *words: str) -> str:
        return containerd(self._socket, *words)

    def _make_cgroups(self) -> None:
        # With cgroup v1 a new one has no processors until it is told which.
        for controller in _controllers():
            cgroup = controller / self._cgroup
            cgroup.mkdir(parents=True)
            if controller.name == "cpuset":
                for part in (cgroup.parent, cgroup):
                    for name in ("cpuset.cpus", "cpuset.mems"):
                        (part / name).write_text((part.parent / name).read_text())

    def _write_settings(self) -> None:
        folder = self._folder
        bridge = {
            "type": "bridge",
            "bridge": "pods",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": f"10.244.{self.number}.0/24"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        network = {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports, {"type": "loopback"}]}
        (folder / "cni" / "10-pods.conflist").write_text(json.dumps(network))
        (folder / "containerd.toml").write_text(
            CONTAINERD.format(folder=folder, socket=self._socket, sandbox=SANDBOX, plugins="/usr/lib/cni")
        )
        (folder / "resolv.conf").write_text(f"nameserver {self._plane.address}\n")
        kubelet = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{self._socket}",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._cgroup}",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(self._plane.keys / "ca.crt")},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "address": self.address,
            "failSwapOn": False,
            "nodeStatusUpdateFrequency": "2s",
            "nodeLeaseDurationSeconds": 6,
            "syncFrequency": "2s",
            "enforceNodeAllocatable": [],
            "resolvConf": str(folder / "resolv.conf"),
            "clusterDomain": "cluster.local",
            "clusterDNS": ["10.96.0.10"],
            "podLogsDir": str(folder / "logs"),
            "volumePluginDir": str(folder / "plugins"),
            # The disk is the machine's: removing images frees nothing of it, and no registry gives them back.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        }
        (folder / "kubelet.yaml").write_text(json.dumps(kubelet))
        proxy = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(self._plane.kubeconfig)},
            "hostnameOverride": self.name,
            "clusterCIDR": PODS,
            "mode": "iptables",
            # The limits are the host's, and no network of one's own may set them.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }
        (folder / "proxy.yaml").write_text(json.dumps(proxy))


CONTAINERD = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
oom_score = 0
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{folder}/cni"
"""


def containerd(socket: Path, *words: str) -> str:
    """Call containerd's own client; why that failed, or an empty text."""
    argv = ["ctr", f"--address={socket}", *words]
    done = subprocess.run(argv, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    return (done.stderr.strip()[-300:] or "no reason") if done.returncode else ""


def remove_cgroups(name: str, seconds: float = 10.0) -> list[str]:
    """Remove a cgroup with all below it, once the kernel has let its processes go; those that stay, in words."""
    deadline = time.monotonic() + seconds
    while True:
        places = [controller / name for controller in _controllers() if (controller / name).is_dir()]
        for place in places:
            for folder, _, _ in os.walk(place, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
        left = [place for place in places if place.is_dir()]
        if not left or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    for controller in _controllers():
        with contextlib.suppress(OSError):  # another cluster's are in it too
            (controller / name).parent.rmdir()
    return [f"the cgroup {place}" for place in left]


def sweep_cgroups() -> None:
    """Remove the cgroups of clusters whose process is gone."""
    names = {path.name for controller in _controllers() for path in (controller / "seatrial-k8s").glob("*-*")}
    for name in names:
        if ended(int(name.partition("-")[0])):
            remove_cgroups(f"seatrial-k8s/{name}")


def _controllers() -> list[Path]:
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir() if path.is_dir()]


def forget(folder: Path) -> None:
    """Unmount and delete what is in a folder."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if mount.startswith(f"{folder}/")]):
        run("umount", "--lazy", mount)
    shutil.rmtree(folder, ignore_errors=True)
