"""The keys of `system:` in a document for the system `terraform`; strings may hold templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from seatrial.errors import CannotTell, nearest
from seatrial.links.inventory.terraform import DEFAULT, TerraformNodes
from seatrial.links.terraform import configuration
from seatrial.model.values import Argv, Duration
from seatrial.systems.machines.settings import MachineSettings
from seatrial.systems.settings import Probe

VERBS = ("init", "plan", "apply", "destroy")

Wrong = tuple[tuple[str, ...], str, str]
"""A path below `system:`, a message and a hint."""


@dataclass(frozen=True, kw_only=True)
class TerraformSettings(MachineSettings):
    """A configuration of OpenTofu or Terraform, as it is."""

    folder: str = "."
    """The folder of the configuration, relative to the document. The tool works in a copy of it."""
    tool: Literal["auto", "tofu", "terraform"] = "auto"
    """The program; `auto`: `tofu`, or `terraform` where OpenTofu does not answer."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Values of its variables; they come before the suite's parameters, which set the variables of the same names."""
    variable_files: tuple[str, ...] = ()
    """Files with more values (`-var-file`), relative to `folder`; `variables` and parameters come before them."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables of the tool, such as the credentials of a provider."""
    inventory: TerraformNodes = DEFAULT
    """Where the nodes are after `apply`: an output (`nodes`), or resources."""
    health: Probe | None = None
    """How Seatrial asks a node whether its service is healthy; without it, only the links are measured."""
    backend: Literal["own", "configured"] = "own"
    """`own`: a state of the trial's own, in its folder, whatever the configuration says. `configured`: the backend of
    the configuration, in a workspace of the trial's own."""
    backend_config: Mapping[str, str] = field(default_factory=dict)
    """Values for `backend: configured`, as `-backend-config` has them."""
    workspace: str = ""
    """The workspace for `backend: configured`; default: the trial's id. The trial makes and removes it."""
    stop_node: Argv = ()
    """A command that stops one node: `${{ node.name }}`, `${{ node.address }}`. It runs in the copy of `folder`."""
    start_node: Argv = ()
    """Start one node."""
    crash_node: Argv = ()
    """Crash one node: no orderly shutdown."""
    restart_node: Argv = ()
    """Restart one node."""
    timeouts: Mapping[str, Duration] = field(default_factory=dict)
    """`init`, `plan`, `apply` or `destroy` to its deadline; default: the suite's and the provider's."""

    def __post_init__(self) -> None:
        if wrong := [verb for verb in self.timeouts if verb not in VERBS]:
            raise ValueError(f"unknown verbs in timeouts: {', '.join(wrong)}; allowed: {', '.join(VERBS)}")
        if self.backend == "own" and (self.backend_config or self.workspace):
            raise ValueError("backend_config and workspace need `backend: configured`")


def problems(settings: TerraformSettings, documents: Path) -> Iterator[Wrong]:
    """What cannot work, by the files of the configuration alone."""
    folder = documents / settings.folder
    if "${{" in settings.folder:
        return
    if not folder.is_dir():
        yield ("folder",), f"there is no folder {settings.folder!r} beside the document", ""
        return
    if not configuration.files(folder):
        hint = f"allowed: a folder with files named *{', *'.join(configuration.SUFFIXES)}"
        yield ("folder",), f"{settings.folder!r} holds no configuration of OpenTofu or Terraform", hint
        return
    try:
        variables, outputs = (configuration.declared(folder, kind) for kind in ("variable", "output"))
    except CannotTell as error:
        yield ("folder",), f"the configuration cannot be read: {error}", ""
        return
    for name in settings.variables:
        if name not in variables:
            yield ("variables", name), f"the configuration declares no variable {name!r}", nearest(name, variables)
    for name in settings.variable_files:
        if "${{" not in name and not (folder / name).is_file():
            yield ("variable_files",), f"there is no file {name!r} in {settings.folder!r}", ""
    output = settings.inventory.output
    if not settings.inventory.resources and output not in outputs:
        hint = (
            f"{nearest(output, outputs)}; add `output {output!r}` to the configuration (a list of nodes, or a mapping "
            "of name to address), or name another with `inventory: {output: NAME}`, or resources with "
            "`inventory: {resources: {TYPE: {address: ATTRIBUTE}}}`"
        )
        yield ("inventory",), f"the configuration has no output {output!r}, so nothing names the nodes", hint
