"""The settings of `[providers.gcp]`."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.providers.clouds.settings import FirewallSettings


@dataclass(frozen=True, kw_only=True)
class GoogleSettings(FirewallSettings):
    """Which project and zone, and what instances are made from. `image` is `PROJECT/FAMILY` or `PROJECT/NAME`, such as
    `ubuntu-os-cloud/ubuntu-2404-lts-amd64`; `size` a machine type, such as `e2-small`; `network` is `NETWORK`, or
    `NETWORK/SUBNETWORK` where subnetworks are your own."""

    project: str = ""
    """The project; empty: that of the credentials."""
    zone: str = ""
    """The zone of new instances, such as `europe-west3-a`. Instances are looked for in all zones of the project."""
    firewall: bool = True
    """Make firewall rules for each trial: SSH from anywhere; all ports between its instances and from `lets_in`."""
