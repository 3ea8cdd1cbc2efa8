"""The powers over a node: a provider or a system declares them, a step requires them."""

from __future__ import annotations

from enum import StrEnum


class Powers(StrEnum):
    """A power over a node; a provider declares its own as a frozen set."""

    LIST = "list"
    STOP = "stop"
    START = "start"
    CRASH = "crash"
    """Hard power-off through the provider's API."""
    GRACEFUL_RESTART = "graceful restart"
    """Power cycle through the provider's API."""
    GUEST_STOP = "stop in the guest"
    GUEST_REBOOT = "reboot in the guest"
    GUEST_CRASH = "crash in the guest"
    PAUSE = "pause"
    SNAPSHOT = "snapshot and revert"
    """Keep the state of running nodes, and bring it back: `TakesSnapshots`."""
