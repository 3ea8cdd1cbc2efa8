"""One table for all clouds: a planted bad day makes the verdict `unknown`, says what is wrong, makes no machine twice,
and leaves nothing. Machines are no more than their state: none lets Seatrial in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from scripts.clouds import CLOUDS, environment, machines

from seatrial.engine import cleanup
from seatrial.errors import CannotTell, LeftBehind, SeatrialError
from seatrial.loading.provider_settings import settings_from
from seatrial.model.resource import NodeSpec
from seatrial.providers.clouds import calls
from seatrial.registry import Registry
from seatrial.testing import context, flow, virtual_time
from seatrial_stand_ins.machines import Unreal

CREATE = {
    "aws": "RunInstances", "azure": "Microsoft.Compute/virtualMachines/write", "gcp": "instances.insert",
    "digitalocean": "POST /droplets", "hetzner": "POST /servers",
}  # fmt: skip
ENTRY = "did not let us in|did not run within|no list shows"
"""The machine was made in spite of it all; nobody lets us in."""


UNAUTHORIZED = "401|unauthorized|Unable"


@dataclass
class Day:
    """What is planted in each cloud, the settings that go with it, and what is said."""

    said: dict[str, str]
    plants: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    begin: Callable[[str, Any], None] = lambda name, server: None
    """What one plant cannot do."""
    virtual: bool = False
    """The product's waits are as long as they are, by a clock that jumps: the server's answers alone take real time."""


def everywhere(said: str) -> dict[str, str]:
    return dict.fromkeys(CLOUDS, said)


def broken(name: str, server: Any) -> None:
    """Every answer is an error of the server, for 30 s of the product's clock."""
    planted: dict[str, Any] = {"*": (500, "InternalError") if name == "aws" else 10_000}
    setattr(server.plants, "refused" if name == "aws" else "broken", planted)
    asyncio.get_running_loop().call_later(30, planted.clear)


def refused(status: int, code: str) -> dict[str, Any]:
    return {"refused": {"RunInstances": (status, code)}}


def mine(**plants: Any) -> dict[str, dict[str, Any]]:
    """The same plants for the three servers that share them; `CREATE` is the cloud's own call."""
    names = ("azure", "digitalocean", "hetzner")
    return {name: {key: value(CREATE[name]) if callable(value) else value for key, value in plants.items()}
            for name in names}  # fmt: skip


DAYS = {
    "throttling": Day(
        everywhere(ENTRY),
        {**mine(throttled=lambda call: {call: 2, "*": 1}), "aws": {"throttled": {"RunInstances": 2}},
         "gcp": {"too_fast": {"*": 3}}},
    ),
    "lost answers": Day(
        everywhere(ENTRY),
        {**mine(lost=lambda call: {call: 1}), "aws": {"lost": {"RunInstances": 1}},
         "gcp": {"lost": {"instances.insert": 2}}},
    ),
    "lists that lag by 5 s": Day(everywhere(ENTRY), {name: {"late": 5.0} for name in CLOUDS}),
    "quota full": Day(
        {"aws": "VcpuLimitExceeded", "azure": "Cores quota", "gcp": "Quota 'CPUS' exceeded", "digitalocean": "limit",
         "hetzner": "limit"},
        {**mine(quota_full=True), "aws": refused(400, "VcpuLimitExceeded"), "gcp": {"quota": 1}},
    ),
    "insufficient capacity": Day(
        {"aws": "InsufficientInstanceCapacity", "azure": "capacity", "gcp": "enough resources",
         "digitalocean": "available", "hetzner": "resource_unavailable|capacity|available"},
        {**mine(no_capacity=True), "aws": refused(500, "InsufficientInstanceCapacity"), "gcp": {"no_capacity": True}},
    ),
    "image gone": Day(
        {"aws": "no such image", "azure": "not available|not found", "gcp": "no such image", "digitalocean": "image",
         "hetzner": "image"},
        settings={"aws": {"image": "ami-00000000"}, "azure": {"image": "Debian:debian-99:x"},
                  "gcp": {"image": "debian-cloud/debian-99"}, "digitalocean": {"image": "debian-1"},
                  "hetzner": {"image": "debian-1"}},
    ),
    "key refused": Day(
        {"aws": "AuthFailure", "azure": "AADSTS", "gcp": "no access token|invalid", "digitalocean": UNAUTHORIZED,
         "hetzner": "unauthorized|token"},
        {"aws": refused(401, "AuthFailure")},
        variables={"azure": {"AZURE_CLIENT_SECRET": "another"}, "digitalocean": {"DIGITALOCEAN_ACCESS_TOKEN": "another",
                   "DIGITALOCEAN_TOKEN": "another"}, "hetzner": {"HCLOUD_TOKEN": "another"}},
    ),
    "right missing": Day(
        {"aws": "UnauthorizedOperation", "azure": "does not have authorization", "gcp": r"compute\.instances\.create",
         "digitalocean": "403|forbidden|not authorized", "hetzner": "forbidden|permission"},
        {**mine(denied=lambda call: {call}), "aws": refused(403, "UnauthorizedOperation"),
         "gcp": {"rights_missing": {"compute.instances.create"}}},
    ),
    "wrong region": Day(
        {"aws": "OptInRequired", "azure": "mars", "gcp": "mars", "digitalocean": "region", "hetzner": "location"},
        {"aws": refused(401, "OptInRequired")},
        settings={"azure": {"location": "mars"}, "gcp": {"zone": "mars-a"}, "digitalocean": {"region": "mars"},
                  "hetzner": {"location": "mars"}},
    ),
    "token that expires in mid-run": Day(
        {"aws": "aws sso login", "azure": "token|Authentication|401", "gcp": ENTRY, "digitalocean": UNAUTHORIZED,
         "hetzner": "unauthorized|token"},
        {"aws": refused(403, "ExpiredToken")},
    ),
    "500 for 30 s": Day(everywhere(ENTRY), begin=broken, virtual=True),
}  # fmt: skip


