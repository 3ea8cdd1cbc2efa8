"""A machine's serial console: read for people, and for the reason why it does not answer."""

from __future__ import annotations

import re
from typing import Any

from seatrial.links.output import end
from seatrial.providers.libvirt import volumes

KEEP = 64 * 1024

PANIC = re.compile(r"Kernel panic - not syncing: .*|BUG: unable to handle .*|Oops: .*|Unable to mount root fs.*")
NO_LOADER = re.compile(
    r"No bootable device.*|Boot failed: not a bootable disk.*|not a bootable disk.*|Missing operating system.*"
    r"|error: no such (?:partition|device).*|GRUB Loading stage.*Error.*|grub rescue>.*"
)
EMERGENCY = re.compile(
    r"ALERT!.*does not exist.*|You are in emergency mode.*|\(initramfs\).*|Give root password for maintenance.*"
)
USER_SPACE = re.compile(
    r"Run \S+ as init process|systemd\[1\]:|Welcome to (?!GRUB)|login:|Begin: |Loading, please wait"
    r"|dracut|OpenRC|cloud-init|Starting version \d"
)
"""The kernel hands over to its first program, or a common init writes its first words."""

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1bc|\r")


def read(connection: Any, pool: Any, name: str) -> str:
    """The end of the console; empty when nothing was written. Blocks."""
    volume = volumes.found(pool, name)
    if volume is None:
        return ""
    data = volumes.read(connection, volume, KEEP)
    if len(data) < KEEP and (older := volumes.found(pool, f"{name}.0")) is not None:
        data = volumes.read(connection, older, KEEP - len(data)) + data  # libvirt's log daemon turns large files over
    return CONTROL.sub("", data.decode(errors="backslashreplace"))


def panic(text: str) -> str:
    """The last line of a kernel panic; empty: none."""
    found = PANIC.findall(text)
    return str(found[-1]).strip() if found else ""


def in_user_space(text: str) -> bool:
    """Whether its first program was started: the kernel reports it (unless quiet), or the program writes."""
    return bool(USER_SPACE.search(text))


def broken(text: str, *, direct: bool) -> str:
    """Why this boot can never succeed; empty: it still may."""
    if said := panic(text):
        return f"its kernel panicked: {said}"
    if not direct and (lost := NO_LOADER.findall(text)):
        return f"its firmware found nothing to boot: {lost[-1].strip()}"
    if stuck := EMERGENCY.findall(text):
        return f"its boot stopped before the system was up: {stuck[-1].strip()}"
    return ""


def stage(text: str, *, direct: bool) -> str:
    """The progress of a boot that did not finish in time."""
    if said := broken(text, direct=direct):
        return said
    if not text.strip():
        return "it wrote nothing on its serial port (has its kernel `console=ttyS0`?)"
    if "login:" in text or "Reached target" in text or "sshd" in text.lower():
        return "its system came up, and no SSH server answers: does the image start one, and take the address given?"
    return f"it was still booting; its last line: {end(text.strip().splitlines()[-1], 200)}"


def tail(text: str, lines: int = 40) -> str:
    """The last lines, for evidence."""
    return "\n".join(text.strip().splitlines()[-lines:])
