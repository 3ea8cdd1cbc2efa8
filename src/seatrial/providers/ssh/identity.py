"""The identity of the machine behind a link, and whether Seatrial itself runs on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import CannotTell, UsageError
from seatrial.links.ssh import SSHLink
from seatrial.providers.ssh import scripts

INITIAL = "pid:[4026531836]"
"""The first PID namespace of every Linux kernel: its processes are in no container."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A machine's kernel, PID namespace and start of the first process there."""

    kernel: str
    namespace: str
    began: str

    @property
    def boot_id(self) -> str:
        """New with every boot. A container's kernel stays the same: there its first process is new."""
        return self.kernel if self.namespace == INITIAL else f"{self.kernel}/{self.began}"


async def seen(link: SSHLink, *, timeout: float = 10.0) -> Seen:
    """The machine at the end of this link; CannotTell when its identity is unreadable."""
    done = await link.run(scripts.LOOK, timeout=timeout)
    words = done.stdout.split()
    if not done.ok or len(words) < 2:
        raise CannotTell(
            f"{link}: its boot id cannot be read, so Seatrial cannot treat it as a Linux machine: {done.stderr.strip()}"
        )
    return Seen(words[0], words[1], words[2] if len(words) > 2 else "")


def ours() -> Seen:
    """The machine that Seatrial itself runs on."""
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Seen(kernel, str(Path("/proc/self/ns/pid").readlink()), "")


def require_other(link: SSHLink, machine: Seen, own: Seen) -> None:
    """UsageError for the machine that Seatrial itself runs on, also when it runs in a container there."""
    if machine.kernel == own.kernel and machine.namespace in (own.namespace, INITIAL, "-"):
        raise UsageError(
            f"{link} is the machine that Seatrial itself runs on (its kernel has the boot id {own.kernel}): it is not "
            "claimed, and nothing is done to it; name another machine in providers.ssh"
        )
