"""The settings of `[providers.azure]`, and the subscription."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.providers.clouds.settings import CloudSettings

ENDPOINT = "https://management.azure.com"
TABLE = "providers.azure"
REMEDY = "run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"


@dataclass(frozen=True, kw_only=True)
class AzureSettings(CloudSettings):
    """Which subscription and location, and what virtual machines are made from. `image` is
    `PUBLISHER:OFFER:SKU:VERSION`, such as `Debian:debian-12:12-gen2:latest`, or the identifier of an image of yours;
    `size` such as `Standard_B1s`; `network` is `GROUP/NETWORK/SUBNET`, or empty: each trial makes one."""

    subscription: str = ""
    """The identifier of the subscription; empty: AZURE_SUBSCRIPTION_ID, else the default one of `az`."""
    location: str = ""
    """The location of new machines, such as `westeurope`. Machines are looked for in all locations."""
    lets_in: Sequence[str] = ()
    """Networks, such as `203.0.113.0/24`, with access to all ports of a trial's machines."""
    deallocate: bool = False
    """`stop_node` gives the host back: a stopped machine costs nothing but its disks, and loses its temporary disk."""


def subscription_of(settings: AzureSettings) -> str:
    """The subscription; CannotTell without one."""
    if named := settings.subscription or os.environ.get("AZURE_SUBSCRIPTION_ID", ""):
        return named.lower()
    path = Path(os.environ.get("AZURE_CONFIG_DIR") or Path.home() / ".azure") / "azureProfile.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8-sig"))["subscriptions"]
        return next(str(one["id"]).lower() for one in known if one.get("isDefault"))
    except (OSError, ValueError, KeyError, StopIteration):
        raise CannotTell(f"no subscription: set AZURE_SUBSCRIPTION_ID, or `subscription` of [{TABLE}]") from None
