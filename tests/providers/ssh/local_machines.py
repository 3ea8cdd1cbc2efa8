"""Machines that exist, for tests: nodes of the local provider, which have a real SSH server and obey their power."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from seatrial.model.resource import Node, NodeSpec
from seatrial.providers.local import Local
from seatrial.providers.ssh import SSH
from seatrial.registry import Registry, provider
from seatrial.testing import context, fake_registry, flow


@dataclass
class Machines:
    """What stands, and the person who powers it on."""

    nodes: dict[str, Node]
    local: Local
    folder: Path
    person: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def settings(self) -> dict[str, Any]:
        """The inventory that was written, with all that a link needs."""
        return {"inventory": str(self.folder / "hosts.ini")}

    def write(self) -> None:
        """Write the inventory, and the known hosts beside it."""
        lines, known = ["[db]"], []
        for node in self.nodes.values():
            ssh = node.ssh
            key = str(ssh["known_host"])[str(ssh["known_host"]).index("ssh-") :]
            known.append(f"[{ssh['host']}]:{ssh['port']} {key}")
            variables = {
                "ansible_host": ssh["host"],
                "ansible_port": ssh["port"],
                "ansible_user": ssh["user"],
                "ansible_private_key_file": ssh["key"],
                "known_hosts": self.folder / "known",
                "folder": self.base(node.name),
            }
            lines.append(" ".join([node.name, *(f"{key}={value}" for key, value in variables.items())]))
        (self.folder / "known").write_text("\n".join([*known, ""]))
        (self.folder / "hosts.ini").write_text("\n".join([*lines, ""]))

    def base(self, name: str) -> Path:
        """Seatrial's folder on a machine: all local nodes see one file system."""
        return Path(self.nodes[name].folder) / "seatrial"

    async def power_on(self) -> None:
        """What a person does to machines that were shut down."""
        async with self.person:
            for node in self.nodes.values():
                await self.local.start(node)


@provider("attended")
class Attended(SSH):
    """The ssh provider with a person beside it, who powers machines on when all is over."""

    people: ClassVar[list[Callable[[], Awaitable[None]]]] = []
    """Who powers on the machines of the test that runs."""

    async def destroy(self, resource: Any) -> None:
        """Power on, then give back."""
        for power_on in self.people:
            await power_on()
        await super().destroy(resource)


def registry() -> Registry:
    """The usual, and `attended`."""
    made = fake_registry()
    made.add(Attended)
    return made


@contextlib.asynccontextmanager
async def machines(folder: Path, *names: str) -> AsyncIterator[Machines]:
    """Machines of these names, with their inventory; given back at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    async with context(folder / "machines", flow(provider="local")) as ctx:
        assert isinstance(ctx.provider, Local)
        nodes = {name: await ctx.create_node(NodeSpec(name=name)) for name in names}
        standing = Machines(nodes, ctx.provider, folder)
        standing.write()
        Attended.people.append(standing.power_on)
        try:
            yield standing
        finally:
            Attended.people.remove(standing.power_on)
