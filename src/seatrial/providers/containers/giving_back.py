"""Giving back what was made in an engine, by the record of it alone."""

from __future__ import annotations

import shutil
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.links.containers import Engine, NoSuchThing, clients_gone, find, refusal
from seatrial.model.resource import Resource
from seatrial.providers.containers.ground import engine_of

LOG_LINES = "20000"


async def give_back(resource: Resource) -> None:
    """Take away a node with its volumes, a volume, or a network; LeftBehind is whoever asks' to say."""
    detail = resource.detail
    engine = engine_of(detail) if detail.get("engine") else await find()
    if resource.kind == "network":
        await clients_gone([str(detail["network"])])
        await _gone(engine, "network", "rm", str(detail["network"]))
    elif resource.kind == "volume":
        await _gone(engine, "volume", "rm", "--force", str(detail["volume"]))
    else:
        await _node(engine, resource)


async def _node(engine: Engine, resource: Resource) -> None:
    container = str(resource.detail["container"])
    volumes = [str(one) for one in resource.detail.get("volumes") or ()]  # type: ignore[attr-defined]
    await clients_gone([container, *volumes])
    if resource.detail.get("logs"):
        await _keep_log(engine, container, Path(str(resource.detail["logs"])))
    await _gone(engine, "rm", "--force", "--volumes", *(["--time", "0"] if engine.podman else []), container)
    for volume in volumes:
        await _gone(engine, "volume", "rm", "--force", volume)
    folder = Path(str(resource.detail.get("folder") or "/nonexistent"))
    # Only a folder that is a node's of ours is removed.
    if (folder / "init").is_file():
        shutil.rmtree(folder)


async def _gone(engine: Engine, *argv: str) -> None:
    what = f"giving back {argv[-1]}"
    try:
        done = await engine.run(*argv, timeout=60)
    except TimeoutError as error:
        raise CannotTell(f"{what}: {engine.name} did not answer within 60 s") from error
    if not done.ok:
        refused = refusal(engine, what, done)
        if not isinstance(refused, NoSuchThing):
            raise refused


async def _keep_log(engine: Engine, container: str, folder: Path) -> None:
    """Into the artifacts, before it goes with its container."""
    text = await log_of(engine, container)
    if text:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "console.log").write_text(text, errors="backslashreplace")


async def log_of(engine: Engine, container: str) -> str:
    """All that a container wrote; nothing when there is no such container."""
    try:
        done = await engine.run("logs", "--tail", LOG_LINES, container, timeout=20)
    except TimeoutError:
        return f"no log: {engine.name} did not answer within 20 s"
    if not done.ok:
        refused = refusal(engine, "reading its log", done)
        return "" if isinstance(refused, NoSuchThing) else f"no log: {refused}"
    return done.stdout + done.stderr
