"""The question of `--pause-on-failure`, on the terminal."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping

from seatrial.engine.trial import Answer
from seatrial.errors import UsageError

ANSWERS: Mapping[str, Answer] = {
    "a": "again", "again": "again", "c": "continue", "continue": "continue", "e": "end", "end": "end",
}  # fmt: skip

NODES = 12
"""Maximum number of nodes to list."""


def require_terminal() -> None:
    """UsageError unless a person can answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "--pause-on-failure asks on a terminal, but there is not one\n    use --keep failed: the nodes stay, and "
            "`seatrial shell RUN NODE` gets into them later"
        )


class PausePrompt:
    """Asks for one suite at a time."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._turn = asyncio.Lock()

    async def __call__(self, suite: str, step: str, error: str, nodes: Mapping[str, str]) -> Answer:
        async with self._turn:
            _say(self._question(suite, step, error, nodes))
            while True:
                _say("again, continue or end? ", end="")
                line = await _line()
                word = line.strip().lower()
                if not line or word in ANSWERS:  # the end of the input, Ctrl-D, ends
                    return ANSWERS.get(word, "end")
                _say(f"    type a, c or e, then Enter, not {word!r}")

    def _question(self, suite: str, step: str, error: str, nodes: Mapping[str, str]) -> str:
        shown = [f"    seatrial shell {self._run} {node}" for node in list(nodes)[:NODES]]
        more = [f"    ... and {len(nodes) - NODES} more nodes"] if len(nodes) > NODES else []
        lines = [
            "",
            f"PAUSED: {suite}, step {step}",
            *(f"    {line}" for line in error.splitlines()[:12]),
            "Look, in another terminal:",
            *shown,
            *more,
            f"    seatrial inspect {self._run}",
            "Then choose. No time limit runs meanwhile, and this suite does not pass any more.",
            "    again     run the step once more",
            "    continue  go on with the next step",
            "    end       clean up; so does Ctrl-C",
        ]
        return "\n".join(lines)


def _say(text: str, end: str = "\n") -> None:
    sys.stderr.write(text + end)
    sys.stderr.flush()


async def _line() -> str:
    """One line of standard input, while everything else goes on; empty at its end."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    descriptor = sys.stdin.fileno()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, 4096).decode(errors="replace")  # a terminal gives whole lines
