"""The digitalocean provider: nodes are droplets of DigitalOcean, made here or by a deployer."""

from __future__ import annotations

from typing import Any, ClassVar

from seatrial.errors import ExtraMissing
from seatrial.providers.clouds.calls import Calls
from seatrial.providers.clouds.provider import CloudProvider
from seatrial.providers.clouds.settings import parameter_names
from seatrial.providers.digitalocean.cloud import DigitalOcean
from seatrial.providers.digitalocean.refusals import checked, told
from seatrial.providers.digitalocean.settings import REMEDY, DigitalOceanSettings, credentials
from seatrial.providers.digitalocean.tags import TAGGING
from seatrial.registry import provider

ANSWER = 45
"""Seconds for the answer to one call."""


@provider("digitalocean")
class Droplets(CloudProvider):
    """Each node is a droplet of DigitalOcean, reached by SSH; those of a deployer are recognised."""

    name = "digitalocean"
    title = "DigitalOcean"
    tagging = TAGGING
    lag = 10.0
    remedy = REMEDY
    parameter_names = parameter_names("digitalocean")

    Settings: ClassVar[type[Any]] = DigitalOceanSettings

    async def connect(self, settings: DigitalOceanSettings) -> DigitalOcean:
        """The account of the token."""
        calls = Calls(told, seconds=ANSWER * 2.0)
        found = credentials(settings.context)

        def connected() -> Any:
            try:
                from pydo import Client
            except ImportError as error:
                raise ExtraMissing(
                    "the SDK of DigitalOcean is not installed: pip install 'seatrial[digitalocean]'"
                ) from error
            # Repeating is the work of `Calls`: it knows which calls may be sent again.
            more: dict[str, Any] = {"retry_total": 0, "connection_timeout": 10, "read_timeout": ANSWER}
            client = Client(found.token, endpoint=found.endpoint, timeout=ANSWER, **more)
            account = checked(client.account.get, "the account")()["account"]
            team = (account.get("team") or {}).get("uuid") or account["uuid"]
            return DigitalOcean(client, calls, settings, found, str(team))

        cloud: DigitalOcean = await calls.ask("the account of DigitalOcean", connected)
        return cloud
