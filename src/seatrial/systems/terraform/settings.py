"""The keys of `system:` in a document for the system `terraform`; strings may hold templates."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from seatrial.errors import CannotTell, nearest
from seatrial.links.inventory.terraform import DEFAULT, TerraformNodes
from seatrial.links.terraform import configuration
from seatrial.model.values import Argv, Timeout
from seatrial.systems.machines.settings import MachineSettings
from seatrial.systems.settings import Probe

VERBS = ("init", "plan", "apply", "destroy")

Wrong = tuple[tuple[str, ...], str, str]
"""A path below `system:`, a message and a hint."""


@dataclass(frozen=True, kw_only=True)
class PowerSettings:
    """A variable that turns nodes off and on: Seatrial sets it, plans, and applies again."""

    variable: str
    """The variable: a set or list with the names of the nodes that are off. `deploy` sets it to none."""


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
    power: PowerSettings | None = None
    """Stop and start nodes by a variable, applied again."""
    stop_node: Argv = ()
    """A command that stops one node: `${{ node.name }}`, `${{ node.address }}`. It runs in the copy of `folder`."""
    start_node: Argv = ()
    """Start one node."""
    crash_node: Argv = ()
    """Crash one node: no orderly shutdown."""
    restart_node: Argv = ()
    """Restart one node."""
    timeouts: Mapping[str, Timeout] = field(default_factory=dict)
    """`init`, `plan`, `apply` or `destroy` to its deadline; default: the suite's, else an hour for the first
    three, and 20 minutes for `destroy`."""

    def __post_init__(self) -> None:
        if wrong := [verb for verb in self.timeouts if verb not in VERBS]:
            raise ValueError(f"unknown verbs in timeouts: {', '.join(wrong)}; allowed: {', '.join(VERBS)}")
        if self.power and (both := [key for key in ("stop_node", "start_node") if getattr(self, key)]):
            raise ValueError(f"`power` and `{both[0]}` are two ways for the same: name one")
        if self.backend == "own" and (self.backend_config or self.workspace):
            raise ValueError("backend_config and workspace need `backend: configured`")


def declared_variables(settings: TerraformSettings, documents: Path) -> frozenset[str] | None:
    """The variables of the configuration; None: they are not known before the run."""
    folder = documents / settings.folder
    if "${{" in settings.folder or not folder.is_dir():
        return None
    try:
        return configuration.declared(folder, "variable")
    except CannotTell:
        return None


def problems(
    settings: TerraformSettings, documents: Path, parameters: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[Wrong]:
    """What cannot work, by the files of the configuration and the environment alone."""
    folder = documents / settings.folder
    if "${{" in settings.folder:
        return
    if not folder.is_dir():
        hint = f"folders with a configuration: {_folders(documents)}; `folder` is relative to the document"
        yield ("folder",), f"there is no folder {settings.folder!r} beside the document", hint
        return
    if not configuration.files(folder):
        hint = f"allowed: a folder with files named *{', *'.join(configuration.SUFFIXES)}; here: {_folders(documents)}"
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
    if settings.backend == "configured" and (place := configuration.cloud(folder)):
        text = f"{place} has a `cloud` block: Seatrial does not run in HCP Terraform or Terraform Enterprise"
        yield ("backend",), text, "leave `backend` out: the trial then has a state of its own, and ignores the block"
    yield from _without_value(settings, folder, parameters, environment)
    if settings.power:
        yield from _power_problems(settings.power.variable, settings, variables)
    for name in settings.variable_files:
        if "${{" not in name and not (folder / name).is_file():
            there = sorted(file.name for file in folder.glob("*.tfvars*"))
            hint = f"files there: {', '.join(there) or 'none'}; a name is relative to `folder`"
            yield ("variable_files",), f"there is no file {name!r} in {settings.folder!r}", hint
    output = settings.inventory.output
    if not settings.inventory.resources and output not in outputs:
        hint = (
            f"{nearest(output, outputs)}; add `output {output!r}` to the configuration (a list of nodes, or a mapping "
            "of name to address), or name another with `inventory: {output: NAME}`, or resources with "
            "`inventory: {resources: {TYPE: {address: ATTRIBUTE}}}`"
        )
        yield ("inventory",), f"the configuration has no output {output!r}, so nothing names the nodes", hint


def _folders(documents: Path) -> str:
    """The folders beside a document that have a configuration."""
    beside = [folder for folder in sorted(documents.iterdir()) if folder.is_dir() and not folder.name.startswith(".")]
    return ", ".join(folder.name for folder in beside if configuration.files(folder)) or "none here"


def _power_problems(name: str, settings: TerraformSettings, variables: Collection[str]) -> Iterator[Wrong]:
    if name not in variables:
        hint = (
            f"{nearest(name, variables)}; add `variable {name!r}` with `type = set(string)` and `default = []`, and "
            "let the resources of a node that it names be stopped, or left out"
        )
        yield ("power", "variable"), f"the configuration declares no variable {name!r}", hint
    if name in settings.variables:
        yield ("variables", name), f"`power` sets the variable {name!r} already", "remove it here"


def _without_value(
    settings: TerraformSettings, folder: Path, parameters: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[Wrong]:
    if any("${{" in name for name in settings.variable_files):
        return
    given = {*settings.variables, *parameters, *configuration.assigned(folder, settings.variable_files)}
    given |= {settings.power.variable} if settings.power else set()
    for name, place in configuration.required(folder).items():
        if name not in given and f"TF_VAR_{name}" not in {**environment, **settings.env}:
            text = f"the variable {name!r} ({place}) has no default, and nothing gives it a value"
            yield ("variables",), text, f"write `variables: {{{name}: …}}`, or a parameter {name!r}"
