"""The power programs a node sees first in its PATH: they signal the node's own init and nothing else."""

import re
import shlex
import sys
from pathlib import Path

from seatrial.errors import UsageError

# The init's action on a signal; kept beside the scripts that send them.
SIGNALS = {"shutdown": "TERM", "poweroff": "USR1", "reboot": "USR2", "crash": "HUP", "cut": "QUIT"}
NAMES = ("reboot", "poweroff", "halt", "shutdown", "systemctl", "init", "telinit", "sysrq", "seatrial-init")

_SCRIPT = r"""#!/bin/sh
# Power commands of a local node reach that node's own init and nothing else.
name=${0##*/}
init=${SEATRIAL_INIT_PID:-1}
tell() {
  # The environment of the process proves that it is this node's init, whatever its number means here.
  if tr '\000' '\n' < "/proc/$init/environ" 2>/dev/null | grep -qxF 'SEATRIAL_NODE=@TAG@'; then
    kill -s "$1" "$init"; exit $?
  fi
  echo "$name: this is not a process of node" '@TAG@; nothing was done' >&2; exit 1
}
power() { # reboot|poweroff force
  case $1$2 in reboot) tell USR2;; reboot1) tell HUP;; poweroff) tell USR1;; *) tell QUIT;; esac
}
force=
for word; do case $word in
  -f|-ff|-nf|-fn|--force) force=1;;
  -w|--wtmp-only|-c|--help|--version) [ "$name" = systemctl ] || exit 0;;
esac; done
case $name in
reboot)
  for word; do case $word in -p|--poweroff) power poweroff "$force";; esac; done
  power reboot "$force";;
poweroff|halt)
  for word; do case $word in --reboot) power reboot "$force";; esac; done
  power poweroff "$force";;
shutdown)
  action=poweroff
  for word; do case $word in
    -r|--reboot) action=reboot;;
    +0|now|-*) ;;
    +*|[0-9]*) echo "shutdown: a node can only be told 'now', not '$word'" >&2; exit 1;;
  esac; done
  power "$action" "";;
systemctl)
  verb= unit=
  for word; do case $word in -*) ;; *) if [ -z "$verb" ]; then verb=$word; else unit=$unit\ $word; fi;; esac; done
  case $verb$unit in
  reboot*|kexec*|soft-reboot*|start\ reboot.target*|isolate\ reboot.target*) power reboot "$force";;
  poweroff*|halt*|start\ poweroff.target*|isolate\ poweroff.target*|start\ halt.target*) power poweroff "$force";;
  suspend*|hibernate*|hybrid-sleep*|sleep*|exit*|switch-root*|emergency*|rescue*)
    echo "systemctl: a node cannot $verb" >&2; exit 1;;
  esac
  [ -s '@FOLDER@/run/systemctl' ] && exec '@FOLDER@/run/systemctl' "$@"
  for folder in /bin /usr/bin; do
    grep -qs 'Power commands of a local node' "$folder/systemctl" && continue
    [ -x "$folder/systemctl" ] && exec "$folder/systemctl" "$@"
  done
  echo "systemctl: not found" >&2; exit 127;;
init|telinit)
  case $1 in 6) power reboot "";; 0) power poweroff "";; esac
  echo "$name: a node knows 0 (power off) and 6 (reboot), not '$1'" >&2; exit 1;;
sysrq)
  case $1 in b|c) tell HUP;; o) tell QUIT;; *) exit 0;; esac;;
seatrial-init)
  exec '@PYTHON@' -I -S '@FOLDER@/sbin/.ask.py' "$@";;
esac
"""

_ASK = """import json, os, socket, sys
os.chdir(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "run"))
with socket.socket(socket.AF_UNIX) as link:
    try:
        link.connect("init.sock")
    except OSError as error:
        sys.exit(f"seatrial-init: the node's init does not answer: {error}")
    link.sendall(json.dumps(sys.argv[1:]).encode() + b"\\n")
    answer = json.loads(link.makefile("rb").readline() or '{"code": 255, "out": "", "error": ""}')
sys.stdout.write(answer["out"])
sys.stderr.write(answer["error"])
sys.exit(answer["code"])
"""


def require_carried(folder: Path) -> None:
    """UsageError for a folder not allowed in PATH."""
    if ":" in str(folder) or "\n" in str(folder):
        raise UsageError(f"a local node cannot live in {str(folder)!r}: a folder in PATH has no ':' and no line break")


def write(folder: Path, tag: str) -> None:
    """Put the node's power programs into FOLDER/sbin."""
    sbin = folder / "sbin"
    sbin.mkdir(parents=True, exist_ok=True)
    values = {"@TAG@": tag, "@FOLDER@": str(folder), "@PYTHON@": sys.executable}
    script = _SCRIPT
    for word, value in values.items():
        script = script.replace(word, value.replace("'", r"'\''"))  # each stands in single quotes
    for name in NAMES:
        path = sbin / name
        path.write_text(script)
        path.chmod(0o755)
    (sbin / ".ask.py").write_text(_ASK)


_PROGRAM = re.compile(r"(?:/[\w.+-]*)*/s?bin/[./]*(reboot|poweroff|halt|shutdown|telinit|init|systemctl)(?![\w./-])")
_APPLET = re.compile(r"\b(?:busybox|toybox)\s+(reboot|poweroff|halt|init)\b")
_TRIGGER = re.compile(r"/+proc/[./]*sysrq-trigger\b")
_SWITCH = re.compile(r"/+proc/[./]*sys/[./]*kernel/[./]*sysrq\b")
_FORBIDDEN = (
    (re.compile(r"sysrq-trigger"), "SysRq is only reached as /proc/sysrq-trigger"),
    (re.compile(r"/dev/watchdog"), "a node has no watchdog"),
    (re.compile(r"/sys/power/"), "a node has no power states"),
    (
        re.compile(r"\bkill\s+(?:-s\s+\w+\s+|-[A-Za-z0-9]+\s+)?(?:--\s+)?-1(?=\s*(?:$|[;&|)]))"),
        "it names every process",
    ),
)


class Refused(ValueError):
    """A command line would reach past the node to the host."""


def reroute(command: str, folder: Path, *, confined: bool) -> str:
    """The command line with the node's power programs in place of the host's; raises Refused if that is impossible.

    A confined node needs only the SysRq file, because a kernel without SysRq has none to cover.
    """
    trigger, switch = Path("/proc/sysrq-trigger"), Path("/proc/sys/kernel/sysrq")
    own = shlex.quote(f"{folder}/run/sysrq")
    if not confined or not trigger.exists():
        command = _TRIGGER.sub(lambda _: own, command)
    if not confined or not switch.exists():
        command = _SWITCH.sub("/dev/null", command)
    if confined:
        return command
    command = _PROGRAM.sub(lambda found: shlex.quote(f"{folder}/sbin/{found[1]}"), command)
    command = _APPLET.sub(lambda found: shlex.quote(f"{folder}/sbin/{found[1]}"), command)
    for pattern, why in _FORBIDDEN:
        if pattern.search(command):
            raise Refused(f"this command would reach past the node to the host ({why}); nothing was run")
    return command
