"""What checks on an Apache CloudStack share: the account, the machines that are meant, and what was looked at."""

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
"""States of what was given back; the cloud forgets it by itself."""

SEEN = "cloudstack.json"
"""In the trial's state folder: kind to identifier to name, of what checks have looked at."""

Thing = Mapping[str, Any]


async def account(ctx: Context, profile: str) -> Cloud:
    """The account of the suite's provider, else the one that the environment or the profile names."""
    if isinstance(ctx.provider, HoldsAccount) and not profile:
        return await ctx.provider.cloud()
    cloud = connect(profile)
    ctx.secret(cloud.secret)
    return cloud


async def machines(ctx: Context, cloud: Cloud, *, on: str, name: Sequence[str]) -> list[Thing]:
    """The machines of these names, else those of the nodes of a selector; none that was given back."""
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
        raise CannotTell(f"the provider {ctx.suite.provider} does not know {', '.join(unknown)} as virtual machines of "
                         "the account; name machines by their own names")  # fmt: skip
    return {str(node.detail["id"]) for node in nodes}


def matches(thing: Thing, patterns: Sequence[str], *keys: str) -> bool:
    """Whether one of its names (`name` and `displayname`, unless others are said) has one of these patterns."""
    own = [str(thing.get(key)) for key in keys or ("name", "displayname") if thing.get(key)]
    return any(fnmatchcase(one, pattern) for one in own for pattern in patterns)


def tagged(thing: Thing, wanted: Mapping[str, str]) -> bool:
    """Whether it has all these tags."""
    return not any(wrong_tags(thing, wanted))


def wrong_tags(thing: Thing, wanted: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with its tags."""
    own = tags_of(thing)
    for key, value in wanted.items():
        if own.get(key) != str(value):
            yield f"its tag {key} is {own.get(key, 'not there')!r}, expected {str(value)!r}"


def listed(given: str | Sequence[str]) -> tuple[str, ...]:
    """One or several, as documents write them."""
    return tuple(one for one in ((given,) if isinstance(given, str) else given) if one)


def seen(ctx: Context) -> dict[str, dict[str, str]]:
    """What checks of this trial have looked at: kind to identifier to name."""
    file = _file(ctx)
    told: dict[str, dict[str, str]] = json.loads(file.read_text()) if file.is_file() else {}
    return told


def remember(ctx: Context, kind: str, things: Iterable[Thing]) -> None:
    """From now on these are looked for by `cloudstack_left`."""
    known = seen(ctx)
    known.setdefault(kind, {}).update({str(one["id"]): str(one.get("name")) for one in things})
    _file(ctx).write_text(json.dumps(known))


def _file(ctx: Context) -> Path:
    return ctx.state / SEEN
