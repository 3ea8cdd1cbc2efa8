"""The text of `seatrial --help`."""

from __future__ import annotations

from seatrial.cli import COMMANDS

_HEAD = """\
usage: seatrial COMMAND [PATH ...] [OPTION ...]

Deploy your system on real infrastructure, break it on purpose, check that it
still works, and clean up everything afterwards.

"""

_TAIL = """
options of all commands:
  --debug           log every decision and show tracebacks
  --no-color        print plain text
  --help            describe the command and its options, with examples
  --version         (alone) print the version

examples:
  seatrial demo                          see it work in seconds, on this machine
  seatrial init && seatrial run          create a project and run its first scenario
  seatrial run failover.yaml --parallel 3
  seatrial inspect last                  see why the last run failed

exit codes:
  0 passed   1 failed   2 invalid usage or document   3 unknown: not measured
  4 resources left behind   5 nothing was selected   129/130/143 interrupted
"""


def overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{summary}\n" for name, (_, summary) in COMMANDS.items()]
    return _HEAD + "commands:\n" + "".join(lines) + _TAIL
