"""A witness in the guest: a process that leaves a file when it is asked to end, and nothing when the power is cut. A
second file tells that the machine has the same disk again."""

from __future__ import annotations

import secrets
from typing import Literal

from seatrial.errors import CannotTell
from seatrial.links.ssh import SSHLink

PLANT = r"""setsid sh -c '
trap "echo gently >$1; sync; exit" TERM INT HUP
echo planted >$1.planted; sync
while :; do sleep 3600 & wait "$!"; done
' sh "$1" </dev/null >/dev/null 2>&1 &
until [ -e "$1.planted" ]; do sleep 0.1; done"""

LOOK = r"""word=another
[ ! -e "$1.planted" ] || word=cut
[ ! -e "$1" ] || word=gently
rm -f "$1" "$1.planted"
echo "$word" """

SECONDS = 20.0
"""Seconds for each command; without an answer there is no witness."""


async def plant(link: SSHLink) -> str:
    """Begin one in a node that is about to lose its power; its file, or empty for a node without an answer."""
    file = f"/var/tmp/seatrial-witness-{secrets.token_hex(8)}"
    try:
        done = await link.run(["sh", "-c", PLANT, "sh", file], timeout=SECONDS)
    except (CannotTell, TimeoutError):
        return ""
    return file if done.ok else ""


async def seen(link: SSHLink, file: str) -> Literal["gently", "cut", "another"]:
    """Ask it once the node answers again: `gently`: the node was shut down; `cut`: it was not; `another`: its disk is
    not the one of before."""
    word = (await link.run(["sh", "-c", LOOK, "sh", file], timeout=SECONDS)).stdout.strip()
    return "gently" if word == "gently" else "cut" if word == "cut" else "another"


async def answers(link: SSHLink) -> bool:
    """Whether a node without power, by its cloud, still runs a command."""
    try:
        return (await link.run(["true"], timeout=3.0)).ok
    except (CannotTell, TimeoutError):
        return False
