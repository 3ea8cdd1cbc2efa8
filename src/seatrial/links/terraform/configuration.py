"""A configuration: what it declares, and a working copy of it with a state of its own.

A trial never works in the user's folder: the tool writes there (its lock file, generated files), and a state that lies
there is the user's. A copy also keeps what made the resources: their removal must not depend on later changes.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell

SUFFIXES = (".tf", ".tofu", ".tf.json", ".tofu.json")

OVERRIDE = "zz_seatrial_override.tf.json"
"""Its backend takes the place of the configuration's own; the tools read override files in the order of their names."""

_NEVER = (".terraform", ".git", ".seatrial", ".venv", "node_modules", "__pycache__", "terraform.tfstate.d")
"""Folders outside of a configuration, or with the user's own state."""

_STATE = re.compile(r".*\.tfstate(\.\d+)?(\.backup)?|\.terraform\.tfstate\.lock\.info|.*\.tfplan")

LARGE = 8 * 1024 * 1024
"""Larger files are not copied: the copy has a link."""

MANY = 1000
"""Files of a subfolder; one with more is a link."""

_BLOCK = r'^[ \t]*{kind}[ \t]+"?(?P<name>[\w-]+)"?[ \t\r\n]*\{{'
_VARIABLE = re.compile(r'^[ \t]*variable[ \t]+"?([\w-]+)"?[ \t]*\{(.*?)(?=^\S|\Z)', re.MULTILINE | re.DOTALL)
"""A block up to the next line that is not indented."""
_DEFAULT = re.compile(r"\bdefault[ \t]*=")
_CLOUD = r"^[ \t]*terraform[ \t]*\{(?:(?!^\})(?s:.))*?^[ \t]*(?P<here>cloud)[ \t]*\{"
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def files(folder: Path) -> list[Path]:
    """The files of a configuration, without those of its modules."""
    return sorted(file for file in folder.iterdir() if file.name.endswith(SUFFIXES) and file.is_file())


def declared(folder: Path, kind: str) -> frozenset[str]:
    """The names of its blocks of a kind, `variable` or `output`; CannotTell when a file cannot be read."""
    names: set[str] = set()
    for file in files(folder):
        try:
            text = file.read_text(encoding="utf-8")
            names |= set(_in_json(json.loads(text), kind) if file.suffix == ".json" else _in_text(text, kind))
        except (OSError, ValueError) as error:
            raise CannotTell(f"{file}: {error}") from None
    return frozenset(names)


def _in_text(text: str, kind: str) -> Iterator[str]:
    for match in re.finditer(_BLOCK.format(kind=kind), _COMMENT.sub("", text), re.MULTILINE):
        yield match["name"]


def _in_json(data: object, kind: str) -> Iterator[str]:
    blocks = data.get(kind) if isinstance(data, Mapping) else None
    for block in blocks if isinstance(blocks, list) else [blocks]:
        yield from map(str, block) if isinstance(block, Mapping) else ()


def required(folder: Path) -> dict[str, str]:
    """Variable without a default to its place, `main.tf:3`; CannotTell when a file cannot be read."""
    found: dict[str, str] = {}
    for file in files(folder):
        try:
            text = file.read_text(encoding="utf-8")
            data = json.loads(text) if file.suffix == ".json" else None
        except (OSError, ValueError) as error:
            raise CannotTell(f"{file}: {error}") from None
        if data is None:
            found |= {name: f"{file.name}:{line}" for name, line in _without_default(text)}
            continue
        blocks = data.get("variable") if isinstance(data, Mapping) else None
        for block in blocks if isinstance(blocks, list) else [blocks or {}]:
            found |= {name: file.name for name, one in block.items() if "default" not in one}
    return found


def _without_default(text: str) -> Iterator[tuple[str, int]]:
    for match in _VARIABLE.finditer(_COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), text)):
        if not _DEFAULT.search(match[2]):
            yield match[1], text.count("\n", 0, match.start(1)) + 1


def place_of_output(folder: Path, name: str) -> str:
    """The place of an output, `main.tf:9`; empty: unknown."""
    return _place(folder, rf'^[ \t]*output[ \t]+"?{re.escape(name)}"?[ \t]*\{{')


