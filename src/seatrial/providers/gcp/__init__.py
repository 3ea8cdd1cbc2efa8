"""The gcp provider: nodes are instances of Google Compute Engine, made here or by a deployer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from seatrial.providers.clouds.calls import Calls
from seatrial.providers.clouds.provider import CloudProvider
from seatrial.providers.clouds.tags import Tagging
from seatrial.providers.clouds.vendor import Cloud
from seatrial.providers.gcp.engine import ComputeEngine
from seatrial.providers.gcp.session import ANSWER, REMEDY, Session
from seatrial.providers.gcp.settings import GoogleSettings
from seatrial.registry import provider


@provider("gcp")
class GoogleCloud(CloudProvider):
    """Each node is an instance of Compute Engine, reached by SSH; those of a deployer are recognised."""

    name = "gcp"
    title = "Google Cloud"
    tagging = Tagging(plain="a-z0-9-", longest=60)
    remedy = REMEDY

    Settings: ClassVar[type[Any]] = GoogleSettings

    async def cloud(self, place: Mapping[str, object] | None = None) -> Cloud:
        """Google's project has a name of its own in records: their `project` is the one of Seatrial."""
        return await super().cloud({**(place or {}), "project": (place or {}).get("google_project", "")})

    async def connect(self, settings: GoogleSettings) -> ComputeEngine:
        """The project, by Google's own search for credentials."""
        calls = Calls(lambda error, what: error, seconds=ANSWER * 3)
        session = await calls.ask("the credentials of Google Cloud", Session, settings)
        return ComputeEngine(session, calls, settings)
