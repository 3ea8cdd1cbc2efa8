"""What of ours is inside a container: an init that any image with a shell can run, keys, and the SSH server's words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

INSIDE = "/seatrial"
"""Where a node's folder of this host is in the container."""

FOLDER = "/var/lib/seatrial"
"""What a service may write to; it is the container's own, and survives its power."""

SSHD_SAYS, READY = "sshd", "up"
"""Files by which the init says that there is an SSH server, and that it is through with its start."""

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
rm -f "$ours/said/"*
if [ -x /usr/sbin/sshd ] && [ -f "$ours/sshd.conf" ]; then
    mkdir -p /run/seatrial && cp "$ours/host_key" "$ours/authorized_keys" /run/seatrial/ && chmod 600 /run/seatrial/*
    if /usr/sbin/sshd -f "$ours/sshd.conf" -E /dev/stderr; then : >"$ours/said/{SSHD_SAYS}"; fi
fi
: >"$ours/said/{READY}"
if [ "$#" -gt 0 ]; then "$@" & fi
while :; do sleep 86400 & wait "$!"; done
"""

SSHD = """Port {port}
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
SetEnv {environment}
Subsystem sftp internal-sftp
"""

POWER_OFF = "if command -v systemctl >/dev/null && systemctl poweroff 2>/dev/null; then :; else kill -s TERM 1; fi"
"""What a guest is told for a power-off, and for a reboot: there is no firmware, so the engine starts it again."""


def furnish(
    folder: Path, *, host_key: bytes, authorized: bytes, environment: Mapping[str, str], port: int, ssh: bool
) -> None:
    """Write a node's folder; it is mounted into the container at INSIDE."""
    said = folder / "said"
    said.mkdir(parents=True, exist_ok=True)
    (folder / "init").write_text(INIT)
    if not ssh:
        return
    for name, content in (("host_key", host_key), ("authorized_keys", authorized)):
        (folder / name).touch(mode=0o600)
        (folder / name).write_bytes(content)
    pairs = " ".join(f'"{name}={value}"' for name, value in environment.items())
    (folder / "sshd.conf").write_text(SSHD.format(port=port, environment=pairs))
