"""How a system recognises a deployment in a folder, for `seatrial init`."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from seatrial.model.frozen import frozen


@frozen
class Recognised:
    """A deployment as it is in a folder, and the beginning of a scenario for it."""

    files: tuple[str, ...]
    """The files that show it, relative to the folder."""
    settings: str
    """The keys of `system:` besides `kind`, as YAML with comments. In place of a value that no file tells is a comment,
    `# needed: …`; `init` repeats it with its line."""
    prepare: bool = False
    """Whether the step `init` comes before `deploy`."""
    node: str = ""
    """The node to take away, by its name; empty: any running one."""
    suite: str = ""
    """More keys of the suite, as YAML."""


@runtime_checkable
class Recognises(Protocol):
    """A system that recognises its own kind of deployment: `seatrial init` beside one writes a first scenario."""

    @classmethod
    def recognise(cls, folder: Path, way: str) -> Recognised | None:
        """The deployment in the folder; None: there is none. It only reads files. `way` is the path of the folder from
        the scenario's own, such as `..`."""
