"""Faults for tests to inject into the server, as Google Cloud has on a bad day."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Plants:
    """The injected faults; change them while the server runs. Methods are spelled as in Google's description:
    `instances.insert`."""

    broken: dict[str, int] = field(default_factory=dict)
    """Method (`*`: every one) to the number of further calls that are answered with a 503 without JSON."""
    lost: dict[str, int] = field(default_factory=dict)
    """Method to the number of further calls that are carried out, but whose answer never arrives."""
    too_fast: dict[str, int] = field(default_factory=dict)
    """Method (`*`: every one) to the number of further calls refused with 403 `rateLimitExceeded`."""
    too_many: dict[str, int] = field(default_factory=dict)
    """The same with 429 and `Retry-After`."""
    operation_fails: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Method to code and words of the error of its operation, which has no effect."""
    never_ends: set[str] = field(default_factory=set)
    """Methods whose operations stay `RUNNING`; their work is done."""
    rights_missing: set[str] = field(default_factory=set)
    """Permissions that the account lacks, such as `compute.instances.create`."""
    no_capacity: bool = False
    """The zone is full: ZONE_RESOURCE_POOL_EXHAUSTED."""
    quota: int = 1000
    """The CPUs that the account may have in a region."""
    keeps: set[str] = field(default_factory=set)
    """Names of instances that are not deleted, although their operation succeeds."""
    keeps_running: set[str] = field(default_factory=set)
    """Names of instances that go on after a stop, although the operation succeeds and the list says `TERMINATED`."""
    ignores_reset: set[str] = field(default_factory=set)
    """Names of instances whose reset does nothing, although the operation succeeds."""
    resets_gently: set[str] = field(default_factory=set)
    """Names of instances that are shut down in an orderly way by a reset."""
    comes_back_new: set[str] = field(default_factory=set)
    """Names of instances that are other machines after the next start, with an empty disk."""
    moves: bool = False
    """A started instance has another external address, as an ephemeral one has (machines that are only a state)."""
    late: float = 0.0
    """Seconds until a new resource appears in lists."""
    slow: float = 0.0
    """Additional seconds of every operation."""
    token_seconds: int = 3599
    """The life of an access token."""

    def counted(self, plant: dict[str, int], method: str) -> bool:
        """Whether this call is one of those that a plant is for."""
        for name in (method, "*"):
            if plant.get(name, 0) > 0:
                plant[name] -= 1
                return True
        return False
