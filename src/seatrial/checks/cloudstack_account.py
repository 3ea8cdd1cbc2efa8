"""Shared by checks of Apache CloudStack: the account, the selected machines, and the record of everything checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from seatrial.checks.per_node import choose
from seatrial.errors import CannotTell
from seatrial.links.cloudstack import Cloud, HoldsAccount, connect, tags_of
from seatrial.model.resource import Node
from seatrial.spi import AdoptsNodes, Context

GONE = ("Destroyed", "Expunging", "Destroy", "Expunged")
"""States of removed resources; CloudStack expunges them later."""

SEEN = "cloudstack.json"
"""A file in the trial's state folder: checked resources as kind to identifier to name."""

Thing = Mapping[str, Any]


async def account(ctx: Context, profile: str) -> Cloud:
    """The account of the suite's provider, else the one in the environment or the profile."""
    if isinstance(ctx.provider, HoldsAccount) and not profile:
        return await ctx.provider.cloud()
    cloud = connect(profile)
    ctx.secret(cloud.secret)
    return cloud


async def machines(ctx: Context, cloud: Cloud, *, on: str, name: Sequence[str]) -> list[Thing]:
    """The machines with these names, else those of a selector's nodes; removed ones are left out."""
    found = await cloud.list("listVirtualMachines", "virtualmachine")
    found = [one for one in found if one.get("state") not in GONE]
    if name:
        return [one for one in found if matches(one, name)]
    ids = await _ids(ctx, on or "*")
    return [one for one in found if str(one.get("id")) in ids]


async def _ids(ctx: Context, on: str) -> set[str]:
    nodes: Sequence[Node] = (await choose(ctx, on)).nodes
    provider = ctx.provider
    if isinstance(provider, AdoptsNodes) and not ctx.system.places_nodes:
        nodes = await provider.adopt(nodes)
    unknown = [node.name for node in nodes if not node.detail.get("id")]
    if unknown:
        raise CannotTell(f"provider {ctx.suite.provider} does not know {', '.join(unknown)} as virtual machines of "
                         "the account; use the names of the machines")  # fmt: skip
    return {str(node.detail["id"]) for node in nodes}


def matches(thing: Thing, patterns: Sequence[str], *keys: str) -> bool:
    """Whether one of its names (by default `name` and `displayname`) matches a pattern."""
    own = [str(thing.get(key)) for key in keys or ("name", "displayname") if thing.get(key)]
    return any(fnmatchcase(one, pattern) for one in own for pattern in patterns)


def tagged(thing: Thing, wanted: Mapping[str, str]) -> bool:
    """Whether it has all these tags."""
    return not any(wrong_tags(thing, wanted))


def wrong_tags(thing: Thing, wanted: Mapping[str, str]) -> Iterator[str]:
    """Differences between its tags and the expected ones."""
    own = tags_of(thing)
    for key, value in wanted.items():
        if own.get(key) != str(value):
            yield f"tag {key} is {own.get(key, 'missing')!r}, expected {str(value)!r}"


def listed(given: str | Sequence[str]) -> tuple[str, ...]:
    """One value or several, as in a document."""
    return tuple(one for one in ((given,) if isinstance(given, str) else given) if one)


def seen(ctx: Context) -> dict[str, dict[str, str]]:
    """Resources checked in this trial: kind to identifier to name."""
    file = _file(ctx)
    told: dict[str, dict[str, str]] = json.loads(file.read_text()) if file.is_file() else {}
    return told


def remember(ctx: Context, kind: str, things: Iterable[Thing]) -> None:
    """Record resources for `cloudstack_left` to look for."""
    known = seen(ctx)
    known.setdefault(kind, {}).update({str(one["id"]): str(one.get("name")) for one in things})
    _file(ctx).write_text(json.dumps(known))


def _file(ctx: Context) -> Path:
    return ctx.state / SEEN
