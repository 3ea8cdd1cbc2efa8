"""What is wrong in seatrial.toml is refused by `check` and `run` alike; a run that cannot go on says so everywhere."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from seatrial.loading.fields import described
from seatrial.loading.settings import ProjectSettings
from seatrial.registry import Registry
from seatrial.spi import ProviderTraits, traits

PROVIDERS = Registry().names("provider")

TABLES = {
    "the top": ("paralel = 2\n", "1:1", "unknown key 'paralel'", "'parallel'"),
    "a table": ("[provider.local]\n", "1:1", "unknown key 'provider'", "'providers'"),
    "deadlines": ("[deadlines]\ndeploi = '5m'\n", "2:1", "unknown key 'deploi'", "'deploy'"),
    "exclusive": ("[exclusive]\nname = 'lab'\nwiat = '5m'\n", "3:1", "unknown key 'wiat'", "'wait'"),
    "names": ("[names]\nflwo = 'x-{id}'\n", "2:1", "unknown key 'flwo'", "'flow'"),
    "system": ("[system]\nkind = 'command'\ndeplyo = ['true']\n", "3:1", "unknown key 'deplyo'", "'deploy'"),
    "providers": ("[providers.contaners]\nimage = 'x'\n", "1:1", "unknown provider 'contaners'", "'containers'"),
    "checks": ("[checks.http]\nurll = 'x'\n", "2:1", "unknown key 'urll' of checks.http", "'url'"),
    "services": ("[services.db]\ncomand = ['x']\n", "2:1", "unknown key 'comand'", "'command'"),
    "contamination": ("[contamination]\nalow = ['x']\n", "2:1", "unknown key 'alow'", "'allow'"),
    "labels": ("[labels]\nx = [1]\n", "2:5", "labels.x: a list is not text", ""),
    "a value": (
        "[providers.local]\nconfinement = 'strict'\n",
        "2:15",
        "'strict' is not allowed",
        "allowed: auto, plain",
    ),
}
"""Text, place, message, nearest name. `parameters` and `vars` may hold any key."""

FREE = {"parameters", "vars", "labels"}


def refused(seatrial: Command, project: Path, place: str, message: str, hint: str) -> None:
    """Both commands end with exit code 2 and the position, and nothing is written."""
    before = sorted(path.name for path in project.iterdir())
    for command in ("check", "run"):
        done = seatrial(command, "suite.yaml")
        assert done.returncode == 2, done.stdout + done.stderr
        assert f"seatrial.toml:{place}: " in done.stderr
        assert message in done.stderr
        assert hint in done.stderr
    assert sorted(path.name for path in project.iterdir()) == before


def write(project: Path, toml: str, suite: str = "steps: [{step: set, values: {x: 1}}]\n") -> None:
    (project / "seatrial.toml").write_text(toml)
    (project / "suite.yaml").write_text(suite)


@pytest.mark.parametrize("table", TABLES)
def test_a_wrong_key_in_a_table_of_the_settings_is_refused(seatrial: Command, project: Path, table: str) -> None:
    text, place, message, hint = TABLES[table]
    write(project, text)
    refused(seatrial, project, place, message, hint)


def test_every_table_of_the_settings_has_its_wrong_key_above() -> None:
    tables = {
        key for key, field in described(ProjectSettings).items() if "mapping" in field.shape.allowed and key not in FREE
    }
    assert tables <= set(TABLES)


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_wrong_key_in_the_settings_of_a_provider_is_refused(seatrial: Command, project: Path, name: str) -> None:
    factory = traits(Registry().get("provider", name), ProviderTraits).Settings
    assert dataclasses.is_dataclass(factory)
    key = next(iter(described(factory)))
    write(project, f"# mine\n[providers.{name}]\n{key}q = 'x'\n")
    refused(seatrial, project, "3:1", f"unknown key '{key}q' of providers.{name}", f"did you mean {key!r}?")


PLUGIN = """
import seatrial

@seatrial.provider("bench")
class Bench:
    powers = frozenset()
    deadlines = {}
    def __init__(self, settings):
        raise RuntimeError("the bench is broken")
"""


def test_a_provider_without_settings_takes_none_and_the_names_of_plugins_are_known(
    seatrial: Command, project: Path
) -> None:
    (project / "bench.py").write_text(PLUGIN)
    write(project, 'plugins = ["bench.py"]\n[providers.bench]\n')
    assert seatrial("check", "suite.yaml").returncode == 0
    write(project, 'plugins = ["bench.py"]\n[providers.bench]\nlength = 3\n')
    refused(seatrial, project, "2:1", "the provider 'bench' has no settings", "remove the table [providers.bench]")
    write(project, 'plugins = ["bench.py"]\n[providers.bensh]\n')
    refused(seatrial, project, "2:1", "unknown provider 'bensh'", "did you mean 'bench'?")


@pytest.mark.parametrize("where", ["seatrial.toml", "suite.yaml"])
def test_the_internal_system_is_not_offered(seatrial: Command, project: Path, where: str) -> None:
    if where == "suite.yaml":
        write(project, "", "system: {kind: pipeline}\nsteps: [{step: deploy}]\n")
    else:
        write(project, "[system]\nkind = 'pipeline'\n", "steps: [{step: deploy}]\n")
    done = seatrial("check", "suite.yaml")
    assert done.returncode == 2
    assert re.search(rf"{re.escape(where)}:\d+:\d+: unknown system 'pipeline'", done.stderr)
    offered = done.stderr.partition("allowed: ")[2].splitlines()[0]
    assert {"command", "processes"} <= set(offered.split(", "))
    assert "pipeline" not in offered
    for what in ("scenario", "settings"):
        systems = [names for names in enumerated(json.loads(seatrial("schema", what).stdout)) if "processes" in names]
        assert systems
        assert not any("pipeline" in names for names in systems)


def enumerated(schema: object) -> Iterator[list[object]]:
    """Every list of allowed values in a schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("enum"), list):
            yield schema["enum"]
        schema = list(schema.values())
    for inner in schema if isinstance(schema, list) else ():
        yield from enumerated(inner)


