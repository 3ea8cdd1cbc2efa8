"""Faults for tests to inject, as AWS has on a bad day."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Plants:
    """The injected faults; change them while the server runs. A call is an action of the API: `RunInstances`."""

    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Action (`*`: every other one) to HTTP status and code of the answer, such as 403 and `UnauthorizedOperation`; it
    has no effect."""
    throttled: dict[str, int] = field(default_factory=dict)
    """Action to the number of further answers with the code `RequestLimitExceeded`."""
    lost: dict[str, int] = field(default_factory=dict)
    """Action to the number of further calls that take effect, and whose answer is cut off."""
    cpus: float = 64.0
    """What Service Quotas says of the CPUs of on-demand instances; nothing is refused by it."""
    late: float = 0.0
    """Seconds until a new instance appears in lists."""
    slow: float = 0.0
    """Additional seconds of every change of a state."""
    goes_on: bool = False
    """The answer says `stopped`, and the machines go on."""
    graceful: bool = False
    """Machines are shut down gracefully where their power was to be cut."""
    comes_back_new: bool = False
    """A started instance is another machine, with an empty disk and the same user data."""


def happens(plants: dict[str, int], action: str) -> bool:
    """Whether this call is one of the planted ones; it is then counted."""
    if plants.get(action, 0) <= 0:
        return False
    plants[action] -= 1
    return True