@pytest.fixture(params=list(CLOUDS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cloud(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Unreal]]:
    unreal = Unreal()
    with CLOUDS[name].stand_in(unreal) as server:
        for variable, value in environment(server).items():
            monkeypatch.setenv(variable, value)
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        yield server, unreal


def expires(name: str, server: Any, *, ago: bool) -> None:
    """The token of a running command, or a new one."""
    if name in ("azure", "digitalocean", "hetzner"):
        server.plants.token_expired = ago
    elif name == "gcp" and ago:
        server.credentials.expire()


@pytest.mark.table(one_in=5)
@pytest.mark.parametrize("day", list(DAYS))
def test_a_bad_day_is_unknown_is_said_and_leaves_nothing(day, name, cloud, tmp_path, monkeypatch):
    server, unreal = cloud
    planted, provider = DAYS[day], Registry().get("provider", name)
    monkeypatch.setattr(provider, "lag", 6.0 if day.startswith("lists") else 0.5)
    if not planted.virtual:
        monkeypatch.setattr(calls, "PATIENCE", 10.0)
        monkeypatch.setattr(cleanup, "PATIENCE", 8.0 if day.startswith(("token", "key")) else 30.0)
    monkeypatch.setattr(calls, "SEEN", 6.0)
    settings = {**CLOUDS[name].settings, **planted.settings.get(name, {})}
    suite = replace(flow(provider=name), deadlines={"start": 2.0})
    given = {variable: os.environ[variable] for variable in planted.variables.get(name, {})}
    for variable, value in planted.variables.get(name, {}).items():
        monkeypatch.setenv(variable, value)
    if day == "key refused" and name == "gcp":
        server.key_file.write_text(
            server.key_file.read_text().replace(server.credentials.key_file("")["client_email"], "x@y")
        )

    error: list[BaseException] = []

    async def made() -> None:
        async with context(tmp_path, suite, providers={name: settings}, registry=Registry()) as ctx:
            if day.startswith("token"):
                await cast(Any, ctx.provider).prepare(ctx)
                expires(name, server, ago=True)
            for plant, value in planted.plants.get(name, {}).items():
                setattr(server.plants, plant, value)
            planted.begin(name, server)
            with pytest.raises(SeatrialError) as raised:
                await ctx.create_node(NodeSpec(name="n11"))
            error.append(raised.value)

    async def cleaned() -> list[Any]:
        own = provider(settings_from(provider, CLOUDS[name].settings))
        for resource in await own.find("*"):
            await own.destroy(resource)
        return list(await own.find("*"))

    # A command without a token cannot see whether anything is left, and says so; one with a new token can.
    with contextlib.suppress(LeftBehind) if day.startswith(("token", "key")) else contextlib.nullcontext():
        if planted.virtual:
            with virtual_time() as clock:
                clock.run(made())
                assert clock.now > 30
        else:
            asyncio.run(made())
    assert isinstance(error[0], CannotTell), repr(error[0])
    assert re.search(planted.said[name], str(error[0])), str(error[0])
    type(server.plants).__init__(server.plants)
    expires(name, server, ago=False)
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    if name == "gcp":
        server.key_file.write_text(json.dumps(server.credentials.key_file(server.root)))
    assert day.startswith("token") or machines(server) == []
    assert asyncio.run(cleaned()) == []
    assert machines(server) == []
    assert len(unreal.wanted) <= 1  # none was made twice
