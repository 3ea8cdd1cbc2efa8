"""How a verb of the system becomes a run of `ansible-playbook`: now, or later from the ledger."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.expressions import late
from seatrial.links.ansible import Ansible, Playbooks
from seatrial.spi import Context
from seatrial.systems.ansible.settings import AnsibleSettings, names_of
from seatrial.systems.machines import host_keys
from seatrial.systems.settings import fill, run_variables, secrets_of

DEADLINES = {"deploy": "deploy", "stop": "stop", "start": "start", "destroy": "destroy"}


class Calls:
    """The runs of one system."""

    def __init__(self, settings: AnsibleSettings, documents: Path) -> None:
        self._settings, self._documents = settings, documents

    def folder(self, ctx: Context) -> Path:
        """Where Ansible runs."""
        return (self._documents / fill(ctx, self._settings.folder, {})).resolve()

    def sources(self, ctx: Context) -> list[Path]:
        """The inventories, also those that do not exist yet."""
        return [self.folder(ctx) / name for name in fill(ctx, names_of(self._settings.inventory), {})]

    def environment(self, ctx: Context) -> dict[str, str]:
        """The environment of Ansible."""
        return {**ctx.environment(), **self._host_keys(ctx), **fill(ctx, dict(self._settings.env), {})}

    def vault(self, ctx: Context) -> list[str]:
        """The arguments for the vault."""
        named = fill(ctx, self._settings.vault_password_file, {})
        return ["--vault-password-file", str(self.folder(ctx) / Path(named).expanduser())] if named else []

    def variables(self, ctx: Context) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The extra variables, and the names of those that are data."""
        values = {**self._parameters(ctx), **ctx.bind(dict(self._settings.variables))}
        return values, self._data(ctx)

    def call(self, ctx: Context, ansible: Ansible, verb: str, variables: Path, limit: str = "") -> Playbooks:
        """A verb, ready to run with a file of variables."""
        playbooks, sources = fill(ctx, names_of(getattr(self._settings, verb)), {}), self.sources(ctx)
        words = [*self._arguments(ctx), *(["--limit", limit] if limit else [])]
        return Playbooks(
            verb=verb,
            argv=whole(ansible, playbooks, sources, [*self.vault(ctx), *words], variables),
            cwd=str(self.folder(ctx)),
            env=self.environment(ctx),
            timeout=self.timeout(ctx, verb),
            sources=tuple(sources),
        )

    def record(self, ctx: Context, ansible: Ansible) -> dict[str, object]:
        """All that the removal needs; secrets stay templates."""
        hidden, names = secrets_of(ctx), ctx.names()
        ours = run_variables(ctx)
        own = late.keep(dict(self._settings.env), names, hidden)
        quoted = {name: late.quote(value, hidden) for name, value in {**ours, **self._host_keys(ctx)}.items()}
        parameters = _quoted(self._parameters(ctx), hidden)
        return {
            "program": ansible.program,
            "callbacks": list(ansible.callbacks),
            "playbooks": list(fill(ctx, names_of(self._settings.destroy), {})),
            "inventories": [str(source) for source in self.sources(ctx)],
            "arguments": late.keep([*self.vault(ctx), *self._written_arguments()], names, hidden),
            "variables": {**parameters, **late.keep(dict(self._settings.variables), names, hidden)},
            "data": list(self._data(ctx)),
            "cwd": str(self.folder(ctx)),
            "env": {**quoted, **{name: str(value) for name, value in own.items()}},
            "timeout": self.timeout(ctx, "destroy"),
            "state": str(ctx.state),
            "log": str(ctx.folder / "destroy.log"),
        }

    def timeout(self, ctx: Context, verb: str) -> float:
        """Seconds for a verb."""
        return float(self._settings.timeouts.get(verb) or ctx.deadline(DEADLINES[verb]))

    def _parameters(self, ctx: Context) -> dict[str, Any]:
        if not self._settings.parameters_as_variables:
            return {}
        parameters = ctx.suite.parameters
        return {name: value for name, value in parameters.items() if name not in ctx.suite.unflagged}

    def _data(self, ctx: Context) -> tuple[str, ...]:
        """Parameters, and variables whose text has an expression of Seatrial."""
        written = self._settings.variables
        own = [name for name, value in written.items() if _filled(value)]
        return (*own, *(name for name in self._parameters(ctx) if name not in written))

    def _arguments(self, ctx: Context) -> list[str]:
        return [str(word) for word in fill(ctx, self._written_arguments(), {})]

    def _written_arguments(self) -> list[str]:
        tags = [word for tag in self._settings.tags for word in ("--tags", tag)]
        skipped = [word for tag in self._settings.skip_tags for word in ("--skip-tags", tag)]
        return [*tags, *skipped, *self._settings.arguments]

    def _host_keys(self, ctx: Context) -> dict[str, str]:
        """For machines that the trial creates: their first host keys are accepted and kept in the trial's folder."""
        if not self._settings.creates_machines:
            return {}
        options = {
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": str(ctx.state / host_keys.FILE),
            "HashKnownHosts": "no",
        }
        return {"ANSIBLE_SSH_COMMON_ARGS": " ".join(f"-o {name}={value}" for name, value in options.items())}


def whole(
    ansible: Ansible, playbooks: Sequence[str], sources: Sequence[Path], words: Sequence[str], variables: Path
) -> tuple[str, ...]:
    """The command line. Ansible warns of inventories that do not exist yet, or any more, and reads them again where a
    playbook has written them and says `refresh_inventory`."""
    named = [word for source in sources for word in ("-i", str(source))]
    return (ansible.program, *named, "-e", f"@{variables}", *words, *playbooks)


def recorded(detail: Mapping[str, Any], variables: Path) -> tuple[Ansible, Playbooks]:
    """The destroy of a deployment from its record, with this environment's secrets."""
    environment = dict(os.environ)
    ansible = Ansible(program=detail["program"], callbacks=tuple(detail["callbacks"]))
    sources = [Path(source) for source in detail["inventories"]]
    arguments = late.fill(detail["arguments"], environment)
    call = Playbooks(
        verb="destroy",
        argv=whole(ansible, detail["playbooks"], sources, arguments, variables),
        cwd=detail["cwd"],
        env={**environment, **late.fill(detail["env"], environment)},
        timeout=float(detail["timeout"]),
        sources=tuple(sources),
    )
    return ansible, call


def _filled(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_filled, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_filled, value))
    return isinstance(value, str) and "$" in value


def _quoted(value: Any, hidden: Mapping[str, str]) -> Any:
    """Data for the ledger."""
    if isinstance(value, Mapping):
        return {name: _quoted(inner, hidden) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_quoted(inner, hidden) for inner in value]
    return late.quote(value, hidden) if isinstance(value, str) else value
