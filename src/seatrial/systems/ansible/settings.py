"""The keys of `system:` in a document for the system `ansible`; strings may hold templates."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, closest, nearest
from seatrial.links import inventory
from seatrial.links.ansible import configuration
from seatrial.links.paths import shown
from seatrial.model.values import FileNames, Timeout
from seatrial.systems.ansible import playbooks
from seatrial.systems.machines.settings import MachineSettings
from seatrial.systems.settings import Probe

VERBS = ("deploy", "stop", "start", "destroy")

Wrong = tuple[tuple[str, ...], str, str]
"""A path below `system:`, a message and a hint."""


@dataclass(frozen=True, kw_only=True)
class AnsibleSettings(MachineSettings):
    """Playbooks with their inventory, as they are."""

    deploy: FileNames
    """The playbook that deploys the system, or several; relative to `folder`."""
    destroy: FileNames
    """The playbook that removes the system; it must also succeed when there is nothing left."""
    stop: FileNames = ()
    """The playbook that stops it: the whole, or one node by `--limit`."""
    start: FileNames = ()
    """The playbook that starts it: the whole, or one node by `--limit`."""
    inventory: FileNames
    """The inventory, a file or a folder, or several; relative to `folder`. With `creates_machines`, `deploy` may write
    it."""
    hosts: str = "all"
    """Which hosts of the inventory are nodes: a pattern of Ansible, such as `web:db`."""
    creates_machines: bool = False
    """Whether `deploy` creates the machines themselves and `destroy` removes them. Then the first host key of each is
    accepted and must stay, and a machine that answers after `destroy` refutes it."""
    folder: str = "."
    """Where Ansible runs, relative to the document: the folder with your `ansible.cfg`."""
    health: Probe | None = None
    """How Seatrial asks a node whether its service is healthy; without it, only the links are measured."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Extra variables. Ansible gets them in a private file."""
    parameters_as_variables: bool = True
    """Whether the suite's parameters are extra variables too; `variables` come before them."""
    vault_password_file: str = ""
    """The file with the password of your vaults, or a program that prints it; relative to `folder`."""
    tags: tuple[str, ...] = ()
    """Only tasks with these tags."""
    skip_tags: tuple[str, ...] = ()
    """No tasks with these tags."""
    arguments: tuple[str, ...] = ()
    """More arguments of `ansible-playbook`."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables of Ansible."""
    timeouts: Mapping[str, Timeout] = field(default_factory=dict)
    """`deploy`, `stop`, `start` or `destroy` to its deadline; default: the suite's, else an hour for `deploy` and 20
    minutes for the others."""

    def __post_init__(self) -> None:
        if wrong := [verb for verb in self.timeouts if verb not in VERBS]:
            raise ValueError(f"unknown verbs in timeouts: {', '.join(wrong)}; allowed: {', '.join(VERBS)}")
        for key in ("deploy", "destroy", "inventory"):
            if not getattr(self, key):
                raise ValueError(f"{key} names no file")


def names_of(value: tuple[str, ...] | str) -> tuple[str, ...]:
    """One name, or several."""
    return (value,) if isinstance(value, str) and value else tuple(value)


def problems(settings: AnsibleSettings, documents: Path) -> Iterator[Wrong]:
    """What cannot work, by the files alone."""
    if _open(settings.folder):
        return
    folder = documents / settings.folder
    if not folder.is_dir():
        yield ("folder",), f"there is no folder {settings.folder!r} beside the document", ""
        return
    for verb in VERBS:
        for name in names_of(getattr(settings, verb)):
            if not _open(name) and not (folder / name).is_file():
                yield (verb,), f"there is no playbook {name!r} in {settings.folder!r}", _similar(folder, "*.y*ml")
            elif not _open(name) and (why := playbooks.unusable(folder / name)):
                yield (verb,), f"{shown(folder / name)}:{why}", ""
    vault = settings.vault_password_file
    if vault and not _open(vault) and not (folder / Path(vault).expanduser()).exists():
        yield ("vault_password_file",), f"there is no file {vault!r}", ""
    sources = names_of(settings.inventory)
    if any(map(_open, sources)):
        return  # a trial's own
    yield from _locked(settings, folder)
    missing = [name for name in sources if not (folder / name).exists()]
    if settings.creates_machines and missing:
        return  # `deploy` writes it
    for name in missing:
        hint = (
            "name the file or folder with your hosts; for one that `deploy` writes, add `creates_machines: true`, or "
            "let it write to `$deployment_dir/hosts.ini`"
        )
        if "," in name:
            hint = f"write these hosts into a file, one a line, and name it; {_similar(folder, '*.ini', '*.y*ml')}"
        yield ("inventory",), f"there is no inventory {name!r} in {settings.folder!r}", hint
    if not missing:
        try:
            inventory.require_readable([folder / name for name in sources], folder, all_nodes=settings.hosts == "all")
        except CannotTell as error:
            yield ("inventory",), str(error), ""
            return
        if not _open(settings.hosts):
            unknown, known = inventory.missing_from([folder / name for name in sources], settings.hosts)
            for name in unknown:
                text = f"no group or host of {', '.join(sources)} is named {name!r}"
                yield ("hosts",), text, nearest(name, known, what="groups and hosts")


