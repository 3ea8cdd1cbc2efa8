"""A real Gitea of a test's own, as an ordinary user, with one user and a token: ready in some seconds."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CONFIGURATION = """
RUN_MODE = prod
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
OFFLINE_MODE = true
START_SSH_SERVER = true
SSH_DOMAIN = 127.0.0.1
SSH_LISTEN_HOST = 127.0.0.1
SSH_PORT = {ssh}
SSH_LISTEN_PORT = {ssh}
SSH_SERVER_HOST_KEYS = {folder}/host_key
APP_DATA_PATH = {folder}/data
STATIC_ROOT_PATH = {folder}/static
[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
[repository]
ROOT = {folder}/repositories
[security]
INSTALL_LOCK = true
PASSWORD_HASH_ALGO = pbkdf2$1$10
[webhook]
ALLOWED_HOST_LIST = *
[log]
MODE = console
LEVEL = warn
"""

USER, PASSWORD = "anna", "s3cret-of-anna"


@dataclass(frozen=True)
class Gitea:
    """A server that runs."""

    url: str
    token: str
    """Of the user `anna`, for everything."""

    def api(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """One request to its API."""
        headers = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", method=method, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            text: bytes = answer.read()
            return text


@contextmanager
def gitea(program: Path) -> Iterator[Gitea]:
    """Start it, and end it with all that it made. Run by root, it becomes nobody: Gitea refuses to be root."""
    with tempfile.TemporaryDirectory(prefix="seatrial-gitea-", dir="/tmp") as name:
        folder = Path(name)
        for part in ("options", "templates", "public"):
            shutil.copytree(program.parents[1] / part, folder / "static" / part)
        port, ssh = _free_ports(2)
        own = folder / "gitea"
        shutil.copy(program, own)  # the cache of root is closed to others
        (folder / "app.ini").write_text(CONFIGURATION.format(port=port, ssh=ssh, folder=folder))
        # Gitea's own would be one of RSA with 4096 bits, which takes its time.
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host_key"], check=True)
        user = ["--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        if user:
            subprocess.run(["chown", "-R", "65534:65534", folder], check=True)
        environment = {"PATH": os.environ["PATH"], "HOME": name, "GITEA_WORK_DIR": name, "USER": "nobody"}
        # One setpriv for both: a change of the user takes the signal at the parent's death away.
        words = ["setpriv", "--pdeathsig", "KILL", *user, "--", str(own), "--config", f"{folder}/app.ini"]

        def run(*more: str) -> str:
            done = subprocess.run(
                [*words, *more], env=environment, cwd=folder, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout.strip()

        run("migrate")
        run("admin", "user", "create", "--username", USER, "--password", PASSWORD, "--admin",
            "--email", "anna@example.org", "--must-change-password=false")  # fmt: skip
        token = run("admin", "user", "generate-access-token", "--username", USER, "--scopes", "all", "--raw")
        url = f"http://127.0.0.1:{port}"
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*words, "web"], env=environment, cwd=folder, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            end = time.monotonic() + 240
            while True:
                with suppress(OSError), urllib.request.urlopen(f"{url}/api/healthz", timeout=5) as answer:
                    if answer.status == 200:
                        break
                assert server.poll() is None, (folder / "log").read_text()[-1000:]
                assert time.monotonic() < end, (folder / "log").read_text()[-1000:]
                time.sleep(0.05)
            yield Gitea(url, token.split()[-1])
        finally:
            server.terminate()
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(30)


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        free = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in free:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in free]
