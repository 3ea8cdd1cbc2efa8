"""Shell scripts for an existing machine: identity, claim, release, power.

A claim is one file in Seatrial's folder on the machine. A hard link creates it: of two control machines one is first,
and the file is complete from its first moment on. Its first line names trial and node, its second is JSON for others.
"""

from __future__ import annotations

import shlex

SYSRQ = "echo b > /proc/sysrq-trigger"
POWEROFF = "poweroff || shutdown -h now || halt -p"
POWEROFF_NOW = "poweroff -f || systemctl poweroff --force --force || halt -f -p"
REBOOT = "reboot || shutdown -r now"

LOOK = """cat /proc/sys/kernel/random/boot_id || exit 1
readlink /proc/self/ns/pid || echo -
sed 's/.*) //' /proc/1/stat 2>/dev/null | cut -d' ' -f20
"""
"""Three lines: the kernel's boot id, the PID namespace, the start time of its first process."""

_BASE = """[ -n "$base" ] || { if [ "$(id -u)" = 0 ]; then base=/var/lib/seatrial; else base=$HOME/.seatrial; fi; }
"""


def claim(base: str, trial: str, node: str, told: str) -> str:
    """Prints `claimed FOLDER` and the kernel's lines of listening sockets, or `held` and the existing claim."""
    return f"""{_head(base, trial, node)}told={shlex.quote(told)}
umask 022
mine="$base/.claim.$trial.$node"
mkdir -p "$base" && printf '%s %s\\n%s\\n' "$trial" "$node" "$told" >"$mine" || exit 73
sync "$mine" 2>/dev/null || sync
if ln "$mine" "$base/claim" 2>/dev/null || cmp -s "$mine" "$base/claim"; then
  rm -f "$mine"
  mkdir -p "$base/$trial" || exit 73
  sync "$base" 2>/dev/null || sync
  printf 'claimed %s\\n' "$base"
  grep -hs ' 0A ' /proc/net/tcp /proc/net/tcp6
  exit 0
fi
rm -f "$mine"
[ -e "$base/claim" ] || {{ echo "$base cannot hold a claim: it takes no hard links" >&2; exit 73; }}
echo held
cat "$base/claim"
"""


def release(base: str, trial: str, node: str) -> str:
    """End the trial's processes, remove its folder and claim; prints `released`, or `absent` when another holds it."""
    return f"""{_head(base, trial, node)}
rm -f "$base/.claim.$trial.$node"
held=
[ -e "$base/claim" ] && read -r held <"$base/claim"
[ "$held" = "$trial $node" ] || {{ echo absent; exit 0; }}
round=0
while pids=$(grep -lsF "E2E_RUN_ID=$trial" /proc/[0-9]*/environ | cut -d/ -f3) && [ -n "$pids" ]; do
  kill -s KILL $pids 2>/dev/null
  round=$((round + 1))
  [ "$round" -lt 100 ] || {{ echo "these processes do not end:" $pids >&2; exit 1; }}
  sleep 0.1
done
rm -rf "${{base:?}}/${{trial:?}}" && rm -f "$base/claim" && echo released
"""


def listing(base: str) -> str:
    """Prints the existing claim, if any."""
    return f'base={shlex.quote(base)}\n{_BASE}[ ! -e "$base/claim" ] || cat "$base/claim"\n'


def _head(base: str, trial: str, node: str) -> str:
    return f"base={shlex.quote(base)}; trial={shlex.quote(trial)}; node={shlex.quote(node)}\n{_BASE}"