def written_hosts(settings: AnsibleSettings, documents: Path) -> tuple[str, ...] | None:
    """The nodes, as far as the files of the inventory show them."""
    sources = names_of(settings.inventory)
    if settings.creates_machines or settings.hosts != "all" or any(map(_open, (*sources, settings.folder))):
        return None
    files = [documents / settings.folder / name for name in sources]
    return inventory.hosts_in(files) if all(file.exists() for file in files) else None


def doubts(settings: AnsibleSettings, documents: Path) -> Iterator[tuple[str, str]]:
    """Key and words for what is probably wrong: misspelt modules, plays for no host, hosts without a way in."""
    folder, sources = documents / settings.folder, names_of(settings.inventory)
    written = not settings.creates_machines and not any(map(_open, sources))
    files = [folder / name for name in sources] if written else []
    if settings.hosts == "all" and files and all(source.exists() for source in files):
        for text in inventory.without_way_in(files, folder):
            yield "inventory", f'{text}; `deploy` stays unknown with it: leave it out, as in `hosts: "all:!NAME"`'
    for verb in VERBS:
        for name in names_of(getattr(settings, verb)):
            file = folder / name
            if _open(str(name) + settings.folder) or not file.is_file() or playbooks.unusable(file):
                continue
            there = files if all(source.exists() for source in files) else []
            for line, text in (*playbooks.oddities(file), *_for_no_host(file, there)):
                yield verb, f"{shown(file)}:{line}: {text}"


_MAKES_GROUPS = re.compile(r"\b(add_host|group_by|import_\w+|include_\w+|roles)\b")
"""What a playbook has that may make groups of its own, here or in another file."""


def _for_no_host(playbook: Path, sources: Sequence[Path]) -> Iterator[tuple[int, str]]:
    """Plays whose `hosts` names a group that the inventory does not have: Ansible passes over them."""
    makes = _MAKES_GROUPS.search(playbook.read_text(encoding="utf-8"))
    for line, pattern in playbooks.patterns(playbook):
        unknown, known = inventory.missing_from(sources, pattern) if sources else ([], [])
        for name in unknown:
            if closest(name, known) or not makes:
                where = ", ".join(source.name for source in sources)
                yield line, f"no group or host of {where} is named {name!r}; {nearest(name, known, what='there')}"


def _locked(settings: AnsibleSettings, folder: Path) -> Iterator[Wrong]:
    """A vault without its password: Ansible would ask a person."""
    given = settings.vault_password_file or any(word.startswith("--vault") for word in settings.arguments)
    vault = next(configuration.vaults(folder), None)
    if vault and not given and not configuration.knows_passwords(folder, {**os.environ, **settings.env}):
        text = f"{vault.relative_to(folder)} is encrypted by Ansible's vault, and nobody gives its password"
        yield ("vault_password_file",), text, "write `vault_password_file: FILE`, a file or a program that prints it"


def _open(text: str) -> bool:
    """Whether it is known at run time only."""
    return "$" in text


def _similar(folder: Path, *patterns: str) -> str:
    names = sorted(path.name for pattern in patterns for path in folder.glob(pattern))[:10]
    return f"files here: {', '.join(names)}" if names else ""
