"""A command on its way to a node: it reaches `/bin/sh` whatever the login shell is, and its output has a begin and an
end. Its variables come as the first line of its input: every user of a node can read command lines.

The login shell gets one line without characters that shells read differently (quotes, `!`, line ends, backslashes
before other than digits). That line starts `/bin/sh`, which marks itself, prints a mark, runs the command as its child,
and prints another mark. All before the first mark is the login shell's greeting; all after the second one comes from
processes that the command left.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import re
import secrets
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from seatrial.spi.link import Command

STEP, CLASSES, COUNT, FIRST = 1009, 1008, 990, 50_000
"""A command's number is FIRST + the trial's class (1 to CLASSES) + STEP * its own count (1 to COUNT)."""

LIMIT = 1 << 51
"""Added to a command's number, in KiB: a limit of resident memory, without effect on Linux and too large to matter."""

# The command travels in a variable from here on: `pgrep -f` must not find it in the arguments of these shells.
_BEGIN = (
    'SEATRIAL_LINE=$(printf %b "$1"); SEATRIAL_ENV=$2; SEATRIAL_WIRE=$3; '
    'export SEATRIAL_LINE SEATRIAL_ENV SEATRIAL_WIRE; exec /bin/sh -c "$4"'
)
_EVAL = 'eval "$SEATRIAL_WIRE"'

# Children inherit both marks, also with an empty environment, another title and in a session of their own: the limit
# that no kernel enforces, and the slack of timers (up to 1 ms), which PAM does not reset.
_MARKS = (
    "e=$SEATRIAL_ENV; unset SEATRIAL_ENV SEATRIAL_WIRE; "
    "{{ ulimit -S -m {limit}; echo {number} >/proc/self/timerslack_ns; }} 2>/dev/null; "
    'printf "<%s %s>" {token} $$; printf "<%s 0>" {token} >&2; exec 4>&2 2>/dev/null; '
)
_RUN = (
    'if [ "$e" ]; then IFS= read -r e; eval "$(printf %b "$e")"; fi; {run} 2>&4 4>&-; s=$?; '
    'printf "</%s>" {token}; printf "</%s>" {token} >&4; exit $s'
)
_PLAIN = r'/bin/sh -c "eval \"unset SEATRIAL_LINE; \$SEATRIAL_LINE\""'
_UNDER_SUDO = 'IFS= read -r SEATRIAL_ENV; eval "$(printf %b "$SEATRIAL_ENV")"; unset SEATRIAL_ENV; '
_SUDO = 'sudo -n -- /bin/sh -c "$SEATRIAL_LINE"'
_SPECIAL = re.compile(rb"[^ -~]|['!\\]")
_OCTAL = re.compile(rb"\\0([0-7]{3})")
_PARTS = re.compile(rf"exec /bin/sh -c '{re.escape(_BEGIN)}' sh '([^']*)' '([^']*)' '([^']*)' '{re.escape(_EVAL)}'")
_FACTS = re.compile(r".* echo (\d+) >/proc/.* printf \"<%s %s>\" ([\w-]+) .*")


@dataclass(frozen=True, slots=True)
class Order:
    """A command for a node."""

    command: str
    """The line for `/bin/sh`."""
    shown: str
    """The user's line, for messages."""
    number: int = 0
    """The mark of its processes."""
    sudo: bool = False
    exports: str = ""
    """Not empty: the first line of its input sets its variables."""
    token: str = ""
    """Unknown to the command, so its output cannot contain it."""
    preface: bytes = b""
    """That line: sshd drops unlisted variables, and every user can read command lines."""

    @property
    def line(self) -> str:
        """The line for the login shell."""
        marks = _MARKS.format(limit=LIMIT + self.number, number=self.number, token=self.token)
        run = _RUN.format(token=self.token, run=_SUDO if self.sudo else _PLAIN)
        words = (_encoded(self.command), self.exports, f"{marks}{run}", _EVAL)
        return f"exec /bin/sh -c '{_BEGIN}' sh " + " ".join(f"'{word}'" for word in words)


def order(command: Command, env: Mapping[str, str] | None, *, sudo: bool, number: int) -> Order:
    """A command with its variables."""
    shown = command if isinstance(command, str) else shlex.join(command)
    exports = "".join(f"export {name}={shlex.quote(value)}; " for name, value in (env or {}).items())
    inside = f"{_UNDER_SUDO}{shown}" if sudo and exports else shown  # sudo would drop them
    preface = f"{_encoded(exports)}\n".encode() if exports else b""
    takes = "taken" if exports and not sudo else ""
    return Order(inside, shown, number, sudo, takes, f"seatrial-{secrets.token_hex(6)}", preface)


def unwrapped(line: str) -> Order | None:
    """The order in a line; None for a line of somebody else."""
    match = _PARTS.fullmatch(line)
    facts = _FACTS.fullmatch(match[3]) if match else None
    if match is None or facts is None:
        return None
    command, exports = _decoded(match[1]), match[2]
    return Order(command, command, int(facts[1]), _SUDO in match[3], exports, facts[2])


def rewritten(line: str, change: Callable[[str], str]) -> str:
    """The line with another command inside."""
    inner = unwrapped(line)
    return change(line) if inner is None else replace(inner, command=change(inner.command)).line


def _encoded(text: str) -> str:
    """For `printf %b`: a backslash and digits mean the same in every shell's single quotes."""
    return _SPECIAL.sub(lambda byte: b"\\0%03o" % byte[0][0], os.fsencode(text)).decode("ascii")


def _decoded(text: str) -> str:
    return _OCTAL.sub(lambda code: bytes([int(code[1], 8)]), text.encode()).decode(errors="surrogateescape")


def trial_class(trial: str) -> int:
    """The class of a trial's numbers."""
    return int.from_bytes(hashlib.sha256(trial.encode()).digest()[:4]) % CLASSES + 1


def numbers(trial: str) -> Iterator[int]:
    """The numbers of a link's commands; without a trial, of a random class."""
    kind = trial_class(trial) if trial else random.randrange(1, CLASSES + 1)
    first = random.randrange(COUNT)
    return (FIRST + kind + STEP * ((first + turn) % COUNT + 1) for turn in itertools.count())


class Marked:
    """The output of a command between its marks; the rest is the greeting of the login shell, or dropped."""

    def __init__(self, token: str, keep: Callable[[bytes], object]) -> None:
        self._begin = re.compile(rb"<%s (\d+)>" % token.encode())
        self._end = b"</%s>" % token.encode()
        self._keep = keep
        self._held = bytearray()
        self.pid = 0
        """The process of the shell that runs the command; 0: not known."""
        self.begun = self.ended = False

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        if self.ended:
            return
        self._held += data
        if not self.begun:
            match = self._begin.search(self._held)
            if match is None:
                del self._held[: -(1 << 16)]
                return
            self.begun, self.pid = True, int(match[1])
            del self._held[: match.end()]
        at = self._held.find(self._end)
        self.ended = at >= 0
        if not self.ended:  # a mark may arrive in two parts
            at = self._held.rfind(b"<", max(0, len(self._held) - len(self._end)))
        self._give(at if at >= 0 else len(self._held))

    def finish(self) -> None:
        """No more comes: what was held back for a mark is output."""
        if self.begun and not self.ended:
            self._give(len(self._held))

    @property
    def greeting(self) -> str:
        """The output of a login shell that did not run the command."""
        return "" if self.begun else self._held.decode(errors="replace").strip()

    def _give(self, size: int) -> None:
        if size:
            self._keep(bytes(self._held[:size]))
            del self._held[:size]
