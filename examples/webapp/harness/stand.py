"""Stands in for the world around the app: GitHub with a runner, CloudStack with machines, and the keys to both.

The workflows, the provisioning, the Kamal configuration and the scenario are the app's own; they are run as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

from seatrial.errors import SeatrialError
from seatrial.links.containers import Engine
from seatrial.links.containers.engines import find
from seatrial_stand_ins.cloudstack import CloudStackServer, PodmanMachines
from seatrial_stand_ins.github import GitHubServer
from seatrial_stand_ins.github.runner import WorkflowRunner

HERE = Path(__file__).resolve().parent
APP = HERE.parent
REPOSITORY = "acme/webapp"
NODE, BASE, DATABASE = "localhost/seatrial-dockhand", "localhost/seatrial-webapp-base", "localhost/seatrial-postgres"
IMAGES = "seatrial-webapp-example"
"""The runner's images are called `localhost/seatrial-webapp-example/<id>`, to find them again."""

PREFIX = "seatrial-webapp-"
NOT_THE_APP = shutil.ignore_patterns(".seatrial", "__pycache__", "harness", "*.pyc")
OPTIONS = ("--privileged", "--tmpfs", "/run:rw,notmpcopyup")
"""A node runs containers itself, and forgets at every boot its running ones."""


class Missing(Exception):
    """This machine lacks something; the text says how to get it."""


def engine() -> Engine:
    """Podman with all images; Missing otherwise."""
    if os.geteuid():
        raise Missing("machines with disks of their own need root: sudo make example-webapp")
    try:
        found = asyncio.run(find("podman"))
    except SeatrialError as error:
        raise Missing(f"{error}; or: sudo make backends") from error
    absent = [name for name in (NODE, BASE, DATABASE) if call(found, "image", "exists", name).returncode]
    if absent:
        raise Missing(f"podman has no image {', '.join(absent)}: sudo make backends")
    return found


def call(engine: Engine, *words: str) -> subprocess.CompletedProcess[str]:
    """A call of podman."""
    env = {**os.environ, **engine.extra}
    return subprocess.run([engine.program, *words], env=env, capture_output=True, text=True, check=False)


