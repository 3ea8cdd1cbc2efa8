"""A provider of your own: nodes are folders of this machine, with no power and no SSH; enough to try a service quickly.

Its duties: `foresee` names everything `destroy` needs before anything is made, `destroy` succeeds if the resource is
already gone, and `find` finds leftovers of a run without the ledger.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import seatrial
from seatrial.errors import CannotTell
from seatrial.links import process
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.model.values import argv_of
from seatrial.spi import Context, Finished, Link, NoSettings, Powers, Readiness

BENCH = Path(tempfile.gettempdir()) / f"seatrial-workbench-{os.getuid()}"


class Here:
    """The way into a node is a shell in its folder."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def run(
        self,
        command: str | Sequence[str],
        *,
        timeout: float = 60.0,
        input: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run it in the node's folder."""
        environment = {**os.environ, **(env or {})}
        argv = argv_of(command)
        return await process.run(argv, cwd=self._node.folder, env=environment, timeout=timeout, input=input)

    async def put(self, local: Path, remote: str) -> None:
        """Copy a file into the folder."""
        shutil.copy(local, Path(self._node.folder) / remote)

    async def get(self, remote: str, local: Path) -> None:
        """Copy a file out of the folder."""
        shutil.copy(Path(self._node.folder) / remote, local)

    async def close(self) -> None:
        """There is no connection."""


@seatrial.provider("workbench")
class Workbench:
    """Nodes as folders of this machine."""

    powers = frozenset({Powers.LIST})
    deadlines: Mapping[str, float] = {"deploy": 20.0, "destroy": 20.0}

    def __init__(self, settings: NoSettings) -> None:
        """It declares no `Settings`, so nothing can be set: `check` refuses a table [providers.workbench]."""

    def foresee(self, spec: NodeSpec, ctx: Context) -> Mapping[str, object]:
        """The folder; `destroy` needs only its name."""
        return {"folder": str(BENCH / f"{ctx.trial_id}-{spec.name}")}

    async def create(self, spec: NodeSpec, ctx: Context) -> Node:
        """Make the folder, and write its owner into it."""
        folder = Path(str(self.foresee(spec, ctx)["folder"]))
        folder.mkdir(parents=True)
        (folder / "node.json").write_text(json.dumps({"run": ctx.run_id, "trial": ctx.trial_id, "node": spec.name}))
        ports = {name: port or await ctx.lease_port() for name, port in spec.ports.items()}
        return Node(name=spec.name, address="127.0.0.1", ports=ports, folder=str(folder))

    async def destroy(self, resource: Resource) -> None:
        """End all processes in the folder, and remove it; already gone is success."""
        folder = Path(str(resource.detail["folder"]))
        for pid in _at_work_in(folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)

    async def find(self, run: str) -> Sequence[Resource]:
        """The folders with this run's mark."""
        found = []
        for file in BENCH.glob("*/node.json"):
            told = json.loads(file.read_text())
            if run in ("*", told["run"]):
                found.append(
                    Resource(
                        kind="node",
                        name=f"{told['trial']}-{told['node']}",
                        owner="provider:workbench",
                        run=told["run"],
                        trial=told["trial"],
                        detail={"node": told["node"], "folder": str(file.parent)},
                    )
                )
        return found

    def link(self, node: Node) -> Link:
        """A shell in the folder."""
        return Here(node)

    async def state(self, node: Node) -> PowerState:
        """On while the folder exists."""
        return PowerState.RUNNING if Path(node.folder).is_dir() else PowerState.STOPPED

    async def boot_id(self, node: Node) -> str:
        """These nodes never boot."""
        raise CannotTell(f"the node {node.name} is a folder and never boots")

    @classmethod
    async def readiness(cls, settings: NoSettings) -> Readiness:
        """Whether the folder for all nodes can be made."""
        try:
            BENCH.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return Readiness(False, f"mkdir {BENCH}: {error.strerror}", f"make {BENCH.parent} writable")
        return Readiness(True, f"mkdir {BENCH}")


def _at_work_in(folder: Path) -> list[int]:
    """The processes with this working folder, or one inside it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "cwd").readlink().is_relative_to(folder):
                found.append(int(entry.name))
    return found
