"""The inputs of an action implemented as a function, and its way to fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from seatrial_stand_ins.github.seam import Level, Run


class ActionFailed(Exception):
    """The step fails; the message is in its log and an annotation."""


class ActionCancelled(ActionFailed):
    """The step was cancelled."""


class Host(Protocol):
    """An action's access to its job."""

    def log(self, line: str) -> None:
        """A line of the step's log."""

    def annotate(self, level: Level, message: str) -> None:
        """A line of the log, also an annotation."""

    def mask(self, value: str) -> None:
        """Hide this text from now on."""

    def export(self, name: str, value: str) -> None:
        """A variable for later steps."""

    def add_path(self, folder: str) -> None:
        """A folder in front of PATH for later steps."""

    async def execute(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> int:
        """Run a program of the job with its output in the log; its exit code."""

    def which(self, program: str) -> str | None:
        """Where a program is on the job's PATH."""


@dataclass(kw_only=True)
class ActionCall:
    """One step with `uses:`, for an action implemented as a function."""

    action: str
    """`owner/name`, or `owner/name/path`."""
    version: str
    """The ref after `@`."""
    inputs: Mapping[str, str]
    """`with:`, filled in; names in lower case."""
    env: Mapping[str, str]
    """The whole environment for a program of this step."""
    workspace: Path
    temp: Path
    tools: Path
    """RUNNER_TOOL_CACHE."""
    run: Run
    host: Host
    outputs: dict[str, str] = field(default_factory=dict)
    posts: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Callbacks for the end of the job, the last first, whatever its result."""

    def input(self, name: str, default: str = "") -> str:
        """An input, without white space around it."""
        return self.inputs.get(name.lower(), default).strip() or default

    def flag(self, name: str, default: bool = False) -> bool:
        """An input with the value `true` or `false`."""
        text = self.input(name, "true" if default else "false").lower()
        if text not in ("true", "false"):
            raise ActionFailed(f"the input {name!r} of {self.action} is true or false, not {text!r}")
        return text == "true"

    async def execute(
        self, argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> int:
        """Run a program of the job in its workspace; its exit code."""
        return await self.host.execute(argv, cwd or self.workspace, {**self.env, **(env or {})})


ActionFunction = Callable[[ActionCall], Awaitable[None]]
"""An action: it reads `inputs`, sets `outputs`, and raises ActionFailed."""
