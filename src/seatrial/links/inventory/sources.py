"""Ansible's inventories, files and folders: read by `ansible-inventory` where needed and installed, else here."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links.inventory import ansible
from seatrial.links.inventory.groups import Hosts, Lined, OnlyAnsible, Tree, Wrong
from seatrial.links.inventory.variable_files import FolderOfVariables, beside
from seatrial.links.output import beginning
from seatrial.spi import Finished

TOOL = "ansible-inventory"

_IGNORED = (".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry")
"""Endings of other files in a folder of inventories."""

STRICT = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true", "ANSIBLE_NOCOLOR": "true"}
"""A source that Ansible cannot read is an error, not an empty inventory."""

_ORIGIN = re.compile(r"Origin: (.+)()|The error appears to be in '(.+)': line (\d+)")
"""Where Ansible says its error is; versions before 2.19 in a sentence."""

Runs = Callable[[Sequence[str], Mapping[str, str]], Awaitable[Finished]]
"""Runs a program with these additional variables."""


def needs_tool(sources: Sequence[Path]) -> bool:
    """Whether more than one plain file makes the inventory."""
    return len(sources) != 1 or sources[0].is_dir() or bool(beside(sources[0].parent)) or os.access(sources[0], os.X_OK)


async def asked(
    sources: Sequence[Path], run: Runs, *, program: str = TOOL, playbooks: Path | None = None, more: Sequence[str] = ()
) -> Hosts:
    """The hosts by `ansible-inventory --list`; CannotTell with its own words when it fails. `playbooks` is a folder
    with more variables; `more` are further arguments, such as a vault's password file."""
    words = [program, *(word for source in sources for word in ("-i", str(source))), "--list"]
    words += ["--playbook-dir", str(playbooks)] if playbooks else []
    done = await run([*words, *more], STRICT)
    if not done.ok:
        with suppress(OnlyAnsible):
            own(sources, playbooks)  # it knows the line, where Ansible often has not even the file
        raise CannotTell(f"{TOOL} cannot read the inventory: {said(done)}", evidence=done.stderr)
    try:
        data = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise CannotTell(f"{TOOL} printed no JSON: {error}", evidence=beginning(done.stdout, 2000)) from None
    return ansible.from_tree(_plain(data))


def said(done: Finished) -> str:
    """The error in the output of one of Ansible's programs, without its prefix and its advice."""
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines()]
    begin = next((at for at, line in enumerate(lines) if line.startswith(("[ERROR]", "ERROR!"))), None)
    if begin is None:
        return (lines or [""])[-1] or done.ended
    first = lines[begin].removeprefix("[ERROR]:").removeprefix("ERROR!").strip()
    origin = next((":".join(filter(None, at.groups())) for line in lines[begin:] if (at := _ORIGIN.match(line))), "")
    return f"{first} ({origin})" if origin and origin not in first else first


def installed() -> bool:
    """Whether `ansible-inventory` is on PATH."""
    return shutil.which(TOOL) is not None


def own(sources: Sequence[Path], playbooks: Path | None = None) -> Hosts:
    """The hosts by Seatrial's own reader, for INI, YAML and JSON with `group_vars/` and `host_vars/`. Wrong, with file
    and line, for what only Ansible can read: scripts, plugins, vaults."""
    tree, folders = tree_of(sources), list[Path]()
    for source in sources:
        folder = source if source.is_dir() else source.parent
        folders += [folder] if folder not in folders else []
    if playbooks is not None and playbooks not in folders:
        folders.append(playbooks)
    return tree.merged([FolderOfVariables(folder) for folder in folders])


def tree_of(sources: Sequence[Path]) -> Tree:
    """Their groups and hosts, without files of variables; see `own` for the errors."""
    tree = Tree()
    for source in sources:
        for file in _files_of(source):
            _read(file, tree)
    return tree


def _files_of(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    names = [path for path in sorted(source.iterdir()) if path.name not in ("group_vars", "host_vars")]
    wanted = [path for path in names if not path.name.startswith(".") and not path.name.endswith(_IGNORED)]
    return [file for path in wanted for file in _files_of(path)]


def _read(file: Path, tree: Tree) -> None:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"it cannot be read: {error}", file=str(file)) from error
    if text.startswith("#!") and os.access(file, os.X_OK):
        raise OnlyAnsible("it is a program, which only ansible-inventory can run: install ansible-core", 1, str(file))
    tree.file = str(file)
    try:
        if file.suffix in (".yml", ".yaml", ".json"):
            ansible.read_tree(json.loads(text) if file.suffix == ".json" else ansible.with_lines(text), tree)
        else:
            ansible.read_ini(text, tree)
    except json.JSONDecodeError as error:
        raise Wrong(error.msg, error.lineno, str(file)) from None
    except Wrong as error:
        raise type(error)(str(error), error.line, error.file or str(file)) from None


def _plain(value: Any) -> Any:
    """The JSON of `ansible-inventory` without its marks."""
    if isinstance(value, Mapping):
        if set(value) == {"__ansible_vault"}:
            return ansible.Vaulted()
        if set(value) == {"__ansible_unsafe"}:
            return value["__ansible_unsafe"]
        return Lined({key: _plain(inner) for key, inner in value.items()})
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
