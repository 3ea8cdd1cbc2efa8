"""A system without measurements of its own is measured by the power and the link of its nodes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from seatrial.errors import LinkDown
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Connection, Node
from seatrial.spi import Finished, link_of, status_of

NODES = [Node(name="n1"), Node(name="n2"), Node(name="n3")]


class Small:
    """A system with the four methods, as far as they matter here."""

    places_nodes = True


def state(*, silent: tuple[str, ...] = (), off: tuple[str, ...] = (), nodes: list[Node] = NODES) -> str:
    """The state of the whole, with some nodes silent and some powered off."""

    class Link:
        def __init__(self, node: Node) -> None:
            self.node = node

        async def run(self, command: Any, **options: Any) -> Finished:
            if self.node.name in (*silent, *off):
                raise LinkDown("no answer")
            return Finished(exit_code=0, stdout="", stderr="")

    class Provider:
        async def state(self, node: Node) -> PowerState:
            return PowerState.STOPPED if node.name in off else PowerState.RUNNING

    async def all_nodes() -> list[Node]:
        return nodes

    suite = SimpleNamespace(provider="fake")
    ctx: Any = SimpleNamespace(system=Small(), provider=Provider(), suite=suite, nodes=all_nodes, link=Link)
    ctx.saw_up = lambda: None
    return asyncio.run(status_of(ctx)).state.value


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        ({}, "running"),
        ({"silent": ("n2",)}, "degraded"),
        ({"silent": ("n1", "n2", "n3")}, "critical"),
        ({"off": ("n1", "n2")}, "critical"),
        ({"off": ("n1", "n2", "n3")}, "stopped"),
        ({"nodes": []}, ""),
    ],
)
def test_the_state_follows_from_power_and_link(trouble: dict[str, Any], expected: str) -> None:
    assert state(**trouble) == expected


@pytest.mark.parametrize(
    ("connection", "error", "expected"),
    [
        (None, TimeoutError("silent"), "not_ok"),
        (Connection(kind="podman", target="n1"), TimeoutError("silent"), "unknown"),
        (Connection(kind="podman", target="n1"), LinkDown("it is stopped"), "not_ok"),
    ],
)
def test_a_busy_host_is_no_silent_node(connection: Connection | None, error: Exception, expected: str) -> None:
    class Link:
        async def run(self, command: Any, **options: Any) -> Finished:
            raise error

    ctx: Any = SimpleNamespace(link=lambda node: Link())
    reading = asyncio.run(link_of(ctx, Node(name="n1", connection=connection)))
    assert (reading.value, reading.why) == (expected, str(error))
