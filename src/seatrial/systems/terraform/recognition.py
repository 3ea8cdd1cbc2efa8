"""A configuration of OpenTofu or Terraform in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.links.inventory.terraform import OUTPUT
from seatrial.links.terraform import configuration
from seatrial.spi import Recognised
from seatrial.systems.machines.recognition import container_verbs

_VARIABLE = re.compile(r'^[ \t]*variable[ \t]+"?([\w-]+)"?[ \t]*\{(.*?)(?=^\S|\Z)', re.MULTILINE | re.DOTALL)
"""A block up to the next line that is not indented."""
_DEFAULT = re.compile(r"\bdefault[ \t]*=")
_GIVEN = re.compile(r"^[ \t]*([\w-]+)[ \t]*=", re.MULTILINE)

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
    lines = [f"folder: {way}", *_variables(folder, texts.values())]
    if OUTPUT not in outputs:
        known = f"; declared are {', '.join(sorted(outputs))}" if outputs else ""
        lines.append(f"# needed: the output with names and addresses, as `inventory: {{output: NAME}}`{known}")
    lines += [*(container_verbs(texts.values()) or [STOP]), HEALTH]
    return Recognised(files=tuple(texts), settings="\n".join(lines) + "\n")


def _variables(folder: Path, texts: Iterable[str]) -> Iterator[str]:
    """A comment that asks for the variables that have no value."""
    files = [file for file in (folder / "terraform.tfvars", *folder.glob("*.auto.tfvars")) if file.is_file()]
    given = {name for file in files for name in _GIVEN.findall(file.read_text(encoding="utf-8", errors="replace"))}
    found = (block for text in texts for block in _VARIABLE.findall(text))
    needed = [name for name, body in found if not _DEFAULT.search(body) and name not in given]
    if needed:
        yield f"# needed: the variables without a default, as `variables: {{{': …, '.join(needed)}: …}}`"
