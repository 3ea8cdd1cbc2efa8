"""The place where the tool works for one trial: a copy of the configuration, its data, its state and its messages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, UsageError
from seatrial.expressions import late
from seatrial.links.paths import project_of, shown
from seatrial.links.terraform import configuration
from seatrial.links.terraform.tool import Tool
from seatrial.model.frozen import frozen
from seatrial.spi import Context
from seatrial.systems.settings import secrets_of
from seatrial.systems.terraform.settings import TerraformSettings

QUIET = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}

_SHORTEST = 3
"""Characters of a secret that is looked for within other values."""


@frozen
class Values:
    """The values for the variables of the configuration."""

    plain: Mapping[str, Any]
    """Those for a file."""
    secret: Mapping[str, Any]
    """Those for the environment: a file or an argument would show them."""
    kept: Mapping[str, Any]
    """The secret ones for the ledger, with the secrets as templates."""


@frozen
class Place:
    """Folders and files of one trial; all are in its state folder, which no report holds."""

    source: Path
    """The user's folder."""
    folder: Path
    """Its copy."""
    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def plan(self) -> Path:
        return self.root / "plan"

    @property
    def variables(self) -> Path:
        return self.root / "variables.tfvars.json"

    @property
    def power(self) -> Path:
        """The value of the variable that turns nodes off."""
        return self.root / "power.tfvars.json"

    @property
    def state(self) -> Path:
        return self.root / "terraform.tfstate"

    def log(self, verb: str) -> Path:
        """The tool's messages of its last call of this verb."""
        return self.root / f"{verb}.jsonl"


@frozen
class Prepared:
    """What `init` has found and made."""

    tool: Tool
    place: Place
    secrets: Mapping[str, Any]
    """The values of secret variables for the ledger, with the secrets as templates."""
    environment: Mapping[str, str]

    def remember(self) -> dict[str, Any]:
        """All of it without any secret, as JSON values."""
        tool, place = self.tool, self.place
        return {
            "tool": {"program": tool.program, "name": tool.name, "version": tool.version},
            "place": {"source": str(place.source), "folder": str(place.folder), "root": str(place.root)},
            "secrets": dict(self.secrets),
        }


def remembered(memory: Mapping[str, Any], environment: Mapping[str, str]) -> Prepared:
    """What `remember` said, with the secrets of this environment; CannotTell when the place is gone."""
    place = Place(**{name: Path(path) for name, path in memory["place"].items()})
    if not place.folder.is_dir():
        raise CannotTell(f"the copy of the configuration is gone: {shown(place.folder)}")
    secrets = in_environment(late.fill(memory["secrets"], os.environ))
    surrounding = surroundings({**environment, **secrets}, place.data)
    return Prepared(tool=Tool(**memory["tool"]), place=place, secrets=memory["secrets"], environment=surrounding)


def prepare(ctx: Context, settings: TerraformSettings, documents: Path) -> Place:
    """Make the place, and remove what an earlier attempt left there."""
    source = (documents / str(ctx.bind(settings.folder))).resolve()
    if not source.is_dir() or not configuration.files(source):
        raise UsageError(f"{shown(source)} holds no configuration of OpenTofu or Terraform")
    root = ctx.state / "terraform"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(mode=0o700)
    folder = configuration.copy(source, project_of(source), root / "copy")
    place = Place(source=source, folder=folder, root=root)
    configuration.link_providers(source, place.data)
    if settings.backend == "own":
        configuration.use_state(folder, place.state)
    elif settings.backend_config:
        _private(root / "backend.json", json.dumps(ctx.bind(dict(settings.backend_config))))
    return place


def write_values(ctx: Context, settings: TerraformSettings, place: Place) -> Values:
    """The values of its variables: the settings' and, for declared ones, the suite's parameters. The plain ones are in
    a file afterwards. UsageError when a secret would lose against a file of values."""
    declared = configuration.declared(place.source, "variable")
    given = {name: value for name, value in ctx.suite.parameters.items() if name in declared and value is not None}
    bound = {**given, **ctx.bind(dict(settings.variables))}
    hidden = secrets_of(ctx)
    secret = {name: value for name, value in bound.items() if _holds(value, hidden)}
    files = configuration.assigned(place.source, tuple(ctx.bind(settings.variable_files)))
    for name in secret:
        if name in files:
            raise UsageError(
                f"the variable {name!r} is a secret, and {files[name]} of the configuration sets it too and would win; "
                "remove it there"
            )
    templates = {name: settings.variables.get(name, value) for name, value in secret.items()}
    plain = {name: value for name, value in bound.items() if name not in secret}
    _private(place.variables, json.dumps(plain))
    return Values(plain=plain, secret=secret, kept=late.keep(templates, ctx.names(), hidden))


def _holds(value: object, hidden: Mapping[str, str]) -> bool:
    if isinstance(value, Mapping):
        return any(_holds(inner, hidden) for inner in value.values())
    if isinstance(value, list | tuple):
        return any(_holds(inner, hidden) for inner in value)
    return isinstance(value, str) and any(len(one) >= _SHORTEST and one in value for one in hidden.values())


def in_environment(secret: Mapping[str, Any]) -> dict[str, str]:
    """The secret values as the tool reads them from its environment."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in secret.items()}
    return {f"TF_VAR_{name}": text for name, text in texts.items()}


def surroundings(environment: Mapping[str, str], data: Path | str) -> dict[str, str]:
    """The environment of every call; the user's own workspace and folders do not count."""
    kept = {name: value for name, value in environment.items() if name not in ("TF_WORKSPACE", "TF_DATA_DIR")}
    return {**kept, **QUIET, "TF_DATA_DIR": str(data)}


def write_power(place: Place, variable: str, off: Iterable[str]) -> None:
    """The value of the variable that turns nodes off: their names."""
    _private(place.power, json.dumps({variable: sorted(off)}))


def _private(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        opened.write(text)