def place_of_provider(folder: Path, address: str) -> str:
    """The place that asks for a provider (`registry.opentofu.org/hashicorp/aws`): its `source`, else the first block
    whose type begins with its name; empty: unknown."""
    namespace, _, name = address.rpartition("/")
    owner = re.escape(namespace.rpartition("/")[2])
    source = rf'\bsource[ \t]*=[ \t]*"([^"]*/)?{owner}/{re.escape(name)}"'
    block = rf'^[ \t]*(resource|data|ephemeral|provider)[ \t]+"{re.escape(name)}(_|")'
    return _place(folder, source) or _place(folder, block)


def _place(folder: Path, pattern: str) -> str:
    """The first match in the files in Terraform's language."""
    for file in files(folder):
        with suppress(OSError, UnicodeDecodeError):
            text = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), file.read_text(encoding="utf-8"))
            if match := re.search(pattern, text, re.MULTILINE):
                start = match.start("here") if "here" in match.groupdict() else match.start()
                return f"{file.name}:{text.count(chr(10), 0, start) + 1}"
    return ""


def cloud(folder: Path) -> str:
    """The place of a `cloud` block, `main.tf:2`; empty without one."""
    return _place(folder, _CLOUD)


def assigned(folder: Path, more: Sequence[str] = ()) -> dict[str, str]:
    """Variable to the file of values that sets it: these files win over the environment."""
    found: dict[str, str] = {}
    named = [folder / name for name in more]
    own = (file for file in sorted(folder.iterdir()) if file.name.endswith((".tfvars", ".tfvars.json")))
    automatic = (
        file for file in own if ".auto." in file.name or file.name in ("terraform.tfvars", "terraform.tfvars.json")
    )
    for file in (*automatic, *named):
        with suppress(OSError, ValueError):
            text = file.read_text(encoding="utf-8")
            names = json.loads(text) if file.suffix == ".json" else re.findall(r"^[ \t]*([\w-]+)[ \t]*=", text, re.M)
            found.update(dict.fromkeys(names, file.name))
    return found


def copy(folder: Path, top: Path, into: Path) -> Path:
    """Copy a configuration; returns the copy's folder below `into`. Around it are links to everything between it and
    `top`, so that `../modules` is found. The providers that the user has are links too: they are not downloaded again.
    """
    into.mkdir(parents=True)
    here, there = (top, into) if top in folder.parents else (folder.parent, into)
    for name in folder.relative_to(here).parts:
        _link_around(here, there, name)
        here, there = here / name, there / name
        there.mkdir()
    _copy(folder, there)
    return there


def _link_around(here: Path, there: Path, name: str) -> None:
    with suppress(PermissionError):
        for entry in here.iterdir():
            if entry.name not in (name, *_NEVER) and not _STATE.fullmatch(entry.name):
                (there / entry.name).symlink_to(entry)


def _copy(source: Path, target: Path) -> None:
    for entry in source.iterdir():
        copied = target / entry.name
        if entry.name in _NEVER or _STATE.fullmatch(entry.name):
            continue
        if entry.is_symlink():
            if entry.exists():
                copied.symlink_to(entry.resolve())
        elif entry.is_dir():
            if len(list(islice(entry.rglob("*"), MANY + 1))) > MANY:
                copied.symlink_to(entry)
            else:
                copied.mkdir()
                _copy(entry, copied)
        elif entry.is_file():
            if entry.stat().st_size > LARGE:
                copied.symlink_to(entry)
            else:
                shutil.copy2(entry, copied)


def link_providers(folder: Path, data: Path) -> None:
    """Have the tool find the providers that its `init` has installed for the user."""
    installed = folder / ".terraform" / "providers"
    for package in installed.glob("*/*/*/*/*"):  # host, namespace, type, version, platform
        place = data / "providers" / package.relative_to(installed)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(package.resolve())


def use_state(folder: Path, state: Path) -> None:
    """Have a working copy keep its state in this file, whatever its own backend is."""
    override: dict[str, Any] = {"terraform": {"backend": {"local": {"path": str(state)}}}}
    (folder / OVERRIDE).write_text(json.dumps(override), encoding="utf-8")
