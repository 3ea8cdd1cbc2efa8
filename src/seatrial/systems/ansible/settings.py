"""The keys of `system:` in a document for the system `ansible`; strings may hold templates."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, nearest
from seatrial.links import inventory
from seatrial.links.ansible import configuration, modules
from seatrial.links.paths import shown
from seatrial.model.values import Duration, FileNames
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
    timeouts: Mapping[str, Duration] = field(default_factory=dict)
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
            elif not _open(name) and (why := _unusable(folder / name)):
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


def misspelt(settings: AnsibleSettings, documents: Path) -> Iterator[tuple[str, str]]:
    """Verb and words for each task of the playbooks whose module is probably misspelt."""
    for verb in VERBS:
        for name in names_of(getattr(settings, verb)):
            file = documents / settings.folder / name
            if not _open(str(name) + settings.folder) and file.is_file() and not _unusable(file):
                for line, module, near in _modules(file):
                    yield verb, f"{shown(file)}:{line}: Ansible has no module {module!r}; did you mean {near!r}?"


def _modules(playbook: Path) -> Iterator[tuple[int, str, str]]:
    """Line, name and probable name of each module with a full name that ansible-core does not have."""
    import yaml

    for event in yaml.parse(playbook.read_text(encoding="utf-8"), yaml.SafeLoader):
        name = event.value if isinstance(event, yaml.ScalarEvent) else ""
        if name.startswith(modules.COLLECTION) and (near := modules.meant(name)):
            yield (event.start_mark.line + 1 if event.start_mark else 1), name, near


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


def _unusable(playbook: Path) -> str:
    """Line and reason why a playbook cannot be run; empty: it can."""
    import yaml

    try:
        plays = yaml.compose(playbook.read_text(encoding="utf-8"), yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return f"{mark.line + 1 if mark else 1}: it is not YAML: {error.problem or error}"
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        return f"1: it cannot be read: {error}"
    if not isinstance(plays, yaml.SequenceNode):
        return "1: it is not a list of plays: begin with `- hosts: GROUP`"
    for play in plays.value:
        keys = [key.value for key, _ in play.value] if isinstance(play, yaml.MappingNode) else []
        if not any(key == "hosts" or str(key).rpartition(".")[2] == "import_playbook" for key in keys):
            line = play.start_mark.line + 1
            return f"{line}: a play needs `hosts`: write `- hosts: GROUP`, with its tasks below `tasks:`"
    return ""


def _similar(folder: Path, *patterns: str) -> str:
    names = sorted(path.name for pattern in patterns for path in folder.glob(pattern))[:10]
    return f"files here: {', '.join(names)}" if names else ""
