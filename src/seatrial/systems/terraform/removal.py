"""The removal of a deployment from the ledger's record alone: also after SIGKILL, from whatever state `apply` kept."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, LeftBehind, StepFailed
from seatrial.expressions import late
from seatrial.links.paths import shown
from seatrial.links.process.spawned import supervising
from seatrial.links.process.supervision import Supervisor
from seatrial.links.terraform import calls, tool
from seatrial.links.terraform.tool import Tool
from seatrial.model.resource import Resource
from seatrial.spi.output import Output, cleanup_output
from seatrial.systems.terraform.workspace import in_environment, surroundings

NOT_OURS = "default"
"""The workspace that nobody can delete."""


async def remove(resource: Resource) -> None:
    """Destroy what the state of the trial has. StepFailed when the tool fails, or when its state still has resources
    afterwards; LeftBehind when something cannot be known: no state, or a resource that was being made when the tool was
    killed, so no state has it."""
    detail: Mapping[str, Any] = resource.detail
    folder, messages = Path(detail["folder"]), Path(detail["root"])
    if not folder.is_dir():
        raise LeftBehind(f"the state of the deployment is gone, with {shown(folder)}: look for its resources yourself")
    environment = {**os.environ, **late.fill(detail["env"], os.environ)}
    secrets = in_environment(late.fill(detail["secrets"], os.environ))
    environment = surroundings({**environment, **secrets}, detail["data"])
    program = Tool(**detail["tool"])
    lost = calls.interrupted(messages / "apply.jsonl")
    with cleanup_output.get()(Path(detail["log"])) as output:
        async with supervising(resource.trial) as supervisor:
            work = _Work(program, folder, environment, supervisor)
            state = await work.state()
            for address in _tainted(state):
                # Destroy-time provisioners do not run for a resource that was made halfway.
                await tool.ask(program, ["untaint", "-no-color", address], folder, environment, supervisor)
            timeout, source = float(detail["timeout"]), str(detail["source"])
            call = calls.Call(
                tool=program,
                words=("destroy", "-json", "-auto-approve", "-input=false", *detail["arguments"]),
                cwd=folder,
                environment=environment,
                timeout=timeout,
                log=messages / "destroy.jsonl",
                source=source,
            )
            await calls.run(call, supervisor, output.add, _nobody)
            await _confirm(work, output, {*lost} - {address for address, _ in _resources(state)})
            if detail["workspace"]:
                await work.forget_workspace(detail["workspace"])


class _Work:
    """Questions to the tool about one deployment."""

    def __init__(self, program: Tool, folder: Path, environment: Mapping[str, str], supervisor: Supervisor) -> None:
        self._given = (folder, environment, supervisor)
        self._program = program

    async def state(self) -> Mapping[str, Any]:
        return await tool.ask_json(self._program, ["show", "-json", "-no-color"], *self._given)

    async def forget_workspace(self, name: str) -> None:
        with suppress(CannotTell):  # an empty workspace that remains costs nothing
            await tool.ask(self._program, ["workspace", "select", "-no-color", NOT_OURS], *self._given)
            await tool.ask(self._program, ["workspace", "delete", "-no-color", name], *self._given)


async def _confirm(work: _Work, output: Output, lost: set[str]) -> None:
    """The state is empty, and nothing was being made that it does not know."""
    if left := [address for address, _ in _resources(await work.state())]:
        named = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        raise StepFailed(
            f"destroy ended with exit code 0, but the state still has {named} (output: {shown(output.file)})"
        )
    if lost:
        named = ", ".join(sorted(lost))
        raise LeftBehind(
            f"something killed the tool while it made {named}, so its state does not have it: look yourself whether it "
            "exists"
        )


async def _nobody(pid: int) -> None:
    """The ledger has the deployment itself."""


def _tainted(state: Mapping[str, Any]) -> list[str]:
    return [address for address, resource in _resources(state) if resource.get("tainted")]


def _resources(state: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The managed resources of a state, also of its modules, by their addresses."""
    modules = [(state.get("values") or {}).get("root_module") or {}]
    while modules:
        module = modules.pop()
        modules += module.get("child_modules") or ()
        for resource in module.get("resources") or ():
            if resource.get("mode") == "managed":
                yield str(resource["address"]), resource


def resources(state: Mapping[str, Any]) -> list[str]:
    """The addresses of the managed resources in `show -json`."""
    return [address for address, _ in _resources(state)]
