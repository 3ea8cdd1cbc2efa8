"""The options of a run, and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.model.frozen import frozen

if TYPE_CHECKING:
    from seatrial.spi import Reporter


@frozen
class RunOptions:
    """The options of a run; None: the project's setting applies."""

    providers: tuple[str, ...] = ()
    on: str = ""
    tests: tuple[str, ...] = ()
    parallel: int | None = None
    fail_fast: bool = False
    overrides: dict[str, object] = field(default_factory=dict)
    keep: str | None = None
    keep_seconds: float = 4 * 3600.0
    report_dir: Path | None = None
    format: str = ""
    """plain, live, json, github, auto (by the kind of output), or none; empty: the project's setting, else auto."""
    rerun: str = ""
    shard: tuple[int, int] | None = None
    plugins: Sequence[Path | str] = ()
    max_nodes: int | None = None
    max_memory_gb: float | None = None
    pause_on_failure: bool = False
    """Ask on the terminal after a step that did not pass."""
    debug: bool = False
    color: bool | None = None
    verbose: bool = False
    """Show the output of commands as it comes."""
    project: Path | None = None
    confined: bool = False
    """Read no document through a link that leads out of the project."""
    reporters: tuple[Reporter, ...] = ()
    """Additional reporters from the caller."""
    faces: Mapping[str, str] = field(default_factory=dict)
    """The reporter of each format; empty: the reporters for scenarios."""
    files: tuple[str, ...] = ()
    """Additional reporters with a file in the report folder."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Values of secrets already looked up; the environment has the others."""


@frozen
class RunReport:
    """How a run ended."""

    run_id: str
    folder: Path
    exit_code: int
    results: dict[str, Any]
    """As in `results.json`."""
    signal: str = ""
    """The name of the signal that ended it, or that came while its report was written."""

    @property
    def success(self) -> bool:
        """Exit code 0: everything passed and nothing was left behind."""
        return self.exit_code == 0
