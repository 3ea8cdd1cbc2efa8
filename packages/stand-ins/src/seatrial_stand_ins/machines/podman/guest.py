"""The server's files inside a container used as a virtual machine: its first process, keys, a small cloud-init.

The first process is the machine: it creates the disks' device nodes, mounts the entries of /etc/fstab, starts the SSH
server, runs the user data on the first boot and /etc/rc.local on each. It adds `poweroff`, `halt`, `shutdown` and
`reboot` if the image has none; they signal it, and its exit code asks the server for a restart or not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial_stand_ins.machines import Disk, MachineFailed

INSIDE = "/seatrial-machine"
"""The place of the machine's folder of this host."""

REBOOT = 129
"""The exit code for a reboot; any other is power-off."""

INIT = f"""#!/bin/sh
ours={INSIDE}
down() {{
    trap '' TERM INT HUP
    if [ "$2" = gently ]; then
        kill -s TERM -- -1 2>/dev/null
        tenths=30
        while [ "$tenths" -gt 0 ] && others; do sleep 0.1; tenths=$((tenths - 1)); done
    fi
    sync
    exit "$1"
}}
others() {{
    for one in /proc/[0-9]*; do
        [ "${{one#/proc/}}" = 1 ] && continue
        read -r line <"$one/stat" 2>/dev/null || continue
        line=${{line##*) }}
        case $line in Z*) continue ;; esac
        return 0
    done
    return 1
}}
trap 'down 0 gently' TERM INT
trap 'down {REBOOT} gently' HUP
trap 'down 0 now' USR1
trap 'down {REBOOT} now' USR2
umask 022
for name in poweroff halt shutdown reboot; do
    [ -e "/usr/sbin/$name" ] || cp "$ours/power" "/usr/sbin/$name"
done
disk() {{
    [ -b "/dev/$1" ] || mknod "/dev/$1" b "$2" "$3"
    mkdir -p /dev/disk/by-id && ln -sf "../../$1" "/dev/disk/by-id/virtio-$4"
}}
while read -r name major minor serial; do disk "$name" "$major" "$minor" "$serial"; done <"$ours/disks"
[ ! -s /etc/fstab ] || mount -a || echo "some of /etc/fstab could not be mounted" >&2
while read -r user sudo; do
    id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --password '*' "$user" || exit 1
    home=$(getent passwd "$user" | cut -d: -f6)
    mkdir -p "$home/.ssh" && cp "$ours/keys/$user" "$home/.ssh/authorized_keys" || exit 1
    chmod 700 "$home/.ssh" && chmod 600 "$home/.ssh/authorized_keys" && chown -R "$user:" "$home/.ssh"
    if [ "$sudo" = yes ] && [ -d /etc/sudoers.d ]; then echo "$user ALL=(ALL) NOPASSWD:ALL" >"/etc/sudoers.d/$user"; fi
done <"$ours/users"
mkdir -p /run/sshd /etc/ssh /var/lib/seatrial
cp "$ours/host_key" /etc/ssh/ssh_host_ed25519_key && chmod 600 /etc/ssh/ssh_host_ed25519_key || exit 1
/usr/sbin/sshd -f "$ours/sshd.conf" -E /dev/stderr || exit 1
if [ -x "$ours/user-data" ] && [ ! -e /var/lib/seatrial/first-boot ]; then
    : >/var/lib/seatrial/first-boot
    "$ours/user-data" &
fi
[ ! -x /etc/rc.local ] || /etc/rc.local &
: >"$ours/said/up"
while :; do sleep 86400 & wait "$!"; done
"""

POWER = """#!/bin/sh
# poweroff, halt, shutdown and reboot of a machine that is a container: its first process is told.
name=${0##*/}
off=TERM on=HUP
for word in "$@"; do
    case $word in
        -f|-ff|--force) off=USR1 on=USR2 ;;
        -r|--reboot) name=reboot ;;
    esac
done
if [ "$name" = reboot ]; then kill -s "$on" 1; else kill -s "$off" 1; fi
"""

SSHD = """Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
PidFile /run/sshd.pid
MaxSessions 100
MaxStartups 100
AllowTcpForwarding yes
Subsystem sftp internal-sftp
"""


@dataclass(slots=True)
class Told:
    """The supported parts of user data."""

    host_key: str = ""
    keys: dict[str, list[str]] = field(default_factory=dict)
    """User to public keys."""
    sudo: set[str] = field(default_factory=set)
    script: bytes = b""


def told_by(user_data: bytes) -> Told:
    """A script (`#!`), or of `#cloud-config` the keys: ssh_authorized_keys, ssh_keys, users."""
    told = Told()
    if user_data.startswith(b"#!"):
        told.script = user_data
    elif user_data.startswith(b"#cloud-config"):
        _cloud_config(user_data, told)
    elif user_data.strip():
        raise MachineFailed("the user data is neither a script (`#!`) nor a `#cloud-config`")
    return told


def _cloud_config(text: bytes, told: Told) -> None:
    import yaml

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise MachineFailed(f"the user data is not valid YAML: {error}") from error
    config: dict[str, Any] = found if isinstance(found, dict) else {}
    told.keys["root"] = list(config.get("ssh_authorized_keys") or [])
    told.host_key = str((config.get("ssh_keys") or {}).get("ed25519_private") or "")
    for user in config.get("users") or []:
        if isinstance(user, dict):
            told.keys.setdefault(user["name"], []).extend(user.get("ssh_authorized_keys") or [])
            if user.get("sudo"):
                told.sudo.add(user["name"])
    commands = config.get("runcmd") or []
    if commands:
        lines = [" ".join(map(_quoted, one)) if isinstance(one, list) else str(one) for one in commands]
        told.script = ("#!/bin/sh\n" + "\n".join(lines) + "\n").encode()


def _quoted(word: object) -> str:
    import shlex

    return shlex.quote(str(word))


def furnish(folder: Path, told: Told, authorized: list[str], host_key: str) -> None:
    """Write a machine's folder."""
    keys = {"root": [], **told.keys}
    keys["root"] = [*authorized, *keys["root"]]
    for name in ("keys", "said"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    programs = {"init": INIT, "power": POWER, **({"user-data": told.script.decode()} if told.script else {})}
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    for user, lines in keys.items():
        (folder / "keys" / user).write_text("".join(f"{line.strip()}\n" for line in lines))
    (folder / "users").write_text("".join(f"{user} {'yes' if user in told.sudo else 'no'}\n" for user in keys))
    (folder / "host_key").touch(mode=0o600)
    (folder / "host_key").write_text(host_key)
    (folder / "sshd.conf").write_text(SSHD)
    (folder / "disks").write_text("")


def node_of(disk: Disk) -> str:
    """The name of a disk's device in the machine."""
    return f"vd{chr(ord('a') + disk.device)}"


def serial_of(disk: Disk) -> str:
    """The name of the device under /dev/disk/by-id."""
    return disk.id.replace("-", "")[:20]
