"""What a compose file says of its services, as the tool understands it, and the file that a trial lays over it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.errors import CannotTell

COMPLETED = "service_completed_successfully"
PROJECT = "com.docker.compose.project"


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One published port of a service."""

    target: int
    published: int | None
    """The number that the file fixes; None: the engine chooses."""
    protocol: str = "tcp"
    host: str = ""

    @property
    def name(self) -> str:
        """As in `node.ports`: the number inside, `53/udp` for another protocol than TCP."""
        return str(self.target) if self.protocol == "tcp" else f"{self.target}/{self.protocol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service of the file."""

    name: str
    replicas: int = 1
    ports: tuple[Port, ...] = ()
    job: bool = False
    """Whether it ends by itself."""
    named: bool = False
    """Whether the file fixes the name of its container."""
    host_network: bool = False
    networks: tuple[str, ...] = ()
    """The engine's names of its networks."""
    image: str = ""
    built: bool = False
    """Whether its image is built."""
    configs: bool = False
    """Whether the file gives it files of `configs`."""
    tagged: bool = False
    """Whether the file gives the built image more names."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of its nodes: `web`, or `web-1`, `web-2`."""
        if self.job or not self.replicas:
            return ()
        return (self.name,) if self.replicas == 1 else tuple(f"{self.name}-{n}" for n in range(1, self.replicas + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """All services, and the networks and volumes that the project makes."""

    services: Mapping[str, Service]
    networks: Mapping[str, str] = field(default_factory=dict)
    """Name in the file to the name that the file fixes; empty: none."""
    volumes: Mapping[str, str] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of all nodes, in the order of the file."""
        return tuple(node for service in self.services.values() for node in service.nodes)


def read(text: str, project: str, jobs: Sequence[str] = ()) -> Composition:
    """A tool's answer to `config`, in JSON or YAML; CannotTell when it is neither."""
    document = _parsed(text)
    services = {name: value or {} for name, value in (document.get("services") or {}).items()}
    if not services:
        raise CannotTell("the compose file has no services (a profile may turn some on: `profiles` of the system)")
    if unknown := [name for name in jobs if name not in services]:
        raise CannotTell(f"`jobs` names {', '.join(unknown)}, but the services are {', '.join(services)}")
    ending = {*jobs}
    for service in services.values():
        needs = service.get("depends_on")
        for name, how in needs.items() if isinstance(needs, Mapping) else ():
            if isinstance(how, Mapping) and how.get("condition") == COMPLETED:
                ending.add(name)
    return Composition(
        services={
            name: _service(name, value, job=name in ending, networks=_networks(value, document, project))
            for name, value in services.items()
        },
        networks=_made(document.get("networks"), project, _default(services)),
        volumes=_made(document.get("volumes"), project, ()),
    )


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        import yaml

        try:
            document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError as error:
            raise CannotTell(f"the tool's answer to `config` is neither JSON nor YAML: {error}") from error
    if not isinstance(document, Mapping):
        raise CannotTell(f"the tool's answer to `config` is {type(document).__name__}, not a mapping")
    return document


def _default(services: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    own = all(service.get("networks") or service.get("network_mode") for service in services.values())
    return () if own else ("default",)


def _made(told: Any, project: str, more: Sequence[str]) -> dict[str, str]:
    found = {}
    for name, value in {**dict.fromkeys(more), **(told or {})}.items():
        value = value or {}
        if not value.get("external"):
            given = str(value.get("name") or "")
            found[name] = "" if given == f"{project}_{name}" else given
    return found


def _networks(service: Mapping[str, Any], document: Mapping[str, Any], project: str) -> tuple[str, ...]:
    """As the engine names them once the trial's file is over the user's; none with a mode of its own."""
    if service.get("network_mode"):
        return ()
    known = document.get("networks") or {}
    found = []
    for name in service.get("networks") or ("default",):
        value = known.get(name) or {}
        external = value.get("external")
        given = external.get("name") if isinstance(external, Mapping) else value.get("name")
        found.append(str(given or name) if external else f"{project}_{name}")
    return tuple(found)


def _service(name: str, told: Mapping[str, Any], *, job: bool, networks: tuple[str, ...]) -> Service:
    replicas = (told.get("deploy") or {}).get("replicas", told.get("scale"))
    ports = [port for one in told.get("ports") or () for port in ports_in(one, name)]
    return Service(
        name=name,
        replicas=1 if replicas is None else int(replicas),
        ports=tuple(ports),
        job=job,
        named=bool(told.get("container_name")),
        host_network=told.get("network_mode") == "host",
        networks=networks,
        image=str(told.get("image") or ""),
        built=told.get("build") is not None,
        configs=bool(told.get("configs")),
        tagged=isinstance(told.get("build"), Mapping) and bool(told["build"].get("tags")),
    )


def ports_in(told: Any, service: str) -> list[Port]:
    """A port in the long or in the short form; a range is several."""
    if isinstance(told, Mapping):
        published, protocol = str(told.get("published") or ""), str(told.get("protocol") or "tcp")
        host, target = str(told.get("host_ip") or ""), str(told["target"])
    else:
        text, _, protocol = str(told).partition("/")
        outside, _, target = text.rpartition(":")
        host, _, published = outside.rpartition(":")
        host = host.strip("[]")
    inside, outer = _range(target, service), _range(published, service) if published else []
    if len(outer) not in (0, len(inside)):
        outer = []  # a range for one port: the engine chooses
    return [
        Port(target=number, published=outer[at] if outer else None, protocol=protocol or "tcp", host=host)
        for at, number in enumerate(inside)
    ]


def _range(text: str, service: str) -> list[int]:
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    if found is None:
        raise CannotTell(f"a port of the service {service} is {text!r}, which Seatrial cannot read")
    return list(range(int(found[1]), int(found[2] or found[1]) + 1))


def override(
    composition: Composition,
    project: str,
    *,
    ports: Mapping[str, Sequence[tuple[Port, int | None]]] | None,
    labels: Mapping[str, str],
    environment: Mapping[str, str],
) -> str:
    """The file over the user's own: labels and the run's variables on everything, no fixed names, and these ports (the
    number on this host; None: the engine chooses). `ports` None leaves the file's ports. Built images have names of the
    trial: the user's own stay as they are."""
    services = []
    built = {name: f"{project}-{name}".lower() for name, service in composition.services.items() if service.built}
    shared = {composition.services[name].image: image for name, image in built.items()}
    for name, service in composition.services.items():
        lines = [_entry("labels", labels), _entry("environment", environment)]
        if service.replicas != 1:  # podman-compose takes `replicas` only with a `mode`
            lines.append(f"scale: {service.replicas}")
        if image := built.get(name) or (service.image and shared.get(service.image)):
            lines.append(f"image: {json.dumps(image)}")
        if service.built:
            lines.append(f"build: {{{_entry('labels', {**labels, PROJECT: project})}}}")
            if service.tagged:
                lines[-1] = f"{lines[-1][:-1]}, tags: !override []}}"
        if service.named:
            lines.append("container_name: !reset null")
        if ports is not None and service.ports and not service.host_network:
            words = [_published(port, number) for port, number in ports.get(name, ())]
            lines.append(f"ports: !override {json.dumps(words)}")
        services.append("".join([f"  {json.dumps(name)}:\n", *(f"    {line}\n" for line in lines)]))
    parts = ["services:\n", *services]
    for kind, things in (("networks", composition.networks), ("volumes", composition.volumes)):
        if not things:
            continue
        parts.append(f"{kind}:\n")
        for name, fixed in things.items():
            given = {"labels": _escaped(labels), **({"name": f"{project}_{name}"} if fixed else {})}
            parts.append(f"  {json.dumps(name)}: {json.dumps(given)}\n")
    return "".join(parts)


def _entry(key: str, values: Mapping[str, str]) -> str:
    return f"{key}: {json.dumps(_escaped(values))}"


def _escaped(values: Mapping[str, str]) -> dict[str, str]:
    """So that the tool does not look for variables in them."""
    return {name: value.replace("$", "$$") for name, value in values.items()}


def _published(port: Port, number: int | None) -> str:
    host = port.host if port.host not in ("", "0.0.0.0", "::") else "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{number or ''}:{port.target}/{port.protocol}"
