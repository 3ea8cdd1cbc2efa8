"""A witness in the guest: a process that leaves a file when it is asked to end, and nothing when the power is cut."""

from __future__ import annotations

import secrets

from seatrial.errors import CannotTell
from seatrial.links.ssh import SSHLink

PLANT = r"""setsid sh -c '
trap "echo gently >$1; sync; exit" TERM INT HUP
echo planted >$1.planted; sync
while :; do sleep 3600 & wait "$!"; done
' sh "$1" </dev/null >/dev/null 2>&1 &
until [ -e "$1.planted" ]; do sleep 0.1; done"""

LOOK = 'gently=; [ -e "$1" ] && gently=yes; rm -f "$1" "$1.planted"; [ -z "$gently" ]'

SECONDS = 20.0
"""Seconds for each command; without an answer there is no witness."""


async def plant(link: SSHLink) -> str:
    """Begin one in a node that is about to be crashed; its file, or empty for a node without an answer."""
    file = f"/var/tmp/seatrial-witness-{secrets.token_hex(8)}"
    try:
        done = await link.run(["sh", "-c", PLANT, "sh", file], timeout=SECONDS)
    except (CannotTell, TimeoutError):
        return ""
    return file if done.ok else ""


async def ended_gently(link: SSHLink, file: str) -> bool:
    """Whether the node was shut down; it is asked once it answers again."""
    return not (await link.run(["sh", "-c", LOOK, "sh", file], timeout=SECONDS)).ok


async def answers(link: SSHLink) -> bool:
    """Whether a node without power, by its cloud, still runs a command."""
    try:
        return (await link.run(["true"], timeout=3.0)).ok
    except (CannotTell, TimeoutError):
        return False
