"""What is kept after a failure, for a user with few rights."""

import asyncio
from types import SimpleNamespace
from typing import Any

from seatrial.links.kubernetes import MissingRight
from seatrial.systems.kubernetes.evidence import collected


class Restricted:
    """A cluster that shows nothing but one kind."""

    server = "https://here"

    async def kind(self, name):
        return SimpleNamespace(name=name, group="", namespaced=True, verbs=("list",))

    async def kinds(self):
        return [await self.kind("ConfigMap")]

    async def list(self, kind, namespace):
        if kind.name != "ConfigMap":
            raise MissingRight(f"list {kind.name}: the user of the kubeconfig has no right to list it")
        return SimpleNamespace(objects=({"kind": "ConfigMap", "metadata": {"name": "settings"}},))


def test_without_the_right_to_list_events_the_rest_is_kept():
    cluster: Any = Restricted()
    files = asyncio.run(collected(cluster, ["shop"]))
    assert "settings" in files["objects.txt"]
    assert "has no right to list it" in files["summary.txt"]
    assert "warnings" not in files["summary.txt"]
