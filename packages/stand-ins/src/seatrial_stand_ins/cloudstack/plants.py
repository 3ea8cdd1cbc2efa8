"""Faults that tests plant into the server: each is what a real cloud does on a bad day."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Plants:
    """What goes wrong; change it while the server runs. Commands are spelled as in CloudStack's reference."""

    job_fails: dict[str, str] = field(default_factory=dict)
    """Command to the words of its job's error; nothing is done."""
    job_never_ends: set[str] = field(default_factory=set)
    """Commands whose jobs stay pending; what they do is done."""
    refuses: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Command to the code and the words that it is answered with at once."""
    broken: dict[str, int] = field(default_factory=dict)
    """Command (`*`: every one) to how many more of its calls are answered with a 503 and no JSON."""
    no_capacity: bool = False
    """No host has room for another virtual machine: its job fails, and it stays in the state Error."""
    over_limit: bool = False
    """The account may have no more virtual machines."""
    ends_in_error: set[str] = field(default_factory=set)
    """Names of virtual machines that are in the state Error when they are deployed, though their job succeeds."""
    keeps: set[str] = field(default_factory=set)
    """Names of virtual machines that destroying reports as done and leaves as they are."""
    forgets_volumes: bool = False
    """Data volumes are never deleted with their machine, though it is asked for."""
    may_not_expunge: bool = False
    """The account has no right to expunge: asking for it is refused, and what is destroyed stays as such."""
    wrong_disk_size: int = 0
    """GiB that every new data disk has instead of what was asked for."""
    wrong_offering: str = ""
    """Name of the service offering that every new machine has instead of what was asked for."""
    late: float = 0.0
    """Seconds until something new is in the lists."""
    slow: float = 0.0
    """Seconds that every job takes besides."""


def broken_now(plants: Plants, command: str) -> bool:
    """Whether this call is one of those that get no answer of CloudStack's."""
    for name in (command, "*"):
        if plants.broken.get(name, 0) > 0:
            plants.broken[name] -= 1
            return True
    return False
