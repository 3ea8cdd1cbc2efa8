"""Removing a project whose engine takes its time: a container that restarts at that moment goes late."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from seatrial.errors import CannotTell
from seatrial.model.resource import Resource
from seatrial.spi import Finished
from seatrial.systems.compose import removal

PROJECT = Resource(kind="project", name="t1", trial="t1", run="r1", owner="system:compose", detail={"project": "t1"})


class Slow:
    """An engine with one container and its network; the container is gone only after some orders to remove it."""

    name, podman = "podman", True

    def __init__(self, orders: int) -> None:
        self.orders, self.network = orders, True

    async def names(self, *argv: str, what: str) -> list[str]:
        there = {"ps": self.orders > 0, "network": self.network}
        return ["c1" if argv[0] == "ps" else "n1"] if there.get(argv[0]) else []

    async def attempt(self, *argv: str, what: str, timeout: float = 60.0) -> Finished:
        if argv[0] == "rm":
            self.orders -= 1
        elif self.orders <= 0:
            self.network = False
        return Finished(exit_code=0, stdout="", stderr="")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Any:
    async def gone(engine: object, names: Sequence[str], **more: object) -> None: ...

    def made(orders: int) -> Slow:
        slow = Slow(orders)
        monkeypatch.setattr(removal, "again", lambda detail: slow)
        return slow

    monkeypatch.setattr("seatrial.links.containers.resources.clients_gone", gone)
    return made


def test_what_goes_late_is_removed_all_the_same(engine: Any) -> None:
    slow = engine(4)
    asyncio.run(removal.give_back(PROJECT))
    assert (slow.orders, slow.network) == (0, False)


def test_what_never_goes_is_named_after_a_while(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "SLOW", 0.3)
    engine(10**6)
    with pytest.raises(CannotTell, match="podman still has c1, n1 of t1"):
        asyncio.run(removal.give_back(PROJECT))
