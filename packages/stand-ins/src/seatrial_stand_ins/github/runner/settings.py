"""What a test says of the machines that jobs run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seatrial_stand_ins.github.runner.calls import ActionFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class Grace:
    """Seconds that a cancelled program has, as GitHub gives them, and shorter."""

    interrupt: float = 1.0
    """From SIGINT to SIGTERM; GitHub waits 7.5 s."""
    terminate: float = 0.5
    """From SIGTERM to SIGKILL; GitHub waits 2.5 s."""
    always: float = 20.0
    """That steps under `if: always()` have in all when a job is cancelled; GitHub gives five minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What every job of a `WorkflowRunner` has."""

    folder: Path | None = None
    """Where the folders of jobs are made; None: in the system's folder for temporary files."""
    tools: Sequence[Path] = ()
    """Folders in front of PATH."""
    environment: Mapping[str, str] = field(default_factory=dict)
    actions: Mapping[str, ActionFunction | Path] = field(default_factory=dict)
    """`owner/name` to a function, or to a folder with an `action.yml`."""
    grace: Grace = field(default_factory=Grace)
    keep: bool = False
    """Leave the folders of jobs where they are."""
