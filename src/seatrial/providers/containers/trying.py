"""Whether a container starts on this machine, for `doctor`."""

from __future__ import annotations

from seatrial.errors import CannotTell, ToolMissing
from seatrial.links.containers import NoSuchImage, said_by
from seatrial.links.engines import configured, find
from seatrial.providers.containers.settings import Settings
from seatrial.spi import Readiness

INSTALL = "apt-get install podman runc netavark aardvark-dns catatonit"


async def readiness(settings: Settings) -> Readiness:
    """Start a container of the project's image (any program of this machine where there is no image), and remove it."""
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
    argv = ["run", "--rm", "--label", "seatrial.try=1", "--entrypoint", "/bin/sh", settings.image, "-c", "exit 0"]
    try:
        done = await engine.attempt(*argv, what=f"starting a container of {settings.image}", timeout=30)
    except CannotTell as error:
        return Readiness(False, f"{error} ({engine.program}{own})")
    if not done.ok:
        return Readiness(False, f"{engine.program}{own} starts no container of {settings.image}: {said_by(done)}")
    return Readiness(True, f"a container of {settings.image} was started by {engine.program}{own}, and removed")
