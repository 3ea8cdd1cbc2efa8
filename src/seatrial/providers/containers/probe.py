"""Whether a container starts on this machine, for `doctor`."""

from __future__ import annotations

import asyncio
import secrets

from seatrial.errors import CannotTell, ToolMissing
from seatrial.links.containers import Engine, NoSuchImage, said_by
from seatrial.links.containers.engines import TRY, configured, find
from seatrial.providers.containers.settings import ContainersSettings
from seatrial.spi import Readiness

INSTALL = "apt-get install podman runc netavark aardvark-dns catatonit"


async def readiness(settings: ContainersSettings) -> Readiness:
    """Start a container of the project's image (any program of this machine without an image), and remove it."""
    try:
        engine = await find(settings.engine, image=settings.image)
    except ToolMissing as error:
        return Readiness(False, str(error), INSTALL)
    except CannotTell as error:
        return Readiness(False, str(error))
    own = " (with a configuration of our own)" if configured(engine) else ""
    if not settings.image:
        return Readiness(
            True, f"{engine.program}{own} answers; no image is named, so none of it was started",
            'name one in seatrial.toml: [providers.containers] image = "…"',
        )  # fmt: skip
    try:
        await engine.call("image", "inspect", "--format", "{{.Id}}", settings.image, what=f"the image {settings.image}")
    except NoSuchImage:
        told = f"{engine.program}{own} answers, and its store has no image {settings.image}"
        return Readiness(False, told, f"make it, or bring it: {engine.name} pull {settings.image}")
    except CannotTell as error:
        return Readiness(False, str(error))
    try:
        why = await _started(engine, settings.image)
    except CannotTell as error:
        return Readiness(False, f"{error} ({engine.program}{own})")
    if why:
        return Readiness(False, f"{engine.program}{own} starts no container of {settings.image}: {why}")
    did = f"a container of {settings.image} was started on a network of its own by {engine.program}{own}"
    return Readiness(True, f"{did}, and removed")


async def _started(engine: Engine, image: str) -> str:
    """Why a container of the image does not start on a network made for it; empty: it did. Both are removed."""
    name, label = f"seatrial-try-{secrets.token_hex(6)}", ("--label", "seatrial.try=1")
    argv = ["run", "--rm", "--name", name, "--network", name, *label, "--entrypoint", "/bin/sh", image, "-c", "exit 0"]
    try:
        await engine.make("network", "create", *label, name, what="making a network")
        done = await engine.attempt(*argv, what=f"starting a container of {image}", timeout=TRY)
        return "" if done.ok else said_by(done)
    finally:
        await asyncio.shield(_given_back(engine, name))


async def _given_back(engine: Engine, name: str) -> None:
    await engine.attempt("rm", "--force", "--volumes", name, what=f"giving back {name}")
    await engine.attempt("network", "rm", name, what=f"giving back {name}")
