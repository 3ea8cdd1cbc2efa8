"""What `seatrial --help` prints."""

from __future__ import annotations

from seatrial.cli import COMMANDS

_HEAD = """\
usage: seatrial COMMAND [PATH ...] [OPTION ...]

Builds the system on real infrastructure, breaks it on purpose, checks that it
still does its job, gives everything back, and says plainly what it saw.

"""

_TAIL = """
options of every command:
  --debug           log every decision; show tracebacks
  --no-color        plain text
  --help            what the command does and takes, with examples
  --version         (alone) the version

examples:
  seatrial demo                          see it work, in seconds, on this machine
  seatrial init && seatrial run          begin a project and run its first scenario
  seatrial run failover.yaml --parallel 3
  seatrial inspect last                  why the last run failed

exit codes:
  0 passed   1 failed   2 bad usage or document   3 could not tell
  4 something was left behind   5 nothing was selected   129/130/143 interrupted
"""


def overview() -> str:
    """The commands and what each is for."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{summary}\n" for name, (_, summary) in COMMANDS.items()]
    return _HEAD + "commands:\n" + "".join(lines) + _TAIL
