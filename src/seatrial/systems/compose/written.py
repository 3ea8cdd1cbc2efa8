"""The user's compose files as they are written, read before a run: what is wrong in them, and who the nodes will be.

Only the tool understands them whole. What cannot be known from the text alone is left open.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from seatrial.errors import CannotTell, closest, nearest
from seatrial.links.paths import shown
from seatrial.systems.compose import references
from seatrial.systems.compose.model import COMPLETED, ports_in
from seatrial.systems.compose.recognition import standard
from seatrial.systems.compose.settings import ComposeSettings

SERVICE_KEYS = frozenset({"image", "build", "command", "ports", "environment", "volumes", "links"})
VARIABLE = re.compile(r"(?<!\$)\$(?:\{(?P<braced>\w+)(?P<rest>[^}]*)\}|(?P<plain>\w+))")
OWN = ("E2E_", "SEATRIAL_", "COMPOSE_")
"""How the variables of a run and of the tools begin."""


class BrokenFile(Exception):
    """A compose file that cannot be read: where and why, and what to write."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of a compose file without a value."""

    place: str
    """`compose.yaml:7`."""
    name: str
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """All files together."""

    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    whole: bool = True
    """Whether no service can come from elsewhere."""
    unset: tuple[Variable, ...] = ()
    declared: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The names of networks, volumes, secrets and configs."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Each file as it is written."""

    def place(self, service: str, word: str) -> str:
        """The first line of a word at or below a service: `compose.yaml:7`."""
        for file, text in reversed([*self.texts.items()]):
            start = _line_of(text, service, below="services")
            for number, line in enumerate(text.splitlines(), 1):
                if number >= start and word in line:
                    return f"{file}:{number}"
        return ", ".join(self.texts)


class _Loader(yaml.SafeLoader):
    """Reads a tag of compose as the value behind it."""


def _untagged(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else node.value


_Loader.add_multi_constructor("!", _untagged)


def read_files(folder: Path, names: Sequence[str], env_file: str, env: Mapping[str, str]) -> Files:
    """The files by their paths from a folder; BrokenFile says where one is wrong."""
    services: dict[str, dict[str, Any]] = {}
    declared: dict[str, set[str]] = {kind: set(references.ALWAYS_THERE.get(kind, ())) for kind in references.DECLARED}
    texts: dict[str, str] = {}
    whole, unset = True, []
    known = {**_environment(folder, names, env_file), **os.environ, **env}
    for name in names:
        text = texts[name] = (folder / name).read_text(encoding="utf-8", errors="replace")
        document = _document(name, text)
        for kind, names_there in declared.items():
            names_there.update(map(str, document.get(kind) or ()))
        whole = whole and "include" not in document
        for service, value in (document.get("services") or {}).items():
            services[str(service)] = {**services.get(str(service), {}), **(value or {})}
        unset += list(_unset(name, text, known))
    if not services and whole:
        raise BrokenFile(f"{', '.join(names)}: there are no services", "write `services:`, and each service below it")
    return Files(
        services=services, whole=whole and "COMPOSE_PROFILES" not in known, unset=tuple(unset),
        declared={kind: frozenset(found) for kind, found in declared.items()}, texts=texts,
    )  # fmt: skip


def _document(name: str, text: str) -> Mapping[str, Any]:
    try:
        document = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        why = getattr(error, "problem", None) or error
        raise BrokenFile(
            f"{place}: this is not YAML: {why}", "look at the indentation there and in the line above"
        ) from None
    document = {} if document is None else document
    if not isinstance(document, Mapping):
        raise BrokenFile(f"{name}:1: a compose file is a mapping with `services:`, not {type(document).__name__}")
    services = document.get("services")
    if services is not None and not isinstance(services, Mapping):
        line = _line_of(text, "services")
        raise BrokenFile(f"{name}:{line}: `services` is not a mapping", "write each service as `NAME:` below it")
    for service, value in (services or {}).items():
        if value is not None and not isinstance(value, Mapping):
            line = _line_of(text, str(service))
            raise BrokenFile(f"{name}:{line}: the service {service!r} is not a mapping", "write its keys below it")
    if services is None:
        older = [key for key, value in document.items() if isinstance(value, Mapping) and SERVICE_KEYS & value.keys()]
        if older:
            line = _line_of(text, str(older[0]))
            text = f"{name}:{line}: the service {older[0]!r} is at the top, as in version 1 of compose files"
            raise BrokenFile(text, "write `services:` above the services, and indent them below it")
    return document


def _line_of(text: str, key: str, *, below: str = "") -> int:
    """The first line with this key, 1 without one; `below`: behind the first line with another key."""
    start = _line_of(text, below) if below else 0
    key_at = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*:")
    lines = enumerate(text.splitlines(), 1)
    return next((number for number, line in lines if number > start and key_at.match(line)), 1)


def _environment(folder: Path, names: Sequence[str], env_file: str) -> dict[str, str]:
    """The names in the file with variables; their values do not matter here."""
    file = folder / env_file if env_file else (folder / names[0]).parent / ".env"
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.removeprefix("export ").partition("=") for line in lines if not line.lstrip().startswith("#"))
    return {name.strip(): value for name, _, value in pairs if name.strip()}


