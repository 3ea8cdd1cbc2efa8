"""Steps, checks, a provider and a system of the tests' own, registered as a user's plugin is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from seatrial.model.result import Observation, passed
from seatrial.model.scenario import CheckPlan, Retry, StepPlan
from seatrial.model.values import Argv, Duration, Expression
from seatrial.registry import check, provider, step, system
from seatrial.spi import Powers

ONE = Duration(1.0)


class Runs:
    async def run(self, ctx: Any) -> None:
        return None


class Observes:
    async def observe(self, ctx: Any) -> Observation:
        return passed()


@step("t_nothing")
@dataclass(frozen=True, kw_only=True)
class Nothing(Runs):
    """Do nothing."""

    note: str = ""


@step("t_set")
@dataclass(frozen=True, kw_only=True)
class SetValues(Runs):
    """Not the real one: the name `set` belongs to Seatrial."""

    values: Mapping[str, object]


@step("t_validate")
@dataclass(frozen=True, kw_only=True)
class Validate(Runs):
    """Run checks."""

    checks: tuple[CheckPlan, ...]
    allow_failures: tuple[str, ...] = ()
    retry: Retry | None = None


@step("t_crash")
@dataclass(frozen=True, kw_only=True)
class Crash(Runs):
    """Crash a node."""

    target_node: str
    method: Literal["ssh", "destroy"] = "ssh"

    def needs_powers(self) -> frozenset[Powers]:
        return frozenset({Powers.CRASH if self.method == "destroy" else Powers.GUEST_CRASH})


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A part."""

    size: int
    word: str = field(default="x", metadata={"doc": "a word"})

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if self.size < 0:
            yield "size", "must not be below 0"


@step("t_everything")
@dataclass(frozen=True, kw_only=True)
class Everything(Runs):
    """Every type of field."""

    for_: Duration = ONE
    count: int = 0
    share: float = 0.0
    yes: bool = False
    word: str = ""
    any_: object = None
    until: Expression | None = None
    argv: Argv = ()
    names: tuple[str, ...] = ()
    numbers: list[int] = field(default_factory=list)
    env: Mapping[str, str] = field(default_factory=dict)
    maybe: str | None = None
    choice: Literal["a", "b"] = "a"
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    again: Retry | None = None
    status: tuple[int, ...] | int = 200

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if self.count and self.share:
            yield "share", "takes no `count` beside it"


@step("t_group")
@dataclass(frozen=True, kw_only=True)
class Group(Runs):
    """Children with an end."""

    child_names: ClassVar[tuple[str, ...]] = ("round",)

    steps: tuple[StepPlan, ...]
    rollback: tuple[StepPlan, ...] = ()
    finally_: tuple[StepPlan, ...] = ()


@check("t_up")
@dataclass(frozen=True, kw_only=True)
class Up(Observes):
    """Something is up."""


@check("t_down")
@dataclass(frozen=True, kw_only=True)
class Down(Observes):
    """Something is down."""


@check("t_node")
@dataclass(frozen=True, kw_only=True)
class NodeStatus(Observes):
    """The state of a node."""

    node: str
    state: Literal["running", "stopped"] = "running"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, object]:
        parts = re.fullmatch(r":([^:]+)(?::(.+))?", rest)
        if not parts:
            raise ValueError("write t_node:NODE or t_node:NODE:STATE")
        return {"node": parts[1], **({"state": parts[2]} if parts[2] else {})}


@check("t_http")
@dataclass(frozen=True, kw_only=True)
class Http(Observes):
    """A request."""

    url: str
    status: int = 200
    that: Expression | None = None


@check("t_function", description="a plain one", allow_failure=True)
def function(context: Any) -> bool:
    return True


class Nowhere:
    deadlines: ClassVar[Mapping[str, float]] = {}

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings


@dataclass(frozen=True, kw_only=True)
class StrongSettings:
    region: str = ""
    """Where it is."""


@provider("t_strong")
class Strong(Nowhere):
    """Has every power."""

    Settings: ClassVar[type[Any]] = StrongSettings
    powers = frozenset(Powers)


@provider("t_weak")
class Weak(Nowhere):
    """Has no power by API."""

    powers = frozenset({Powers.LIST, Powers.GUEST_CRASH})


@dataclass(frozen=True, kw_only=True)
class SystemSettings:
    """The keys of the system."""

    command: Argv = ("true",)
    inner: Inner | None = None
    url: str = ""


@system("t_system")
class Sys:
    """A system."""

    Settings = SystemSettings
    places_nodes = True
    template_names = ("node",)

    def __init__(self, settings: SystemSettings, folder: Any) -> None:
        self.settings = settings

    @classmethod
    def role_names(cls, settings: SystemSettings) -> tuple[str, ...]:
        return ("leader",)

    async def role(self, ctx: Any, word: str) -> tuple[()]:
        return ()

    @classmethod
    def node_names(cls, settings: SystemSettings, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        size = parameters.get("cluster_size", 3)
        if not isinstance(size, int):
            raise ValueError(f"cluster_size is {size!r}")
        return tuple(f"n{11 + at}" for at in range(size))
