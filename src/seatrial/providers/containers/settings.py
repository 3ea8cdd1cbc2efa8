"""The settings of `[providers.containers]`, and what a suite's parameters say of a node's size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from seatrial.errors import UsageError, nearest

CHOICES = {"ssh": ("auto", "yes", "no"), "publish": ("auto", "yes", "no"), "pull": ("never", "missing", "always")}
MEMORY, CPUS = ("containers_memory_gb", "memory_gb"), ("containers_cpus", "cpus")
"""Parameters of a suite, the more special one first."""

IMAGE = "image"
"""As `command`: what the image itself starts."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where containers live, and what they are made from."""

    engine: str = ""
    """`podman`, `docker`, or the path of one; empty: the first that works."""
    image: str = ""
    """Any image."""
    command: tuple[str, ...] | str = ()
    """What each container runs; `image`: what the image says; nothing: an init of ours that keeps it up."""
    user: str = "root"
    ssh: str = "auto"
    """Whether nodes are reached by SSH (`yes`), by the engine's exec (`no`), or by SSH where the image has it."""
    publish: str = "auto"
    """Whether ports are published on 127.0.0.1 too (`auto`: where the containers' own addresses cannot be reached)."""
    pull: str = "missing"
    memory: int = 0
    """MiB that one node may use; 0: no limit."""
    cpus: float = 0.0
    """CPUs that one node may use; 0: no limit."""
    volumes: tuple[str, ...] = ()
    """Folders of each node that are volumes of its own."""
    options: tuple[str, ...] = ()
    """More words for the engine's `run`, such as `--privileged`."""


def settings_of(given: Mapping[str, Any]) -> Settings:
    """Checked settings; UsageError names the key and what is allowed."""
    known = {field.name: field for field in fields(Settings)}
    made: dict[str, Any] = {}
    for key, value in given.items():
        where = f"providers.containers.{key}"
        if key not in known:
            raise UsageError(f"providers.containers has no setting {key!r}: {nearest(key, known)}")
        if key in CHOICES:
            value = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
            if value not in CHOICES[key]:
                raise UsageError(f"{where} is {value!r}; allowed: {', '.join(CHOICES[key])}")
        made[key] = _READERS[key](where, value)
    if "user" in made and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", made["user"]):
        raise UsageError(f"providers.containers.user is {made['user']!r}; allowed is the name of a user in the image")
    for path in made.get("volumes", ()):
        if not path.startswith("/") or ":" in path:
            raise UsageError(f"providers.containers.volumes has {path!r}; allowed are absolute paths in the container")
    return Settings(**made)


def _text(where: str, value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{where} is {value!r}; allowed is text")
    return value


def _words(where: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise UsageError(f"{where} is {value!r}; allowed is a list of texts")
    return tuple(value)


def _command(where: str, value: object) -> tuple[str, ...] | str:
    if value == IMAGE:
        return IMAGE
    if isinstance(value, str):
        raise UsageError(f"{where} is {value!r}; allowed is a list of words, or `{IMAGE}` for what the image starts")
    return _words(where, value)


def _memory(where: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f"{where} is {value!r}; allowed is a whole number of MiB (0: no limit)")
    return value


def _cpus(where: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise UsageError(f"{where} is {value!r}; allowed is a number such as 0.5 (0: no limit)")
    return float(value)


_READERS: Mapping[str, Any] = {
    **dict.fromkeys(("engine", "image", "user", "ssh", "publish", "pull"), _text),
    "command": _command,
    "memory": _memory,
    "cpus": _cpus,
    "volumes": _words,
    "options": _words,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large one node is."""

    memory_mib: int
    cpus: float
    volumes: tuple[str, ...]
    """Folders that are volumes."""


def size_of(parameters: Mapping[str, object], settings: Settings) -> Size:
    """A node's size from the suite's parameters: `containers_memory_gb` or `memory_gb`, `containers_cpus` or `cpus`,
    `data_volumes_per_node` (mounted at /data1, /data2, …)."""
    memory = next((parameters[name] for name in MEMORY if parameters.get(name) is not None), None)
    cpus = next((parameters[name] for name in CPUS if parameters.get(name) is not None), None)
    count = parameters.get("data_volumes_per_node", 0)
    if isinstance(count, bool) or not re.fullmatch(r"\d{1,2}", str(count)):
        raise UsageError(f"the parameter data_volumes_per_node is {count!r}; allowed is a whole number up to 99")
    return Size(
        memory_mib=settings.memory if memory is None else round(_number(" or ".join(MEMORY), memory) * 1024),
        cpus=settings.cpus if cpus is None else _number(" or ".join(CPUS), cpus),
        volumes=(*settings.volumes, *(f"/data{one + 1}" for one in range(int(str(count))))),
    )


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not re.fullmatch(r"\d+(\.\d+)?", str(value)) or not float(str(value)):
        raise UsageError(f"the parameter {name} is {value!r}; allowed is a number above 0")
    return float(str(value))
