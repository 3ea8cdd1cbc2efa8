"""Whether a Dagger engine works here: it runs one of this host's own programs in a container, so it needs no image."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, ExtraMissing
from seatrial.links import process
from seatrial.links.dagger import HOST, PORT, STARTERS, sdk_version
from seatrial.links.dagger.session import Session
from seatrial.links.output import end
from seatrial.spi import Readiness

EXTRA = "pip install 'seatrial[dagger]'"


async def readiness() -> Readiness:
    """Open a session, run a program in a container, and end the session."""
    session = Session(Path.cwd(), {})
    try:
        sdk_version()
        if not (os.environ.get(HOST) or os.environ.get(PORT)):
            return _unnamed()
        return await _tried(session)
    except ExtraMissing:
        return Readiness(False, "dagger-io cannot be imported", EXTRA)
    except CannotTell as error:
        return Readiness(False, str(error))
    finally:
        await session.close()


def _unnamed() -> Readiness:
    """Not tried: Dagger would start an engine, and it would stay."""
    starter = next((name for name in STARTERS if shutil.which(name)), "")
    why = (
        f"; the first check would start one by {starter}" if starter else f", and none of {', '.join(STARTERS)} is here"
    )
    return Readiness(False, f"no running engine is named in {HOST}{why}", "dagger core version" if starter else "")


async def _tried(session: Session) -> Readiness:
    import dagger

    clock = asyncio.get_running_loop().time
    await session.open()
    engine = f"engine {session.version} at {os.environ.get(HOST) or 'the session around this command'}"
    begun = clock()
    try:
        container = await _of_this_host(session.client)
        word = secrets.token_hex(8)  # new each time: Dagger's cache must not answer
        said = await container.with_exec(["/seatrial-echo", word]).stdout()
    except (dagger.DaggerError, OSError) as error:
        return Readiness(False, f"{engine} runs no container: {end(str(error), 300)}")
    if said.strip() != word:
        return Readiness(False, f"{engine} ran a container, but its output did not come: {end(said, 100)!r}")
    return Readiness(True, f"{engine}; a container ran in it ({clock() - begun:.1f} s)")


async def _of_this_host(client: Any) -> Any:
    """A container with this host's `echo` and the libraries it needs."""
    program = shutil.which("echo") or "/bin/echo"
    container = client.container().with_file("/seatrial-echo", client.host().file(os.path.realpath(program)))
    try:
        linked = (await process.run(["ldd", program], timeout=10)).stdout
    except CannotTell:
        linked = ""  # then it must be a static program
    for path in re.findall(r"(?:=> |^\s*)(/\S+)", linked, re.MULTILINE):
        container = container.with_file(path, client.host().file(os.path.realpath(path)))
    return container
