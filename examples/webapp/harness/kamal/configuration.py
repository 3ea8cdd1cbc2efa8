"""Reads `config/deploy.yml` and `.kamal/secrets` whole; refuses unknown keys by name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kamal.erb import Wrong, render

SECRET = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Environment:
    """Of a container."""

    clear: Mapping[str, str]
    secret: Mapping[str, str] = field(repr=False)

    def file(self, more: Mapping[str, str]) -> str:
        """In the format of an engine's `--env-file`."""
        values = {**more, **self.clear, **self.secret}
        for name, value in values.items():
            if "\n" in value or "\r" in value:
                raise Wrong(f"{name} has a line break in it, which no env file can carry")
        return "".join(f"{name}={value}\n" for name, value in values.items())


@dataclass(frozen=True)
class Role:
    """Hosts with the same command."""

    name: str
    hosts: tuple[str, ...]
    command: tuple[str, ...] = ()
    proxied: bool = False


@dataclass(frozen=True)
class Proxy:
    """The served names, and the health check of a container."""

    hosts: tuple[str, ...]
    port: int
    path: str
    interval: float
    timeout: float


@dataclass(frozen=True)
class Accessory:
    """A container beside the app."""

    name: str
    image: str
    host: str
    port: str
    environment: Environment
    volumes: tuple[str, ...]


@dataclass(frozen=True)
class Configuration:
    """The whole configuration."""

    service: str
    image: str
    roles: tuple[Role, ...]
    proxy: Proxy
    environment: Environment
    volumes: tuple[str, ...]
    arguments: Mapping[str, str]
    """Of the build."""
    accessories: tuple[Accessory, ...]
    user: str
    keys: tuple[str, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The app's addresses, each once."""
        return tuple(dict.fromkeys(host for role in self.roles for host in role.hosts))


def read(folder: Path, environment: Mapping[str, str] = os.environ) -> Configuration:
    """Read both files; Wrong names each mistake."""
    path = folder / "config" / "deploy.yml"
    where = "config/deploy.yml"
    if not path.is_file():
        raise Wrong(f"{where}: there is no such file in {folder}")
    try:
        told = yaml.safe_load(render(path.read_text(), environment, where))
    except yaml.YAMLError as error:
        raise Wrong(f"{where}: once the environment is filled in it is no YAML: {error}") from error
    secrets = Secrets(folder / ".kamal" / "secrets", environment)
    known = "service image servers allow_empty_roles proxy registry builder volumes env ssh accessories"
    top = _mapping(told, where, known)
    secrets.needed(top.get("registry", {}).get("password") or ())
    roles = _roles(top, where)
    builder = _mapping(top.get("builder", {}), f"{where}: builder", "arch args")
    ssh = _mapping(top.get("ssh", {}), f"{where}: ssh", "user keys keys_only")
    return Configuration(
        service=str(top["service"]),
        image=str(top["image"]),
        roles=roles,
        proxy=_proxy(_mapping(top.get("proxy", {}), f"{where}: proxy", "hosts app_port healthcheck"), where),
        environment=_environment(top.get("env", {}), secrets, f"{where}: env"),
        volumes=tuple(top.get("volumes", ())),
        arguments={name: str(value) for name, value in builder.get("args", {}).items()},
        accessories=tuple(_accessories(top.get("accessories", {}), secrets, where)),
        user=str(ssh.get("user", "root")),
        keys=tuple(str(key) for key in ssh.get("keys", ())),
    )


class Secrets:
    """`.kamal/secrets`: lines `NAME=$VARIABLE`, filled in from the environment."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self._values: dict[str, str | None] = {}
        for number, line in enumerate(path.read_text().splitlines() if path.is_file() else (), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            name, equals, value = line.strip().partition("=")
            match = SECRET.fullmatch(value)
            if not equals or match is None:
                raise Wrong(f".kamal/secrets:{number}: the stand-in knows lines NAME=$VARIABLE only")
            self._values[name] = environment.get(match[1] or match[2])

    def needed(self, names: Iterable[str]) -> dict[str, str]:
        """Their values; Wrong names the missing ones."""
        found = {name: self._values.get(name) for name in names}
        missing = sorted(name for name, value in found.items() if value is None)
        if missing:
            raise Wrong(f".kamal/secrets: no value for {', '.join(missing)}; set it in the environment")
        return {name: value for name, value in found.items() if value is not None}


def _mapping(value: Any, where: str, known: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Wrong(f"{where}: a mapping is expected")
    if unknown := sorted(set(value) - set(known.split())):
        raise Wrong(f"{where}: the stand-in does not know {', '.join(unknown)}; it knows {known.replace(' ', ', ')}")
    return value


def _roles(top: Mapping[str, Any], where: str) -> tuple[Role, ...]:
    roles = []
    for name, told in _mapping(top["servers"], f"{where}: servers", " ".join(top["servers"])).items():
        role = _mapping(told, f"{where}: servers: {name}", "hosts cmd")
        hosts = tuple(_host(host, where) for host in role.get("hosts") or () if host is not None)
        if not hosts and not top.get("allow_empty_roles"):
            raise Wrong(f"{where}: no servers for the role {name}; `allow_empty_roles: true` allows that")
        roles.append(Role(name, hosts, tuple(str(role.get("cmd", "")).split()), proxied=name == "web"))
    if not roles or not roles[0].hosts:
        raise Wrong(f"{where}: the first role has no servers")
    return tuple(roles)


def _host(value: Any, where: str) -> str:
    if not ADDRESS.fullmatch(str(value)):
        raise Wrong(f"{where}: {value!r} is no name or address of a host")
    return str(value)


def _proxy(told: Mapping[str, Any], where: str) -> Proxy:
    health = _mapping(told.get("healthcheck", {}), f"{where}: proxy: healthcheck", "path interval timeout")
    return Proxy(
        hosts=tuple(_host(host, where) for host in told.get("hosts", ())),
        port=int(told.get("app_port", 80)),
        path=str(health.get("path", "/up")),
        interval=float(health.get("interval", 1)),
        timeout=float(health.get("timeout", 5)),
    )


def _environment(told: Any, secrets: Secrets, where: str) -> Environment:
    env = _mapping(told, where, "clear secret")
    clear = {name: "" if value is None else str(value) for name, value in (env.get("clear") or {}).items()}
    return Environment(clear, secrets.needed(env.get("secret") or ()))


def _accessories(told: Mapping[str, Any], secrets: Secrets, where: str) -> Iterable[Accessory]:
    for name, one in told.items():
        place = f"{where}: accessories: {name}"
        accessory = _mapping(one, place, "image host port env volumes")
        yield Accessory(
            name=name,
            image=str(accessory["image"]),
            host=_host(accessory["host"], where),
            port=str(accessory.get("port", "")),
            environment=_environment(accessory.get("env", {}), secrets, f"{place}: env"),
            volumes=tuple(accessory.get("volumes", ())),
        )
