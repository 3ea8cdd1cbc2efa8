"""A link: the connection to a node."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from seatrial.model.frozen import frozen

Command = str | Sequence[str]
"""A program with its arguments, or a line for a shell."""

FROM_OUTSIDE = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL, signal.SIGTERM, signal.SIGXCPU)
"""Signals from outside a program; a crash has others."""

NOT_EXECUTABLE = 126
"""A shell's exit code for a program without the permission to run."""

NOT_FOUND = 127
"""A shell's exit code for a missing program."""

NO_PROGRAM = re.compile(r"(not found|No such file or directory)\s*\Z")
"""What a shell, or `env`, says last of a missing program."""

_COMPLAINT = re.compile(
    r"(?:-c: )?(?:line )?(?:\d+: ?)?"
    r"(.*: (?:command )?not found|command not found: .*|.*syntax error.*|unexpected EOF .*)",
    re.IGNORECASE,
)
"""What dash, bash, busybox and zsh say, after their name, of a text that they cannot run whole."""


def shell_complaint(argv: Sequence[str], stderr: str) -> str:
    """What the shell `argv[0]` itself says of a text with a syntax error, or of a missing program anywhere in it, also
    before a pipe. Empty: nothing, or `argv` is not a shell with a text."""
    if not argv or "-c" not in argv:
        return ""
    said = (line[len(argv[0]) + 1 :].strip() for line in stderr.splitlines() if line.startswith(f"{argv[0]}:"))
    return next((found[1] for found in map(_COMPLAINT.fullmatch, said) if found), "")


def untold(argv: Sequence[str], stderr: str) -> str:
    """The complaint of `shell_complaint` about a missing program that the text asks with `!`, `if` or `while`: the text
    succeeds because of it. Empty: no such program, or one that the text can do without (`podman ps || docker ps`)."""
    complaint = shell_complaint(argv, stderr)
    said = re.fullmatch(r"(?:.*: )?(.+?): (?:command )?not found|command not found: (.+)", complaint, re.IGNORECASE)
    if said is None:
        return ""
    name = re.escape(said[1] or said[2])
    pipeline = r"(?:(?!\|\||[;&\n]).)*?"
    asked = rf"(?:^|[\s;&|({{])(?:!|if|elif|while|until)\s{pipeline}(?<![\w./-]){name}(?![\w./-])"
    return complaint if re.search(asked, argv[-1]) else ""


@frozen
class Finished:
    """The result of a command that ended by itself."""

    exit_code: int
    """The exit code; 128 and the number of the signal for a program ended by a signal."""
    stdout: str
    """Standard output."""
    stderr: str
    """Standard error."""
    dropped: int = 0
    """Bytes missing from the middle of its output; a judgement of all of it is impossible then."""
    left: bool = False
    """Whether processes of the command still ran after its end; known on this host only."""

    @property
    def ok(self) -> bool:
        """Exit code 0."""
        return self.exit_code == 0

    @property
    def signal(self) -> str:
        """The signal that ended it, by the exit code; empty: none."""
        number = self.exit_code - 128
        return signal.Signals(number).name if number in set(signal.Signals) else ""

    @property
    def accident(self) -> str:
        """Why its end does not tell about the product: a signal from outside, such as SIGKILL, or no permission to run.
        Empty: it ended by itself, or crashed."""
        if self.exit_code - 128 in FROM_OUTSIDE:
            return f"something ended it by {self.signal}"
        return "it cannot be run" if self.exit_code == NOT_EXECUTABLE else ""

    @property
    def ended(self) -> str:
        """The exit code in words, for messages."""
        return f"ended with exit code {self.exit_code}"


@runtime_checkable
class Link(Protocol):
    """The connection to a node. Methods raise LinkDown (no answer), LinkRefused (key, identity), LinkLost
    (interrupted)."""

    async def run(
        self, command: str | Sequence[str], *, timeout: float = 60.0, input: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Finished:  # fmt: skip
        """Run a command (a list is quoted, a string goes to the node's shell); TimeoutError when it takes too long:
        its processes are dead then."""

    async def put(self, local: Path, remote: str) -> None:
        """Copy a file to the node."""

    async def get(self, remote: str, local: Path) -> None:
        """Copy a file from the node; FileNotFoundError when it does not exist."""

    async def close(self) -> None:
        """Close the connection; the next call opens it again."""


@runtime_checkable
class FollowsOutput(Protocol):
    """A link that hands on the output of a command while the command runs."""

    async def follow(
        self, command: str | Sequence[str], *, output: Callable[[bytes], None], timeout: float = 60.0, input: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Finished:  # fmt: skip
        """As `run`; `output` gets whole lines of both streams as they come."""


@runtime_checkable
class BreaksOff(Protocol):
    """A link to interrupt at once when the node has lost its power."""

    def abort(self) -> None:
        """Interrupt it now: calls in progress raise LinkLost; the next call opens it again."""
