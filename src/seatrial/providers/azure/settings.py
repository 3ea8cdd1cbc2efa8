"""The settings of `[providers.azure]`."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.providers.clouds.settings import FirewallSettings

TABLE = "providers.azure"
REMEDY = "run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"


@dataclass(frozen=True, kw_only=True)
class AzureSettings(FirewallSettings):
    """Which subscription and location, and what virtual machines are made from. `image` is
    `PUBLISHER:OFFER:SKU:VERSION`, such as `Debian:debian-12:12-gen2:latest`, or the identifier of an image of yours;
    `size` such as `Standard_B1s`; `network` is `GROUP/NETWORK/SUBNET`, or empty: each trial makes one."""

    subscription: str = ""
    """The identifier of the subscription; empty: AZURE_SUBSCRIPTION_ID."""
    location: str = ""
    """The location of new machines, such as `westeurope`. Machines are looked for in all locations."""
    deallocate: bool = False
    """`stop_node` deallocates: a stopped machine costs only its disks and address, and loses its temporary disk."""
