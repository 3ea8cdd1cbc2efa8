"""The keys of `system:` in a document for the system `ansible`; strings may hold templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell
from seatrial.links import inventory
from seatrial.model.values import Duration
from seatrial.systems.machines.settings import MachineSettings
from seatrial.systems.settings import Probe

VERBS = ("deploy", "stop", "start", "destroy")

Wrong = tuple[tuple[str, ...], str, str]
"""A path below `system:`, a message and a hint."""


@dataclass(frozen=True, kw_only=True)
class AnsibleSettings(MachineSettings):
    """Playbooks with their inventory, as they are."""

    deploy: tuple[str, ...] | str
    """The playbook that deploys the system, or several; relative to `folder`."""
    destroy: tuple[str, ...] | str
    """The playbook that removes the system; it must also succeed when there is nothing left."""
    stop: tuple[str, ...] | str = ()
    """The playbook that stops it: the whole, or one node by `--limit`."""
    start: tuple[str, ...] | str = ()
    """The playbook that starts it: the whole, or one node by `--limit`."""
    inventory: tuple[str, ...] | str
    """The inventory, a file or a folder, or several; relative to `folder`. `deploy` may write it."""
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
            if not _open(name) and (why := _unusable(folder / name)):
                yield (verb,), f"the playbook {name!r} {why}", _similar(folder)
    vault = settings.vault_password_file
    if vault and not _open(vault) and not (folder / Path(vault).expanduser()).exists():
        yield ("vault_password_file",), f"there is no file {vault!r}", ""
    sources = names_of(settings.inventory)
    if any(map(_open, sources)):
        return  # a trial's own
    missing = [name for name in sources if not (folder / name).exists()]
    for name in missing:
        hint = "name the file or folder with your hosts; for one that `deploy` writes: `$deployment_dir/hosts.ini`"
        yield ("inventory",), f"there is no inventory {name!r} in {settings.folder!r}", hint
    if not missing:
        try:
            inventory.require_readable([folder / name for name in sources], folder)
        except CannotTell as error:
            yield ("inventory",), str(error), ""


def _open(text: str) -> bool:
    """Whether it is known at run time only."""
    return "$" in text


def _unusable(playbook: Path) -> str:
    """Why a playbook cannot be run; empty: it can."""
    import yaml

    if not playbook.is_file():
        return "does not exist"
    try:
        plays = yaml.compose(playbook.read_text(encoding="utf-8"), yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return f"is not YAML: line {mark.line + 1 if mark else 1}: {error.problem or error}"
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        return f"cannot be read: {error}"
    if not isinstance(plays, yaml.SequenceNode):
        return "is not a list of plays"
    return ""


def _similar(folder: Path) -> str:
    names = sorted(path.name for path in folder.glob("*.y*ml"))[:10]
    return f"files here: {', '.join(names)}" if names else ""
