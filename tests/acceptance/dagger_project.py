"""A small image as an archive for Dagger's engine, which may have no registry: busybox, and nothing else."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import socket
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Document, Project

HOST = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"
ENGINE = os.environ.get("SEATRIAL_DAGGER_ENGINE", "")
WAIT = 300.0
"""Seconds that a run may take on a busy machine."""

COMMANDS = ("sh", "cat", "date", "echo", "env", "find", "grep", "httpd", "id", "ls", "mkdir", "sleep", "touch", "true",
            "wget")  # fmt: skip

needs_engine = pytest.mark.skipif(not ENGINE, reason="SEATRIAL_DAGGER_ENGINE names no running Dagger engine")


def archive(target: Path, *command: str) -> str:
    """Write the image, with the command that it starts; the word for `image`."""
    busybox = shutil.which("busybox")
    assert busybox, "busybox-static is not installed"
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for name in ("bin", "etc", "tmp", "source"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        tar.add(busybox, "bin/busybox")
        for name in COMMANDS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    blobs: dict[str, bytes] = {}

    def blob(content: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    content = layer.getvalue()
    platform = {"architecture": "amd64", "os": "linux"}
    config = {**platform, "config": {"Env": ["PATH=/bin"], "Cmd": list(command)},
              "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}"]}}  # fmt: skip
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(json.dumps(config).encode(), "config.v1+json"),
                "layers": [blob(content, "layer.v1.tar")]}  # fmt: skip
    top = {**blob(json.dumps(manifest).encode(), "manifest.v1+json"), "platform": platform}
    files = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [top]}).encode(),
        **{f"blobs/sha256/{digest}": each for digest, each in blobs.items()},
    }
    with tarfile.open(target, "w") as tar:
        for name, each in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(each)
            tar.addfile(entry, io.BytesIO(each))
    return f"oci-archive:{target}"


class InDagger(Project):
    """A project whose checks run in the engine."""

    @property
    def environment(self) -> dict[str, str]:
        own = {HOST: ENGINE, "SEATRIAL_CACHE_DIR": str(self.folder / "cache"), "DO_NOT_TRACK": "1"}
        return {**super().environment, **own}

    def left(self) -> list[str]:
        """Without the name that Dagger's command line gives itself, for all its runs."""
        return [one for one in super().left() if one != "lease xdg/dagger/stable_client_id"]

    def preflight(self, checks: Document, *arguments: str, more: Document | None = None, **env: str) -> Document:
        """The JSON of a run, with the checks by name; after it nothing is left."""
        self.describe(checks, more)
        environment = {**self.environment, **env}
        done = self.seatrial("preflight", "--format", "json", *arguments, timeout=WAIT, env=environment)
        assert done.stdout, done.stderr
        data: Document = json.loads(done.stdout)
        assert data["exit_code"] == done.returncode
        assert self.left() == [], self.left()
        return {**data, "checks": {one["name"]: one for one in data["stages"]["all"]["checks"]}}

    def describe(self, checks: Document, more: Document | None = None) -> None:
        stages = {"all": {"checks": checks}}
        self.write(
            "pipeline.json", {"pipeline": {"name": "Dagger", "executor": "dagger", "stages": stages, **(more or {})}}
        )


class Relay:
    """An address in front of the engine. After `cut` nobody answers there, and all connections are gone, as if the
    engine had crashed: to kill it would end the other tests."""

    def __init__(self, file: Path) -> None:
        self.address = f"unix://{file}"
        self._open: list[socket.socket] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(file))
        self._server.listen()
        threading.Thread(target=self._accepting, daemon=True).start()

    def cut(self) -> None:
        for connection in (self._server, *self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accepting(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = _connected(ENGINE)
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_copied, args=(one, other), daemon=True).start()


def _connected(address: str) -> socket.socket:
    kind, _, place = address.partition("://")
    if kind == "tcp":
        host, _, port = place.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)))
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(place)
    return connection


def _copied(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)


@contextmanager
def another_cache(project: InDagger) -> Iterator[dict[str, str]]:
    """A cache of Seatrial's without results, but with the same marks of secrets."""
    folder = project.folder / "another"
    shutil.copytree(project.folder / "cache" / "dagger", folder / "dagger", dirs_exist_ok=True)
    try:
        yield {"SEATRIAL_CACHE_DIR": str(folder)}
    finally:
        shutil.rmtree(folder)
