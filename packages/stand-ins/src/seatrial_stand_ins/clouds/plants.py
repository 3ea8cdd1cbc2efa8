"""Faults for tests to inject into a cloud, as real clouds have on a bad day."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Plants:
    """The injected faults; change them while the server runs. A call is `POST /servers/{id}/actions/poweroff`, as in
    the vendor's reference; `*` is every call."""

    broken: dict[str, int] = field(default_factory=dict)
    """Call to the number of further answers with the status 500; it has no effect."""
    broken_until: float = 0.0
    """Every call is answered with the status 503 until this time of `time.monotonic()`."""
    throttled: dict[str, int] = field(default_factory=dict)
    """Call to the number of further answers with the status 429."""
    retry_after: int = 1
    """Seconds to wait after a planted 429, by the header that the vendor has for it."""
    lost: dict[str, int] = field(default_factory=dict)
    """Call to the number of further calls that take effect, and whose connection ends before the answer."""
    denied: set[str] = field(default_factory=set)
    """Calls without the right to them."""
    token_expired: bool = False
    """The token is not valid any more."""
    no_capacity: bool = False
    """The location has no room for another machine."""
    quota_full: bool = False
    """The account's limit of machines is reached."""
    operation_fails: dict[str, str] = field(default_factory=dict)
    """Command of an operation to the message of its failure; the operation has no effect."""
    operation_never_ends: set[str] = field(default_factory=set)
    """Commands whose operations go on for ever; their work is done."""
    goes_on: set[str] = field(default_factory=set)
    """Names of machines whose state is `off` after every stop, and go on."""
    graceful: set[str] = field(default_factory=set)
    """Names of machines that are shut down gracefully where their power was to be cut."""
    ignores_acpi: set[str] = field(default_factory=set)
    """Names of machines that ignore the power button."""
    comes_back_new: set[str] = field(default_factory=set)
    """Names of machines that are other machines after the next start, with an empty disk."""
    keeps: set[str] = field(default_factory=set)
    """Names of machines that are not deleted, although the cloud says so."""
    late: float = 0.0
    """Seconds until a new thing appears in lists."""
    lingers: float = 0.0
    """Seconds for which a deleted thing stays in lists."""
    slow: float = 0.0
    """Additional seconds of every operation."""


def happens(plants: dict[str, int], call: str) -> bool:
    """Whether this call is one of the planted ones; it is then counted."""
    for name in (call, "*"):
        if plants.get(name, 0) > 0:
            plants[name] -= 1
            return True
    return False