class Stand:
    """`with Stand() as stand:`; `stand.environment` is the environment for the scenario.

    `app` is the folder of the app, `port` the GitHub server's: the old one, to clean up after a killed stand.
    """

    def __init__(self, app: Path = APP, *, port: int = 0) -> None:
        self._app = app
        self._port = port
        self._stack = contextlib.ExitStack()
        self.secrets = {
            name: secrets.token_urlsafe(24) for name in ("MY_SECRET", "POSTGRES_PASSWORD", "KAMAL_REGISTRY_PASSWORD")
        }

    def __enter__(self) -> Stand:
        with contextlib.ExitStack() as stack:
            self._enter(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _enter(self, stack: contextlib.ExitStack) -> None:
        self._engine = engine()
        sweep(self._engine)
        id = secrets.token_hex(4)  # part of an image's name, where tempfile's underscores are not always allowed
        self.folder = Path(tempfile.gettempdir()) / f"{PREFIX}{id}"
        self.folder.mkdir(mode=0o700)
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        stack.enter_context(_held(self.folder))
        stack.callback(_remove_images, self._engine, id)
        self.key, self.retired = self._key("deploy"), self._key("retired")
        machines = PodmanMachines(NODE, options=OPTIONS)
        self.cloud = stack.enter_context(CloudStackServer(machines))
        runner = WorkflowRunner(tools=[self._programs()], environment=dict(self._engine.extra))
        self.github = stack.enter_context(GitHubServer(runner, port=self._port))
        (self.folder / "port").write_text(str(self.github.port))
        source = self.folder / "app"
        shutil.copytree(self._app, source, ignore=NOT_THE_APP)
        self.secrets |= {
            "SSH_PRIVATE_KEY": self.key.read_text(),
            "CLOUDSTACK_KEY": self.cloud.key,
            "CLOUDSTACK_SECRET": self.cloud.secret,
        }
        self.repository = self.github.add_repository(
            REPOSITORY, source, secrets=self.secrets, variables=self._variables(id)
        )

    def _variables(self, id: str) -> dict[str, str]:
        return {
            "MY_VAR": "blue",
            "BASE_IMAGE": BASE,
            "POSTGRES_IMAGE": DATABASE,
            "REGISTRY_IMAGE": f"{IMAGES}/{id}",
            "REGISTRY_SERVER": "localhost",
            "RESCUE_PUBLIC_KEY": self.retired.with_suffix(".pub").read_text().strip(),
            "CLOUDSTACK_ENDPOINT": self.cloud.url,
            "CLOUDSTACK_ZONE": "zone-1",
            "CLOUDSTACK_OFFERING": "small",
            "CLOUDSTACK_TEMPLATE": "debian-12",
            "CLOUDSTACK_DISK_OFFERING": "custom",
            "CLOUDSTACK_NETWORK_OFFERING": "DefaultIsolatedNetworkOfferingWithSourceNatService",
        }

    @property
    def environment(self) -> Mapping[str, str]:
        """For the scenario, besides the common environment."""
        return {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "GITHUB_API_URL": self.github.url,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_REF_NAME": "main",
            "GH_TOKEN": self.github.token,
            # The app's repository is on that server; this folder may be part of another one.
            "GIT_CEILING_DIRECTORIES": str(self._app.parent),
            **self.cloud.environment,
            "SSH_KEY_FILE": str(self.key),
            "RETIRED_KEY_FILE": str(self.retired),
            "KAMAL_MY_VAR": "blue",
            "KAMAL_MY_SECRET": self.secrets["MY_SECRET"],
            "KAMAL_POSTGRES_PASSWORD": self.secrets["POSTGRES_PASSWORD"],
        }

    def _key(self, name: str) -> Path:
        key = self.folder / f"key-{name}"
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
        subprocess.run(words, check=True, capture_output=True)
        return key

    def _programs(self) -> Path:
        """The runner's programs on PATH: this Python with the client `cs`, and the stand-in for Kamal."""
        folder = self.folder / "bin"
        folder.mkdir()
        for name in ("python", "python3"):
            (folder / name).symlink_to(sys.executable)
        kamal = folder / "kamal"
        python, path = shlex.quote(sys.executable), shlex.quote(str(HERE))
        kamal.write_text(f'#!/bin/sh\nPYTHONPATH={path} exec {python} -m kamal "$@"\n')
        kamal.chmod(0o755)
        return folder


def left() -> Iterator[int]:
    """The ports of killed stands' GitHub servers."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not _lives(folder) and (folder / "port").is_file():
            yield int((folder / "port").read_text())


def sweep(engine: Engine) -> None:
    """Remove keys and images of killed stands; the next CloudStack removes their machines."""
    home = Path(tempfile.gettempdir())
    for folder in home.glob(f"{PREFIX}*"):
        if not _lives(folder):
            shutil.rmtree(folder, ignore_errors=True)
    for id in {name.split("/")[2].partition(":")[0] for name in _images(engine)}:
        if not _lives(home / f"{PREFIX}{id}"):  # a build may have ended after its stand did
            _remove_images(engine, id)


def _images(engine: Engine) -> list[str]:
    """All images built by stands' runners; the engine lists the other names of an image too."""
    listed = call(engine, "images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    return [name for name in listed if name.startswith(f"localhost/{IMAGES}/")]


def _remove_images(engine: Engine, id: str) -> None:
    for name in _images(engine):
        if name.startswith(f"localhost/{IMAGES}/{id}:"):
            call(engine, "rmi", name)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The kernel releases the lock when this process dies, however it dies."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lives(folder: Path) -> bool:
    try:
        with (folder / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
