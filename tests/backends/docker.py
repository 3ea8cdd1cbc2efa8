"""A Docker daemon of the test session's own: its data, its socket, no firewall rules, and its bridges given back."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from scripts.images.engines import IMAGE

PREFIX = "seatrial-dockerd-"
ROOT = Path(__file__).resolve().parents[2]
TAR = ROOT / ".images" / "node.tar"


class Dockerd:
    """A daemon that runs; `host` is for DOCKER_HOST."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
        self.host = f"unix://{self.folder}/docker.sock"
        self._bridges = _bridges()
        argv = [
            "dockerd",
            f"--data-root={self.folder}/data",
            f"--exec-root={self.folder}/exec",
            f"--pidfile={self.folder}/dockerd.pid",
            f"--host={self.host}",
            "--default-ulimit=nofile=4096:4096",
            # The host reaches containers by their addresses without them, and none stay behind.
            "--iptables=false",
            "--ip6tables=false",
            "--bridge=none",
        ]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--", *argv], stdout=log, stderr=log, start_new_session=True
            )

    def ready(self, seconds: float = 240.0) -> str | None:
        """Why it does not answer with the image imported, or None."""
        deadline = time.monotonic() + seconds
        while self.run("version").returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                return f"dockerd does not answer: {(self.folder / 'log').read_text(errors='replace')[-500:]}"
            time.sleep(0.05)
        imported = self.run("import", "--change", 'CMD ["/usr/sbin/sshd", "-D", "-e"]', str(TAR), IMAGE)
        if imported.returncode:
            return f"docker did not import {TAR}: {imported.stderr.strip()}"
        started = self.run("run", "--rm", "--network", "none", IMAGE, "true")
        return f"docker starts no container: {started.stderr.strip()[-300:]}" if started.returncode else None

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Call docker's command with this daemon."""
        environment = {**os.environ, "DOCKER_HOST": self.host}
        return subprocess.run(
            ["docker", *words], env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    def left(self) -> list[str]:
        """What tests made in it and did not give back."""
        containers = self.run("ps", "--all", "--format", "{{.Names}}").stdout.split()
        networks = set(self.run("network", "ls", "--format", "{{.Name}}").stdout.split()) - {"none", "host", "bridge"}
        volumes = self.run("volume", "ls", "--quiet").stdout.split()
        kinds = {"container": containers, "network": sorted(networks), "volume": volumes}
        return [f"the {kind} {name} (docker)" for kind, names in kinds.items() for name in names]

    def stop(self) -> list[str]:
        """End it and all that it made; what could not be taken away, in words."""
        own = self._own_bridges()
        for name in self.run("ps", "--quiet").stdout.split():
            self.run("kill", name)
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(120)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for bridge in own & _bridges():
            subprocess.run(["ip", "link", "delete", bridge], capture_output=True, check=False)
        return [f"the bridge {name}" for name in own & _bridges()] + _deleted(self.folder)

    def _own_bridges(self) -> set[str]:
        listed = self.run(
            "network", "ls", "--no-trunc", "--filter", "driver=bridge", "--format", "{{.ID}}"
        ).stdout.split()
        names = set()
        for network in listed:
            told = json.loads(self.run("network", "inspect", network).stdout or "[]")
            options = (told[0].get("Options") or {}) if told else {}
            names.add(options.get("com.docker.network.bridge.name") or f"br-{network[:12]}")
        return names - self._bridges


def _deleted(folder: Path) -> list[str]:
    """Unmount and delete all in a daemon's folder; what could not be, in words."""
    for mount in reversed(_mounts(folder)):
        subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)
    return [f"the mount {name}" for name in _mounts(folder)] + ([f"the folder {folder}"] if folder.exists() else [])


def _mounts(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line.split()[1] for line in lines if str(folder) in line.split()[1]]


def forget_killed() -> None:
    """Delete the folders of daemons that were killed with their test process."""
    for folder in Path("/tmp").glob(f"{PREFIX}*"):
        pid = folder / "dockerd.pid"
        with contextlib.suppress(OSError):
            young = time.time() - folder.stat().st_mtime < 60
            if not young and not (pid.exists() and Path("/proc", pid.read_text().strip()).exists()):
                _deleted(folder)


def _bridges() -> set[str]:
    return {path.parent.name for path in Path("/sys/class/net").glob("*/bridge")}


def absent() -> str | None:
    """Why none can be started, as far as that can be told without trying; None: try it."""
    for name in ("dockerd", "docker", "containerd", "runc"):
        if not shutil.which(name):
            return f"{name} is not installed: `make backends` installs docker.io"
    if os.geteuid() != 0:
        return "a Docker daemon of the tests' own needs root"
    if not TAR.exists():
        return f"{TAR} is missing: `make backends` makes it"
    return None
