"""The containers of a project, as their engine shows them, and what Seatrial measures of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from seatrial.errors import LinkDown, LinkLost, SeatrialError
from seatrial.links.containers import Engine, NoSuchThing, refusal
from seatrial.links.containers.engines import detail_of
from seatrial.links.containers.resources import has_networks, power_in
from seatrial.links.output import end
from seatrial.model.cluster import PowerState
from seatrial.model.reading import Health, Reading, absent, concluded, measured
from seatrial.model.resource import Connection, Node
from seatrial.spi import Context
from seatrial.systems.compose.model import PROJECT
from seatrial.systems.probes import look
from seatrial.systems.settings import Probe, node_root

SERVICE, NUMBER, ONE_OFF = (f"com.docker.compose.{word}" for word in ("service", "container-number", "oneoff"))

SETTLED = 1.0
"""Seconds a container without a health check must run before it counts as healthy: one that ends at once does not."""

SHOWN = 300
DEFAULT_TIMEOUT = 30.0
NO_PROGRAM = 127
"""Exit code when the program does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of the project."""

    id: str
    name: str
    service: str
    number: int
    status: str
    exit_code: int
    started: str
    restarts: bool
    """Whether the engine starts it again when it ends."""
    address: str
    mode: str = ""
    """Its network mode."""
    networks: tuple[str, ...] = ()
    """The engine's networks that it is on now."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """As `node.ports`: the number inside to the number on this host."""
    test: tuple[str, ...] = ()
    """The command of its health check; empty: it has none."""
    test_seconds: float = DEFAULT_TIMEOUT

    @property
    def power(self) -> PowerState:
        """Its state in Seatrial's words."""
        return power_in(self.status, self.mode, self.networks)

    @property
    def ended(self) -> str:
        """For a container that does not run."""
        return f"its container is {self.status} with exit code {self.exit_code}"


async def listed(engine: Engine, project: str) -> list[Container]:
    """All containers of the project's services now; CannotTell when the engine does not answer."""
    what = f"looking at the containers of {project}"
    wanted = ("--filter", f"label={PROJECT}={project}")
    names = await engine.names("ps", "--all", "--quiet", "--no-trunc", *wanted, what=what)
    if not names:
        return []
    done = await engine.attempt("container", "inspect", *names, what=what)
    if not done.ok and not isinstance(refused := refusal(engine, what, done), NoSuchThing):
        raise refused
    found = [_container(seen) for seen in json.loads(done.stdout or "[]") if not _one_off(seen)]
    return sorted(found, key=lambda container: (container.service, container.number))


def _labels(seen: Mapping[str, Any]) -> Mapping[str, str]:
    return seen["Config"].get("Labels") or {}


def _one_off(seen: Mapping[str, Any]) -> bool:
    """Made by `compose run`: a command of a person, not a node."""
    return _labels(seen).get(ONE_OFF, "").lower() == "true"


