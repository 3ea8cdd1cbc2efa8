"""A configuration of OpenTofu or Terraform in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.links.inventory.terraform import OUTPUT
from seatrial.links.terraform import configuration
from seatrial.spi import Recognised
from seatrial.systems.machines.recognition import container_verbs

STOP = '# stop_node: [COMMAND, "${{ node.name }}"] # how one machine is stopped, and started: `start_node`'
HEALTH = '# health: {http: "http://${{ node.address }}/"} # how your service on a node is asked'


def recognise(folder: Path, way: str) -> Recognised | None:
    """The configuration of a folder; None: there is none, or it cannot be read."""
    files = configuration.files(folder)
    if not files:
        return None
    try:
        outputs = configuration.declared(folder, "output")
        texts = {file.name: file.read_text(encoding="utf-8") for file in files}
    except (CannotTell, OSError, UnicodeDecodeError):
        return None
    lines = [f"folder: {way}", *_variables(folder)]
    if OUTPUT not in outputs:
        known = f"; declared are {', '.join(sorted(outputs))}" if outputs else ""
        lines.append(f"# needed: the output with names and addresses, as `inventory: {{output: NAME}}`{known}")
    lines += [*(container_verbs(texts.values()) or [STOP]), HEALTH]
    return Recognised(files=tuple(texts), settings="\n".join(lines) + "\n")


def _variables(folder: Path) -> Iterator[str]:
    """A comment that asks for the variables that have no value."""
    given = configuration.assigned(folder)
    if needed := [name for name in configuration.required(folder) if name not in given]:
        yield f"# needed: the variables without a default, as `variables: {{{': …, '.join(needed)}: …}}`"
