"""A test's settings for the machines of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seatrial_stand_ins.github.runner.calls import ActionFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class Grace:
    """Seconds granted to a cancelled program; shorter than GitHub's."""

    interrupt: float = 1.0
    """From SIGINT to SIGTERM; GitHub waits 7.5 s."""
    terminate: float = 0.5
    """From SIGTERM to SIGKILL; GitHub waits 2.5 s."""
    always: float = 20.0
    """The total for steps under `if: always()` of a cancelled job; GitHub grants five minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings common to every job of a `WorkflowRunner`."""

    folder: Path | None = None
    """The parent of the jobs' folders; None: the system's folder for temporary files."""
    tools: Sequence[Path] = ()
    """Folders in front of PATH."""
    environment: Mapping[str, str] = field(default_factory=dict)
    actions: Mapping[str, ActionFunction | Path] = field(default_factory=dict)
    """`owner/name` to a function, or to a folder with an `action.yml`."""
    grace: Grace = field(default_factory=Grace)
    keep: bool = False
    """Keep the folders of jobs."""
