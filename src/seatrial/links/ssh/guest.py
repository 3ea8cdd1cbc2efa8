"""Powers from inside a machine, by commands over SSH; its identity, and whether Seatrial itself runs on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from seatrial.errors import CannotTell, LinkLost, UsageError
from seatrial.links.ssh import SSHLink
from seatrial.model.resource import Node
from seatrial.spi import Finished, Link

LOOK_SECONDS = 10.0
"""Seconds for a machine to report its identity."""

SYSRQ = "echo b > /proc/sysrq-trigger"
POWEROFF = "poweroff || shutdown -h now || halt -p"
POWEROFF_NOW = "poweroff -f || systemctl poweroff --force --force || halt -f -p"
REBOOT = "reboot || shutdown -r now"

LOOK = """cat /proc/sys/kernel/random/boot_id || exit 1
readlink /proc/self/ns/pid || echo -
sed 's/.*) //' /proc/1/stat 2>/dev/null | cut -d' ' -f20
"""
"""Three lines: the kernel's boot id, the PID namespace, the start time of its first process."""

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


async def seen(link: Link, *, timeout: float = 10.0) -> Seen:
    """The machine at the end of this link; CannotTell when its identity is unreadable."""
    done = await link.run(LOOK, timeout=timeout)
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


class GuestPowers:
    """Shutdown, reboot and crash of a node over its link; a provider adds the link and its own way to see the end."""

    cut_off: ClassVar[tuple[type[Exception], ...]] = (LinkLost, TimeoutError)
    """Errors of a power command that took the connection with it."""

    def link(self, node: Node) -> SSHLink:
        """The SSH link of the node."""
        raise NotImplementedError

    async def until_off(self, node: Node, boot: str) -> None:
        """Return when the node, commanded to power off in this boot, is off; CannotTell when it is not."""
        raise NotImplementedError

    async def boot_id(self, node: Node) -> str:
        """The kernel's boot id; in a container with the start of its first process. LinkDown when it is silent."""
        return (await seen(self.link(node), timeout=LOOK_SECONDS)).boot_id

    async def guest_stop(self, node: Node) -> None:
        """`poweroff` on the machine; returns when it is off."""
        machine = await self._other(node)
        await self._command(node, POWEROFF, "shut down")
        await self.until_off(node, machine.boot_id)

    async def guest_reboot(self, node: Node) -> None:
        await self._other(node)
        await self._command(node, REBOOT, "rebooted")

    async def guest_crash(self, node: Node) -> str:
        """SysRq `b`; in a container on this host's kernel, and without SysRq, `poweroff -f`."""
        machine, link = await self._other(node), self.link(node)
        if machine.kernel != ours().kernel:  # SysRq reaches the kernel itself
            done = await self._sent(link, SYSRQ, 3.0)
            if done is None or done.ok:
                link.abort()  # such a kernel says goodbye to nobody
                return "rebooting"
        await self._command(node, POWEROFF_NOW, "powered off by force", timeout=5.0)
        link.abort()
        await self.until_off(node, machine.boot_id)
        return "off"

    async def _other(self, node: Node) -> Seen:
        """The machine's current identity, never the machine Seatrial runs on: asked before each power."""
        machine = await seen(self.link(node), timeout=LOOK_SECONDS)
        require_other(self.link(node), machine, ours())
        return machine

    async def _command(self, node: Node, script: str, what: str, *, timeout: float = 30.0) -> None:
        """Run a power command, even if it takes the connection with it."""
        done = await self._sent(self.link(node), script, timeout)
        if done is not None and not done.ok:
            raise CannotTell(f"{self.link(node)} could not be {what}: {done.stderr.strip() or done.stdout.strip()}")

    async def _sent(self, link: SSHLink, script: str, timeout: float) -> Finished | None:
        """Run a command as root; None if it took the connection with it."""
        try:
            return await link.sudo(script, timeout=timeout, power=True)
        except self.cut_off:
            return None
