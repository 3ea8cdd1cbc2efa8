"""One cluster for everybody on this machine who asks for it: the first one starts it, the last one ends it.

A process of its own, the keeper, has the cluster and a socket. Who uses the cluster holds a connection, which ends with
its process however that ends. `python -m scripts.cluster.shared FOLDER` is the keeper.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from scripts.cluster.cluster import Cluster
from scripts.cluster.control_plane import GATEWAY
from scripts.cluster.node import containerd, forget, sweep_cgroups
from scripts.cluster.spaces import Broken
from scripts.images import cache

ROOT = Path(__file__).resolve().parents[2]
FOLDER = cache.folder_of("clusters") / "shared"
"""Where it is: beside the tools, which tests no longer find there once they have a cache folder of their own."""
READY, FAILED, KEEP, END, FORCE = "ready", "failed", "keep", "end", "force"
KEPT = "the cluster runs on: kept by"
START = 400.0
"""Seconds for the whole cluster."""


_keeper: dict[Path, subprocess.Popen[bytes]] = {}
"""The keepers that this process has started; they outlive it while others need them."""


@atexit.register
def _let_go() -> None:
    for keeper in _keeper.values():
        if keeper.poll() is None:
            keeper.returncode = 0  # it is nobody's to wait for


class Use:
    """The use of the shared cluster until `leave`, or until the end of this process."""

    def __init__(self, connection: socket.socket, folder: Path) -> None:
        self._connection, self.folder = connection, folder

    @property
    def kubeconfig(self) -> Path:
        """For kubectl, Helm and Seatrial; only this user may read it."""
        return self.folder / "kubeconfig"

    @property
    def context(self) -> str:
        """The one context in it."""
        return self.folder.name

    @property
    def host(self) -> str:
        """The address of this machine for pods: that of the way into the cluster's network."""
        server = json.loads(self.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        address = urlsplit(server).hostname
        assert address is not None
        return f"{address.rpartition('.')[0]}.{GATEWAY}"

    def load(self, image: Path) -> None:
        """Import an image, an archive, into all nodes; Broken with the reason."""
        for socket_of_node in sorted(self.folder.glob("n*/containerd.sock")):
            if why := containerd(socket_of_node, "--namespace=k8s.io", "images", "import", str(image)):
                raise Broken(f"{socket_of_node.parent.name} did not import {image}: {why}")

    def say(self, word: str) -> None:
        """Tell the keeper: KEEP the cluster without users, END it, or FORCE its end; by the checkout."""
        self._connection.sendall(f"{word} {quote(str(ROOT))}\n".encode())

    def leave(self) -> str:
        """Leave it; the last one waits for its end. What could not be removed, else an empty text."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        with self._connection:
            left = _rest(self._connection).strip()
        if (keeper := _keeper.get(self.folder)) is not None:
            keeper.poll()
        return left


def join(folder: Path = FOLDER) -> Use:
    """Use the cluster; start it when there is none. Broken with the reason."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _lock(folder):
        connection = _connect(folder) or _start(folder)
    connection.settimeout(START)
    try:
        word, _, why = _line(connection).partition(" ")
    except TimeoutError:
        word, why = FAILED, f"the cluster is not ready within {START:g} s"
    if word != READY:
        connection.close()
        raise Broken(why or f"the keeper of {folder} ended at once; see {_log(folder)}")
    connection.settimeout(None)
    return Use(connection, folder)


def running(folder: Path = FOLDER) -> Use | None:
    """Use the cluster if there is one."""
    connection = _connect(folder)
    if connection is None:
        return None
    with connection:  # until there is another one
        return join(folder)


def _connect(folder: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(_socket(folder)))
    except OSError:
        connection.close()
        return None
    return connection


def _start(folder: Path) -> socket.socket:
    with _log(folder).open("wb") as log:
        keeper = _keeper[folder] = subprocess.Popen(
            [sys.executable, "-m", "scripts.cluster.shared", str(folder)],
            cwd=ROOT,
            env={**os.environ, "SEATRIAL_CACHE_DIR": str(FOLDER.parent.parent)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + 20
    while (connection := _connect(folder)) is None:
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise Broken(f"the keeper of the cluster did not start: {_log(folder).read_text()[-500:]}")
        time.sleep(0.05)
    return connection


def keep(folder: Path) -> None:
    """Be the keeper: start the cluster, and end it when nobody uses it any more."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    forget(folder)
    sweep_cgroups()
    path = _socket(folder)
    path.unlink(missing_ok=True)
    cluster = Cluster(folder)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(64)
        greeting = READY
        try:
            cluster.start()
        except Broken as error:
            greeting = f"{FAILED} {' '.join(str(error).split())}"
        left: list[str] = []
        try:
            users = _serve(listener, greeting, folder)
        finally:
            left = cluster.stop()
            path.unlink(missing_ok=True)
        for user in users:
            with contextlib.suppress(OSError):
                user.sendall("\n".join(left).encode())


def _serve(listener: socket.socket, greeting: str, folder: Path) -> list[socket.socket]:
    """Greet and count the users until the last one leaves, unless the cluster is kept; who waits for its end."""
    users: set[socket.socket] = set()
    leaving: list[socket.socket] = []
    kept: set[str] = set()
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(1.0 if not users else None):
                if key.fileobj is listener:
                    user, _ = listener.accept()
                    with contextlib.suppress(OSError):
                        user.sendall(f"{greeting}\n".encode())
                    users.add(user)
                    selector.register(user, selectors.EVENT_READ)
                    continue
                assert isinstance(key.fileobj, socket.socket)
                user = key.fileobj
                try:
                    words = user.recv(4096).decode().split()
                except OSError:
                    words = []
                for word, by in zip(words[::2], words[1::2], strict=False):
                    kept = {KEEP: kept | {by}, END: kept - {by}, FORCE: set()}.get(word, kept)
                if END in words and kept:
                    with contextlib.suppress(OSError):
                        user.sendall(f"{KEPT} {', '.join(map(unquote, sorted(kept)))}".encode())
                if not words:
                    selector.unregister(user)
                    users.discard(user)
                    leaving.append(user)
            if users or kept:
                # Who leaves while others stay need not wait.
                while leaving:
                    leaving.pop().close()
            elif leaving and _nobody_comes(listener, folder):
                return leaving


def _nobody_comes(listener: socket.socket, folder: Path) -> bool:
    """Whether nobody has come meanwhile; from then on those who want to wait for the next cluster."""
    lock = _lock_file(folder).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        if selector.select(0):
            lock.close()
            return False
    _HELD.append(lock)  # until the end of this process
    return True


_HELD: list[object] = []


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with _lock_file(folder).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


def _socket(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.sock")


def _log(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.log")


def _line(connection: socket.socket) -> str:
    text = b""
    while not text.endswith(b"\n"):
        piece = connection.recv(4096)
        if not piece:
            break
        text += piece
    return text.decode().strip()


def _rest(connection: socket.socket) -> str:
    return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
