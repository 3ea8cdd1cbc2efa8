"""Which machine answers over a link, and whether it is the one that Seatrial itself runs on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import CannotTell, UsageError
from seatrial.links.ssh import SSHLink
from seatrial.providers.ssh import scripts

INITIAL = "pid:[4026531836]"
"""The first PID namespace of every Linux kernel: whoever is in it is in no container."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a machine tells of its kernel."""

    kernel: str
    namespace: str
    began: str

    @property
    def boot_id(self) -> str:
        """What changes with every boot. A container's kernel stays the same: there its first process is new."""
        return self.kernel if self.namespace == INITIAL else f"{self.kernel}/{self.began}"


async def seen(link: SSHLink, *, timeout: float = 10.0) -> Seen:
    """What the machine at the end of this link is; CannotTell when it does not tell."""
    done = await link.run(scripts.LOOK, timeout=timeout)
    words = done.stdout.split()
    if not done.ok or len(words) < 2:
        raise CannotTell(f"{link}: its boot id cannot be read, so it is no Linux machine that we know how to treat: "
                         f"{done.stderr.strip()}")  # fmt: skip
    return Seen(words[0], words[1], words[2] if len(words) > 2 else "")


def ours() -> Seen:
    """The machine that Seatrial itself runs on."""
    return Seen(
        Path("/proc/sys/kernel/random/boot_id").read_text().strip(), str(Path("/proc/self/ns/pid").readlink()), ""
    )


def require_other(link: SSHLink, machine: Seen, own: Seen) -> None:
    """UsageError for the machine that Seatrial itself runs on, also when it runs in a container there."""
    if machine.kernel == own.kernel and machine.namespace in (own.namespace, INITIAL, "-"):
        raise UsageError(
            f"{link} is the machine that Seatrial itself runs on (its kernel has the boot id {own.kernel}): it is not "
            "claimed, and nothing is done to it; name another machine in providers.ssh"
        )


def kernel_is_shared(machine: Seen, own: Seen) -> bool:
    """Whether it is a container on our own kernel, which its powers must never reach."""
    return machine.kernel == own.kernel