def _unset(file: str, text: str, known: Mapping[str, str]) -> Iterator[Variable]:
    seen = set()
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        for found in VARIABLE.finditer(line):
            name, rest = found["braced"] or found["plain"], found["rest"] or ""
            required = rest.startswith(("?", ":?"))
            if name in known or name in seen or name.startswith(OWN) or name[0].isdigit() or (rest and not required):
                continue
            seen.add(name)
            yield Variable(place=f"{file}:{number}", name=name, required=required)


def nodes_in(files: Files, profiles: Sequence[str], jobs: Sequence[str]) -> dict[str, str] | None:
    """The names of the nodes, each with an empty text; the name of another service has the reason. None: unknown."""
    if not files.whole:
        return None
    jobs = [*jobs, *_awaited(files.services.values())]
    found: dict[str, str] = {}
    for name, service in files.services.items():
        count = (service.get("deploy") or {}).get("replicas", service.get("scale", 1))
        wanted = [str(profile) for profile in service.get("profiles") or ()]
        if "extends" in service or not isinstance(count, int):
            return None
        if wanted and not {"*", *wanted} & set(profiles):
            found[name] = f"the service {name} is off: write `profiles: [{wanted[0]}]` into `system:`"
        elif name in jobs:
            found[name] = f"the service {name} is a job: it ends by itself and is not a node"
        elif count == 1:
            found[name] = ""
        else:
            nodes = [f"{name}-{number}" for number in range(1, count + 1)]
            found[name] = f"the service {name} has {count} nodes: {', '.join(nodes) or 'none'}"
            found |= dict.fromkeys(nodes, "")
    return found


def fixed_ports(files: Files) -> dict[int, tuple[str, str]]:
    """Each TCP port of this machine that a service fixes, with the service and the expression for the trial's port.
    Those with a variable are known to the tool alone."""
    found: dict[int, tuple[str, str]] = {}
    for name, service in files.services.items():
        for written_port in service.get("ports") or () if service.get("network_mode") != "host" else ():
            try:
                ports = ports_in(written_port, name)
            except (CannotTell, KeyError):
                continue
            for port in ports:
                if port.published and port.protocol == "tcp":
                    node = f".{name}" if name.isidentifier() else f"[{name!r}]"
                    found[port.published] = f"the service {name}", f"${{{{ nodes{node}.ports[{port.name!r}] }}}}"
    return found


def _awaited(services: Sequence[Mapping[str, Any]] | Any) -> Iterator[str]:
    for service in services:
        needs = service.get("depends_on")
        for name, how in needs.items() if isinstance(needs, Mapping) else ():
            if isinstance(how, Mapping) and how.get("condition") == COMPLETED:
                yield name


