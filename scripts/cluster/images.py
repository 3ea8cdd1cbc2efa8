"""Container images without a registry: an OCI archive of one layer with Busybox, for pods and for their sandboxes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

BUSYBOX = "localhost/seatrial/busybox:1"
"""For pods: a shell, `httpd`, `wget`, `nc` and the like. The nodes have it: `imagePullPolicy: Never`."""

SANDBOX = "localhost/seatrial/sandbox:1"
FOREVER = ("/bin/sleep", "2147483647")
_KIND = "application/vnd.oci.image."
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(folder: Path) -> list[Path]:
    """Write the archives of all images; their paths."""
    layer = _busybox()
    archives = {BUSYBOX: (folder / "busybox.tar", ()), SANDBOX: (folder / "sandbox.tar", FOREVER)}
    for name, (path, entrypoint) in archives.items():
        pack(path, name, layer, entrypoint)
    return [path for path, _ in archives.values()]


def pack(path: Path, name: str, layer: bytes, entrypoint: Sequence[str] = (), user: str = "") -> None:
    """Write an OCI archive of an image with this one layer (a tar) to a file that `ctr images import` reads."""
    packed = gzip.compress(layer, 1, mtime=0)
    settings = {"Entrypoint": list(entrypoint), "Env": ["PATH=/bin"], **({"User": user} if user else {})}
    config = json.dumps(
        {
            "architecture": _MACHINES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            "history": [{}],
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{_KIND}manifest.v1+json",
            "config": _described("config.v1+json", config),
            "layers": [_described("layer.v1.tar+gzip", packed)],
        }
    ).encode()
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    entry = {**_described("manifest.v1+json", manifest), "annotations": names}
    index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    blobs = {f"blobs/sha256/{_digest(blob)[7:]}": blob for blob in (config, packed, manifest)}
    with tarfile.open(path, "w") as archive:
        for place, content in {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index, **blobs}.items():
            _add(archive, place, content)


def layer_of(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    """A tar with these programs and symbolic links, by their paths in the image."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in files.items():
            _add(archive, path, content, mode=0o755)
        for path, target in (links or {}).items():
            link = tarfile.TarInfo(path)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    return packed.getvalue()


def _busybox() -> bytes:
    program = shutil.which("busybox", path="/bin:/usr/bin")
    assert program is not None
    names = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    links = {f"bin/{name}": "busybox" for name in names if name != "busybox"}
    return layer_of({"bin/busybox": Path(program).read_bytes()}, links)


def _described(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": f"{_KIND}{kind}", "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _add(archive: tarfile.TarFile, path: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
