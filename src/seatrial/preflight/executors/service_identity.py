"""The identity of a check's services, for the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict

from seatrial.errors import CannotTell
from seatrial.preflight.document import Service
from seatrial.preflight.executors.images import id_in_store
from seatrial.preflight.system import pipeline_of
from seatrial.spi import Context


async def identity(ctx: Context, wanted: Mapping[str, Service], *, host: bool) -> str:
    """The settings of these services and the digests of their images, as one digest. CannotTell when an image is not in
    the store yet."""
    told: list[object] = []
    for name, service in sorted(wanted.items()):
        image = ""
        if service.image and not (host and service.host is not None):
            image = await id_in_store(ctx, await pipeline_of(ctx).engine(), service.image)
            if not image:
                raise CannotTell(f"the image {service.image} of the service {name} is not in the store yet")
        told.append([name, asdict(service), image])
    text = json.dumps(told, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest() if wanted else ""