def written(settings: ComposeSettings, folder: Path) -> Files | None:
    """The files as they are written; None: they are wrong (see `problems`), or only known later."""
    names = [*settings.files] or standard(folder)
    if not names or any("${{" in name for name in (*names, settings.env_file)):
        return None
    try:
        return read_files(folder, names, settings.env_file, settings.env)
    except (BrokenFile, OSError):
        return None


def place_of(settings: ComposeSettings, folder: Path, service: str, key: str) -> str:
    """File and line of a key of a service, for a message of a run; without such a key in the text, of the service; the
    files alone where only the tool can find it."""
    files = written(settings, folder)
    if files is None or service not in files.services:
        names = [*settings.files] or standard(folder)
        return ", ".join(shown(Path(os.path.normpath(folder / name))) for name in names)
    value = files.services[service].get(key)
    word = (str(value) if isinstance(value, str) else key) if key in files.services[service] else service
    file, colon, line = files.place(service, word).rpartition(":")
    return f"{shown(Path(os.path.normpath(folder / file)))}{colon}{line}" if colon else line


def problems(settings: ComposeSettings, folder: Path) -> Iterable[tuple[tuple[str, ...], str, str]]:
    """What is wrong in the files for every run, as for `check_suite`."""
    names = [*settings.files] or standard(folder)
    if any("${{" in name for name in (*names, settings.env_file)):
        return
    try:
        files = read_files(folder, names, settings.env_file, settings.env)
    except BrokenFile as error:
        yield (), str(error), error.hint
        return
    for one in files.unset:
        if one.required:
            hint = f"write it into `.env`, or `env: {{{one.name}: …}}` into `system:`"
            yield (), f"{one.place}: the variable {one.name} is required, but has no value", hint
    for key, named in (("health", settings.health), ("jobs", settings.jobs)):
        for name in named if files.whole else ():
            if "${{" not in name and name not in files.services:
                place = (key, name) if key == "health" else (key,)
                yield place, f"`{key}` names the service {name!r}", nearest(name, files.services, what="services")
    if files.whole:
        yield from _misspelt_profiles(files, settings.profiles)
        yield from _unknown_names(files, (folder / names[0]).parent.resolve())


def _misspelt_profiles(files: Files, profiles: Sequence[str]) -> Iterable[tuple[tuple[str, ...], str, str]]:
    known = {str(name) for service in files.services.values() for name in service.get("profiles") or ()}
    for name in profiles:
        if name not in known and name != "*" and "${{" not in name and closest(name, known):
            yield ("profiles",), f"no service has the profile {name!r}", nearest(name, known, what="profiles")


def _unknown_names(files: Files, folder: Path) -> Iterable[tuple[tuple[str, ...], str, str]]:
    known = {**files.declared, "services": frozenset(files.services)}
    for service, told in files.services.items():
        for key, near in references.misspelt_keys(told):
            text = f"{files.place(service, key)}: the service {service} has the key {key!r}"
            yield (), text, f"did you mean {near!r}?"
        if "extends" in told:
            continue  # only the tool knows the rest of it
        for kind, name in dict.fromkeys(references.used_by(told)):
            if name not in known[kind]:
                text = f"{files.place(service, name)}: the service {service} names {name!r}, which is not in `{kind}:`"
                yield (), text, nearest(name, known[kind], what=kind)
        for file in references.missing_env_files(told, folder):
            text = f"{files.place(service, file)}: the service {service} reads {file!r}, which does not exist"
            yield (), text, f"paths begin at {folder}; if it may be missing, write {{path: {file}, required: false}}"
        if needed := references.missing_for_build(told, folder):
            text = f"{files.place(service, 'build')}: the service {service} is built from {needed!r}"
            yield (), f"{text}, which does not exist", f"paths begin at {folder}"
