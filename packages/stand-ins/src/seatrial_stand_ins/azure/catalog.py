"""What a new subscription is offered."""

from __future__ import annotations

LOCATIONS = {"westeurope": "West Europe", "germanywestcentral": "Germany West Central", "eastus": "East US"}

SIZES = {"Standard_B1s": (1, 1024), "Standard_B2s": (2, 4096), "Standard_D2s_v5": (2, 8192)}
"""CPUs and MiB."""

IMAGES = {
    "Debian:debian-12:12-gen2": ("0.20261101.2290", "0.20261124.2313"),
    "Canonical:ubuntu-24_04-lts:server": ("24.04.202611050",),
}
"""Versions by publisher, offer and SKU; the last one is the latest."""

FORBIDDEN_USERS = ("admin", "administrator", "root", "guest", "test", "user", "console", "backup", "server")
"""Some of the names that Azure does not allow for the first user of a machine."""

CORES = 100
"""The quota of CPUs in a location."""
