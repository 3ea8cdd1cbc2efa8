"""The settings of `[providers.containers]`, and what a suite's parameters say of a node's size."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from seatrial.errors import UsageError
from seatrial.model.values import Range

MEMORY, CPUS = ("containers_memory_gb", "memory_gb"), ("containers_cpus", "cpus")
"""Parameters of a suite, the more special one first."""

PARAMETERS = (*MEMORY, *CPUS, "data_volumes_per_node")

IMAGE = "image"
"""As `command`: what the image itself starts."""


Switch = Literal["auto", "yes", "no"]


@dataclass(frozen=True, kw_only=True)
class ContainersSettings:
    """Where containers live, and what they are made from."""

    engine: str = ""
    """`podman`, `docker`, or the path of one; empty: the first that works."""
    image: str = ""
    """The image of the nodes; any image will do."""
    command: tuple[str, ...] | Literal["image"] = ()
    """The command of each container, as a list; `image`: the command of the image; none: an init of Seatrial."""
    user: str = "root"
    """The user on the nodes."""
    ssh: Switch = "auto"
    """Whether nodes are reached by SSH (`yes`), by the engine's exec (`no`), or by SSH where the image has it."""
    publish: Switch = "auto"
    """Whether ports are published on 127.0.0.1 too (`auto`: where the containers' own addresses cannot be reached)."""
    pull: Literal["never", "missing", "always"] = "missing"
    """When the image is pulled."""
    memory: Annotated[int, Range(0)] = 0
    """MiB that one node may use; 0: no limit."""
    cpus: Annotated[float, Range(0)] = 0.0
    """CPUs that one node may use, such as 0.5; 0: no limit."""
    volumes: tuple[str, ...] = ()
    """Folders of each node that are volumes of its own: absolute paths."""
    options: tuple[str, ...] = ()
    """More words for the engine's `run`, such as `--privileged`."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """A user's name, and paths in the container."""
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", self.user):
            yield "user", f"{self.user!r} is not the name of a user in the image"
        for path in self.volumes:
            if not path.startswith("/") or ":" in path:
                yield "volumes", f"{path!r} is not an absolute path in the container"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large one node is."""

    memory_mib: int
    cpus: float
    volumes: tuple[str, ...]
    """Folders that are volumes."""


def size_of(parameters: Mapping[str, object], settings: ContainersSettings) -> Size:
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
