"""The folders `group_vars` and `host_vars` beside an inventory or a playbook, as Ansible finds their files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from seatrial.links.inventory.ansible import with_lines
from seatrial.links.inventory.groups import Lined, OnlyAnsible, Wrong

FOLDERS = ("group_vars", "host_vars")

_ENDINGS = ("", ".yml", ".yaml", ".json")
"""The first that exists counts; folders are allowed too."""

VAULT = "$ANSIBLE_VAULT"


class FolderOfVariables:
    """The variables beside one inventory; see groups.VariableFiles. Each file is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, str], Lined] = {}

    def of(self, kind: str, name: str) -> Lined:
        """The variables of a group or host; Wrong, with file and line, when a file cannot be read."""
        if (kind, name) not in self._known:
            self._known[kind, name] = made = Lined()
            for file in _files(self._folder / kind, name):
                made.take(_read(file))
        return self._known[kind, name]


def beside(folder: Path) -> list[str]:
    """The folders of variables in a folder."""
    return [name for name in FOLDERS if (folder / name).is_dir()]


def _files(folder: Path, name: str) -> Iterator[Path]:
    for ending in _ENDINGS:
        path = folder / f"{name}{ending}"
        if path.is_dir():
            yield from _below(path)
            return
        if path.exists():
            yield path
            return


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir() and not path.suffix:
            yield from _below(path)
        elif path.is_file() and path.suffix in _ENDINGS:
            yield path


def _read(file: Path) -> Lined:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"it cannot be read: {error}", file=str(file)) from error
    if text.startswith(VAULT):
        why = "it is encrypted by Ansible's vault, which only ansible-inventory can read: install ansible-core"
        raise OnlyAnsible(why, 1, str(file))
    try:
        data = json.loads(text) if file.suffix == ".json" else with_lines(text)
    except json.JSONDecodeError as error:
        raise Wrong(error.msg, error.lineno, str(file)) from None
    except Wrong as error:
        raise Wrong(str(error), error.line, str(file)) from None
    if data is None:
        return Lined()
    if not isinstance(data, Mapping):
        raise Wrong(f"it holds {type(data).__name__}, not variables", 1, str(file))
    made = Lined(data)
    places = data.places if isinstance(data, Lined) else {}
    made.places = {key: (str(file), places.get(key, ("", 1))[1]) for key in made}
    return made