def _container(seen: Mapping[str, Any]) -> Container:
    state, network, labels = seen["State"], seen.get("NetworkSettings") or {}, _labels(seen)
    addresses = [one.get("IPAddress", "") for one in (network.get("Networks") or {}).values()]
    check = seen["Config"].get("Healthcheck") or {}
    policy = ((seen.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name") or "no"
    ports: dict[str, int] = {}
    for inside, bound in (network.get("Ports") or {}).items():
        number, _, protocol = inside.partition("/")
        if bound:
            ports[number if protocol == "tcp" else inside] = int(bound[0]["HostPort"])
    return Container(
        id=str(seen["Id"]),
        name=str(seen["Name"]).lstrip("/"),
        service=labels.get(SERVICE, ""),
        number=int(labels.get(NUMBER) or 1),
        status=str(state["Status"]),
        exit_code=int(state.get("ExitCode") or 0),
        started=str(state.get("StartedAt") or ""),
        restarts=policy != "no",
        address=next(filter(None, [network.get("IPAddress", ""), *addresses]), ""),
        mode=str((seen.get("HostConfig") or {}).get("NetworkMode") or ""),
        networks=tuple(network.get("Networks") or ()),
        ports=ports,
        test=_test(check.get("Test") or ()),
        test_seconds=(check.get("Timeout") or 0) / 1e9 or DEFAULT_TIMEOUT,
    )


def _test(told: Sequence[str]) -> tuple[str, ...]:
    """The command of a health check: `CMD` has its words, `CMD-SHELL` a text for the shell, `NONE` nothing."""
    if not told or told[0] == "NONE":
        return ()
    if told[0] == "CMD":
        return tuple(told[1:])
    return ("/bin/sh", "-c", " ".join(told[1:] if told[0] == "CMD-SHELL" else told))


def to_node(container: Container, name: str, engine: Engine, folder: str) -> Node:
    """The node of a container: ports on this host where it publishes some, else its own address."""
    way_in = Connection(kind=engine.name, target=container.name, program=engine.program, environment=engine.extra)
    return Node(
        name=name,
        address="127.0.0.1" if container.ports or not container.address else container.address,
        ports=container.ports,
        connection=way_in,
        detail={**detail_of(engine), "container": container.name, "folder": folder},
    )


async def service_of(
    ctx: Context, node: Node, container: Container, probe: Probe | None, place: Callable[[], str]
) -> Reading[Health]:
    """Whether the service of a running container works: by its health check, which Seatrial runs itself (the engine's
    own word may be as old as the check's interval), and by a probe; with neither, by its container. `place` finds the
    health check in the files."""
    readings = []
    if container.test:
        readings.append(await _checked(ctx, node, container, place))
    if probe is not None:
        readings.append(await look(ctx, probe, node, {"node": node_root(node)}))
    if not readings:
        return _alive(node, container)
    for wanted in (Health.NOT_OK, Health.UNKNOWN):
        if bad := [reading for reading in readings if reading.value is wanted]:
            return concluded(wanted, "; ".join(reading.why for reading in bad), bad)
    return concluded(Health.OK, "", readings)


async def _checked(ctx: Context, node: Node, container: Container, place: Callable[[], str]) -> Reading[Health]:
    by = f"the health check of {container.service}"
    try:
        done = await ctx.link(node).run(list(container.test), timeout=container.test_seconds)
    except TimeoutError:
        return measured(Health.NOT_OK, f"{by} did not end within {container.test_seconds:g} s", by=by)
    except (LinkDown, LinkLost) as error:
        return measured(Health.NOT_OK, str(error), by=by)
    except (SeatrialError, OSError) as error:
        return absent(Health.UNKNOWN, f"{by} could not be run: {error}", by=by)
    said = end(" ".join((done.stderr.strip() or done.stdout.strip()).split()), SHOWN)
    if done.ok:
        return measured(Health.OK, by=by)
    no_program = f"; the image has no such program: write another `test` ({place()})"
    hint = no_program if done.exit_code == NO_PROGRAM else ""
    return measured(Health.NOT_OK, f"{by} {done.ended}{said and ': ' + said}{hint}", by=by)


def _alive(node: Node, container: Container) -> Reading[Health]:
    """A service that nothing else measures: its container must run, and not since a moment ago."""
    by = f"the engine {node.connection.kind}" if node.connection else ""
    if container.status != "running":
        return measured(Health.NOT_OK, f"its container is {container.status}", by=by)
    if 0 <= _seconds_since(container.started) < SETTLED:
        return measured(
            Health.NOT_OK, f"its container runs for less than {SETTLED:g} s, and nothing else is known", by=by
        )
    return measured(Health.OK, "its container runs; the service has no health check", by=by)


def _seconds_since(moment: str) -> float:
    """Seconds since an engine's time; negative when it cannot be read, or by another clock."""
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    except (ValueError, TypeError):
        return -1.0


def network_of(container: Container, wanted: Sequence[str], by: str) -> Reading[Health] | None:
    """Whether a running container is on all networks of its service, by their names in the engine; None: it has none
    of its own."""
    if not wanted or not has_networks(container.mode):
        return None
    missing = ", ".join(name for name in wanted if name not in container.networks)
    if missing:
        return measured(Health.NOT_OK, f"it is not connected to {missing}", by=by)
    return measured(Health.OK, by=by)


def node_name(container: Container, replicas: int) -> str:
    """`web`, or `web-2` of a service with several."""
    return container.service if replicas == 1 else f"{container.service}-{container.number}"