def test_a_missing_file_has_no_position(seatrial: Command, project: Path) -> None:
    write(project, "")
    done = seatrial("check", "nope.yaml")
    assert done.returncode == 2
    assert "error: nope.yaml: file not found" in done.stderr


def test_a_provider_that_cannot_be_made_is_the_same_in_exit_code_console_results_and_inspect(
    seatrial: Command, project: Path
) -> None:
    (project / "bench.py").write_text(PLUGIN)
    suite = "test_suites:\n  a: {provider: bench, steps: [{step: set, values: {x: 1}}]}\n"
    write(
        project,
        'plugins = ["bench.py"]\n',
        suite + "  b: {steps: [{step: custom_command, custom_command: ['true']}]}\n",
    )
    done = seatrial("run", "suite.yaml")
    assert done.returncode == 3, done.stderr
    assert "the bench is broken" in done.stdout
    (folder,) = (project / ".seatrial" / "runs").iterdir()
    results = json.loads((folder / "results.json").read_text())
    assert (results["exit_code"], results["verdict"]) == (3, "unknown")
    assert {row["name"]: row["verdict"] for row in results["results"]} == {"a": "unknown", "b": "passed"}
    assert "the bench is broken" in next(row["error"] for row in results["results"] if row["name"] == "a")
    shown = seatrial("inspect", "last")
    assert "the bench is broken" in shown.stdout
    assert json.loads(seatrial("inspect", "last", "--format", "json").stdout)["exit_code"] == 3


def test_a_reporter_that_cannot_be_made_leaves_no_run_behind(seatrial: Command, project: Path) -> None:
    (project / "loud.py").write_text(
        "import seatrial\n@seatrial.reporter('loud')\nclass Loud:\n    def __init__(self, folder, shared):\n"
        "        raise RuntimeError('no loudspeaker')\n"
    )
    write(project, 'plugins = ["loud.py"]\n')
    done = seatrial("run", "suite.yaml")
    assert done.returncode == 3
    assert "no loudspeaker" in done.stderr
    assert list((project / ".seatrial" / "runs").iterdir()) == []


UNUSED = {
    "a key": TABLES["system"],
    "a key below": ("[system]\nkind = 'command'\ninventory = {fiel = 'x'}\n", "3:14", "unknown key 'fiel'", "'file'"),
    "the kind": ("[system]\nkind = 'comand'\n", "2:8", "unknown system 'comand'", "'command'"),
    "no kind": ("[system]\ndeploy = ['true']\n", "1:1", "a system needs its `kind`", "allowed: ansible, command"),
    "a value": ("[system]\nkind = 'command'\ndeploy = 3\n", "3:10", "3 is", "allowed: "),
    "a name": ("[system]\nkind = 'command'\ndeploy = ['${{ nodee.name }}']\n", "3:11", "nodee", ""),
}
"""Text, place, message, hint of a wrong `[system]`."""


@pytest.mark.parametrize("wrong", UNUSED)
def test_a_wrong_system_is_refused_even_where_no_suite_uses_it(seatrial: Command, project: Path, wrong: str) -> None:
    text, place, message, hint = UNUSED[wrong]
    own = "system: {kind: processes}\n" if wrong != "the kind" else "system: command\n"
    write(project, text, own + "steps: [{step: set, values: {x: 1}}]\n")
    refused(seatrial, project, place, message, hint)


def test_a_system_that_suites_complete_is_not_refused(seatrial: Command, project: Path) -> None:
    incomplete = "[system]\nkind = 'command'\nhealth = ['true']\n"
    steps = "steps: [{step: set, values: {x: 1}}]\n"
    write(project, incomplete, "system: {deploy: ['true'], destroy: ['true'], inventory: {file: x.json}}\n" + steps)
    done = seatrial("check", "suite.yaml")
    assert done.returncode == 0, done.stderr


PIPELINE = "pipeline: {stages: {quality: {checks: {nothing: {run: ['true']}}}}}\n"

ALL = {**TABLES, **{f"system: {name}": row for name, row in UNUSED.items()}}

PREFLIGHTS = [
    *((("preflight",), table) for table in ALL),
    *(
        (command, table)
        for command in (("preflight", "--list"), ("check", "pipeline.yaml"))
        for table in ("system", "providers")
    ),
]


@pytest.mark.parametrize("command, table", PREFLIGHTS)
def test_preflight_refuses_all_tables_alike(
    seatrial: Command, project: Path, command: tuple[str, ...], table: str
) -> None:
    text, place, message, hint = ALL[table]
    (project / "seatrial.toml").write_text(text)
    (project / "pipeline.yaml").write_text(PIPELINE)
    before = sorted(path.name for path in project.iterdir())
    done = seatrial(*command)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"seatrial.toml:{place}: " in done.stderr
    assert message in done.stderr
    assert hint in done.stderr
    assert done.stderr.count(message) == 1
    assert sorted(path.name for path in project.iterdir()) == before
