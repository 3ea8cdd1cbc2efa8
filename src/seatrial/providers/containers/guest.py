"""Our files inside a container: an init for any image with a shell, keys, and the SSH server's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from seatrial.providers.nodes import FOLDER

INSIDE = "/seatrial"
"""Where a node's folder of this host is in the container."""

SSHD_SAYS, READY = "sshd", "up"
"""Files by which the init reports an SSH server, and the end of its start."""

INIT = f"""#!/bin/sh
# The first process of this node: keeps it up, starts its SSH server, ends all when it is told to.
ours={INSIDE}
ending() {{
    trap '' TERM INT
    kill -s TERM -- -1 2>/dev/null
    tenths=30
    while [ "$tenths" -gt 0 ] && others; do sleep 0.1; tenths=$((tenths - 1)); done
    exit 0
}}
others() {{
    for one in /proc/[0-9]*; do
        case ${{one#/proc/}} in 1) continue ;; esac
        read -r line <"$one/stat" 2>/dev/null || continue
        line=${{line##*) }}
        case $line in Z*) continue ;; esac
        set -- $line
        [ "$2" = 0 ] || [ "$2" = 1 ] && return 0
    done
    return 1
}}
trap ending TERM INT
umask 022
mkdir -p {FOLDER} /run/sshd
read -r who <"$ours/user"
if [ "$who" != root ]; then
    chown "$who" {FOLDER} || {{ echo "the image has no user $who" >&2; exit 1; }}
fi
rm -f "$ours/said/"*
if [ -x /usr/sbin/sshd ] && [ -f "$ours/sshd.conf" ]; then
    mkdir -p /run/seatrial && cp "$ours/host_key" "$ours/authorized_keys" /run/seatrial/ || exit 1
    chmod 600 /run/seatrial/host_key && chmod 644 /run/seatrial/authorized_keys
    if /usr/sbin/sshd -f "$ours/sshd.conf" -E /dev/stderr; then : >"$ours/said/{SSHD_SAYS}"; fi
fi
: >"$ours/said/{READY}"
if [ "$#" -gt 0 ]; then "$@" & fi
while :; do sleep 86400 & wait "$!"; done
"""

SSH_PORT = 22
SSHD = f"""Port {SSH_PORT}
HostKey /run/seatrial/host_key
AuthorizedKeysFile /run/seatrial/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
PidFile /run/sshd-seatrial.pid
MaxSessions 100
MaxStartups 100
Subsystem sftp internal-sftp
SetEnv """

POWER_OFF = "if command -v systemctl >/dev/null && systemctl poweroff 2>/dev/null; then :; else kill -s TERM 1; fi"
"""Signals for a power-off and a reboot: without firmware, the engine starts it again."""


def furnish(folder: Path, user: str) -> None:
    """Write a node's folder; it is mounted into the container at INSIDE."""
    (folder / "said").mkdir(parents=True, exist_ok=True)
    (folder / "init").write_text(INIT)
    (folder / "user").write_text(f"{user}\n")


def furnish_server(folder: Path, host_key: str, authorized: str, environment: Mapping[str, str]) -> None:
    """Write the files of its SSH server."""
    for name, content, mode in (("host_key", host_key, 0o600), ("authorized_keys", authorized, 0o644)):
        (folder / name).touch(mode=mode)
        (folder / name).write_text(content)
    pairs = " ".join(f'"{name}={value}"' for name, value in environment.items())
    (folder / "sshd.conf").write_text(f"{SSHD}{pairs}\n")


def for_image(folder: Path, user: str) -> dict[Path, str]:
    """Our key for an image with an SSH server of its own, and where the server looks for it."""
    home = "/root" if user == "root" else f"/home/{user}"
    return {
        folder / "host_key": "/etc/ssh/ssh_host_ed25519_key",
        folder / "authorized_keys": f"{home}/.ssh/authorized_keys",
    }
