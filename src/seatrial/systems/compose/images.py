"""Images that a service needs and the engine does not have: the cause, where the tool's last words only follow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from seatrial.errors import CannotTell, StepFailed
from seatrial.links.containers import Engine, NoSuchImage, pulling
from seatrial.links.output import beginning
from seatrial.links.paths import shown
from seatrial.systems.compose.model import Composition, Service
from seatrial.systems.compose.settings import ComposeSettings
from seatrial.systems.compose.tools import Tool
from seatrial.systems.compose.written import written


async def missing(
    tool: Tool, composition: Composition, settings: ComposeSettings, folder: Path, files: Sequence[str],
    error: CannotTell | StepFailed,
) -> NoSuchImage | None:  # fmt: skip
    """The error that names the first service without an image, after the tool ended with this error; None: all images
    are there, or the engine does not say."""
    engine = tool.engine
    try:
        without = [one for one in composition.services.values() if await _is_missing(engine, one)]
    except CannotTell:
        return None
    if not without:
        return None
    service = without[0]
    reason = beginning(pulling.reason_in(error.evidence) or str(error), 500)
    text = (
        f"{_place(service, settings, folder, files)}: the service {service.name} needs the image {service.image}, "
        f"which is not in {engine.name}'s store, and `{tool.name} up` did not get it: {reason}; "
        f"{pulling.remedy(engine, service.image, reason)}"
    )
    if others := list(dict.fromkeys(one.image for one in without if one.image != service.image)):
        text += f"; also missing: {', '.join(others)}"
    return NoSuchImage(text, evidence=error.evidence)


async def _is_missing(engine: Engine, service: Service) -> bool:
    if not service.image or service.built:
        return False
    try:
        await engine.call("image", "inspect", "--format", "{{.Id}}", service.image, what=f"the image {service.image}")
    except NoSuchImage:
        return True
    return False


def _place(service: Service, settings: ComposeSettings, folder: Path, files: Sequence[str]) -> str:
    """The file and line of a service's image, as far as the text shows it."""
    texts = written(settings, folder)
    if texts is None or service.name not in texts.services:
        return ", ".join(shown(Path(os.path.normpath(folder / file))) for file in files)
    image = str(texts.services[service.name].get("image") or service.image)
    file, colon, line = texts.place(service.name, image).rpartition(":")
    return f"{shown(Path(os.path.normpath(folder / file)))}{colon}{line}" if colon else line
