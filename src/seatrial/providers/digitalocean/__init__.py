"""The digitalocean provider: nodes are droplets of DigitalOcean, made here or by a deployer."""

from __future__ import annotations

from typing import Any, ClassVar

from seatrial.providers.clouds.calls import ANSWER, Calls, imports
from seatrial.providers.clouds.provider import CloudProvider
from seatrial.providers.digitalocean.cloud import DigitalOcean
from seatrial.providers.digitalocean.refusals import checked, told
from seatrial.providers.digitalocean.settings import REMEDY, DigitalOceanSettings, credentials
from seatrial.providers.digitalocean.tags import TAGGING
from seatrial.registry import provider


@provider("digitalocean")
class Droplets(CloudProvider):
    """Each node is a droplet of DigitalOcean, reached by SSH; those of a deployer are recognised."""

    name = "digitalocean"
    title = "DigitalOcean"
    tagging = TAGGING
    remedy = REMEDY

    Settings: ClassVar[type[Any]] = DigitalOceanSettings

    async def connect(self, settings: DigitalOceanSettings) -> DigitalOcean:
        """The account of the token."""
        calls = Calls(told)
        found = credentials(settings.context)

        def connected() -> Any:
            with imports("the SDK of DigitalOcean", "digitalocean"):
                from pydo import Client
            # Repeating is the work of `Calls`: it knows which calls may be sent again.
            more: dict[str, Any] = {"retry_total": 0, "connection_timeout": 10, "read_timeout": ANSWER}
            client = Client(found.token, endpoint=found.endpoint, timeout=int(ANSWER), **more)
            account = checked(client.account.get, "the account")()["account"]
            team = (account.get("team") or {}).get("uuid") or account["uuid"]
            return DigitalOcean(client, calls, settings, found, str(team))

        cloud: DigitalOcean = await calls.ask("the account of DigitalOcean", connected)
        return cloud
