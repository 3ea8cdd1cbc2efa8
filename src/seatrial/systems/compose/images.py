"""Images that a service needs and the engine does not have: the cause, where the tool's last words only follow."""

from __future__ import annotations

from collections.abc import Callable

from seatrial.errors import CannotTell, StepFailed
from seatrial.links.containers import Engine, NoSuchImage, pulling
from seatrial.links.output import beginning
from seatrial.systems.compose.model import Composition, Service
from seatrial.systems.compose.tools import Tool


async def missing(
    tool: Tool, composition: Composition, place: Callable[[str, str], str], error: CannotTell | StepFailed
) -> NoSuchImage | None:
    """The error that names the first service without an image, after the tool ended with this error; None: no image
    is missing, or the engine does not say. `place` finds a key of a service in the files."""
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
        f"{place(service.name, 'image')}: the service {service.name} needs the image {service.image}, "
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
