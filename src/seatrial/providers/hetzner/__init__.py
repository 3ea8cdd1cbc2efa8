"""The hetzner provider: nodes are servers of Hetzner Cloud, made here or by a deployer."""

from __future__ import annotations

from typing import Any, ClassVar

from seatrial.providers.clouds.calls import ANSWER, Calls, imports
from seatrial.providers.clouds.provider import CloudProvider
from seatrial.providers.hetzner.cloud import Hetzner
from seatrial.providers.hetzner.labels import LABELS
from seatrial.providers.hetzner.refusals import Resets
from seatrial.providers.hetzner.settings import REMEDY, HetznerSettings, credentials
from seatrial.registry import provider


@provider("hetzner")
class HetznerCloud(CloudProvider):
    """Each node is a server of Hetzner Cloud, reached by SSH; those of a deployer are recognised."""

    name = "hetzner"
    title = "Hetzner Cloud"
    tagging = LABELS
    remedy = REMEDY

    Settings: ClassVar[type[Any]] = HetznerSettings

    async def connect(self, settings: HetznerSettings) -> Hetzner:
        """The project of the token."""
        with imports("the SDK of Hetzner Cloud", "hetzner"):
            from hcloud import Client
        found, resets = credentials(settings.context), Resets()
        client = Client(found.token, api_endpoint=found.endpoint, application_name="seatrial", timeout=ANSWER)
        # Repeating is the work of `Calls`: the SDK would send a creation again after a timeout.
        client._client._retry_max_retries = 0
        client._client._session.hooks["response"].append(resets.keep)
        return Hetzner(client, Calls(resets.told), settings, found)
