"""Faults for tests to inject into the server, as real clouds have on a bad day."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Plants:
    """The injected faults; change them while the server runs. Commands are spelled as in CloudStack's reference."""

    job_fails: dict[str, str] = field(default_factory=dict)
    """Command to the message of its job's error; the command has no effect."""
    job_never_ends: set[str] = field(default_factory=set)
    """Commands whose jobs stay pending; their work is done."""
    refuses: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Command to the code and message of its immediate error."""
    broken: dict[str, int] = field(default_factory=dict)
    """Command (`*`: every one) to the number of further calls answered with a 503 without JSON."""
    no_capacity: bool = False
    """No host has room for another virtual machine: its job fails and leaves it in the state Error."""
    over_limit: bool = False
    """The account's limit of virtual machines is reached."""
    ends_in_error: set[str] = field(default_factory=set)
    """Names of virtual machines in the state Error after deployment, although their job succeeds."""
    keeps: set[str] = field(default_factory=set)
    """Names of virtual machines not destroyed, although their job reports success."""
    forgets_volumes: bool = False
    """Data volumes are never deleted with their machine, even on request."""
    may_not_expunge: bool = False
    """The account must not expunge: requests are rejected, and destroyed machines stay in the lists."""
    wrong_disk_size: int = 0
    """Size of every new data disk in GiB, instead of the requested one."""
    wrong_offering: str = ""
    """Name of the service offering of every new machine, instead of the requested one."""
    late: float = 0.0
    """Seconds until a new resource appears in lists."""
    slow: float = 0.0
    """Additional seconds of every job."""


def broken_now(plants: Plants, command: str) -> bool:
    """Whether this call gets no proper CloudStack answer."""
    for name in (command, "*"):
        if plants.broken.get(name, 0) > 0:
            plants.broken[name] -= 1
            return True
    return False
