"""`init`: creates a project with settings, a first scenario and its schemas, without overwriting any file.

The scenario is for the deployment in the folder, if a system recognises one, else for the sample.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator
from pathlib import Path

from seatrial.app.init import ci
from seatrial.app.init.files import Files
from seatrial.app.init.scenario import OUTAGES, SAMPLE, scenario
from seatrial.app.planning import plan_documents
from seatrial.app.project import SCHEMA, SETTINGS_SCHEMA, find
from seatrial.app.run_options import RunOptions
from seatrial.app.schemas import schema_text
from seatrial.errors import DocumentError, Problem, SeatrialError, UsageError, nearest
from seatrial.links.paths import SETTINGS
from seatrial.registry import Registry
from seatrial.spi import Recognised, Recognises

SETTINGS_TEXT = f"""\
#:schema ./{SETTINGS_SCHEMA}
# Settings of this project. SEATRIAL_<NAME> in the environment overrides them, and command-line options override both.
# `seatrial check -v` shows every setting with the source of its value.

scenarios = ["scenarios"]    # files and folders for `seatrial run` without paths
parallel = 1                 # maximum number of suites at a time
keep = "never"               # or "failed", "always": nodes to keep after a run
# max_concurrent_nodes = 6   # maximum for all suites together
# max_memory_gb = 16         # maximum for all suites together
# plugins = ["my_steps.py"]  # your own steps, checks, providers and reporters

# The system under test of suites without one. Default: a small record store included in Seatrial.
# [system]
# kind = "command"

# Settings of a provider, for all documents.
# [providers.local]
"""

NEXT = """
  seatrial check       validate it (starts nothing)
  seatrial run         run it on this machine
  seatrial inspect     see the results
"""

FOLDER, THE_SAMPLE = "scenarios", "sample"
WAY = ".."
"""From the folder of the scenarios to the project."""

NEEDED = "# needed: "
"""Begins the comment that asks for a value."""

NOT_YET = {
    "Chart.yaml": "a Helm chart",
    "kustomization.yaml": "Kubernetes manifests",
    "kustomization.yml": "Kubernetes manifests",
    "Pulumi.yaml": "a Pulumi program",
}
"""Deployments without a system of their own, by the file that shows them."""


def begin(folder: Path, *, system: str = "", ci_server: str = "") -> str:
    """Write the missing files of a project; the text lists written and existing files and the next steps.

    `system` chooses one of several deployments in the folder, or `sample`; `ci_server` adds a job for it. UsageError
    when several are recognised and none is chosen, or the chosen one is missing: then no file is written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kind, found, notes = _chosen(folder, system)
        files = Files(folder)
        files.write(SETTINGS, lambda: SETTINGS_TEXT)
        document = f"{FOLDER}/{kind or 'first'}.yaml"
        if found is None:
            files.write(document, lambda: SAMPLE.format(schema=SCHEMA))
            needed: list[str] = []
        else:
            needed = list(_first(files, document, kind, found))
        files.write(SCHEMA, lambda: schema_text(start=folder))
        files.write(SETTINGS_SCHEMA, lambda: schema_text(start=folder, of="settings"))
        files.ignore(".seatrial/")
        if ci_server:
            needed += ci.write(files, ci_server, document)
    except OSError as error:
        raise UsageError(f"could not write {error.filename or folder}: {error.strerror}") from error
    asks = ["", "you have to add:", *(f"  {line}" for line in needed)] if needed else []
    enter = [] if folder.resolve() == Path.cwd() else [f"  cd {shlex.quote(str(folder))}"]
    return "\n".join([*notes, *files.lines, *asks, "", "next:", *enter]) + NEXT


def _chosen(folder: Path, system: str) -> tuple[str, Recognised | None, list[str]]:
    """The kind of the deployment in the folder, its beginning of a scenario, and what there is to say about it."""
    registry = find(folder).registry(())
    known = {name: registry.get("system", name) for name in registry.names("system")}
    able = [name for name, factory in known.items() if issubclass(factory, Recognises)]
    if system and system not in (*able, THE_SAMPLE):
        raise UsageError(f"`init` cannot begin with the system {system!r}; {nearest(system, [*able, THE_SAMPLE])}")
    found = dict(_recognised(registry, able, folder))
    shown = ", ".join(f"{name} ({', '.join(one.files)})" for name, one in found.items())
    if system == THE_SAMPLE:
        return "", None, []
    if system and system not in found:
        raise UsageError(f"no deployment of the system {system!r} in {folder}; recognised: {shown or 'none'}")
    if not system and len(found) > 1:
        first = next(iter(found))
        raise UsageError(
            f"several deployments in {folder}: {shown}\n    choose one: `seatrial init --system {first}`; "
            f"`--system {THE_SAMPLE}` begins with Seatrial's sample"
        )
    if not found:
        return "", None, list(_not_recognised(folder))
    kind = system or next(iter(found))
    return kind, found[kind], [f"found   {', '.join(found[kind].files)}: the system is `{kind}`"]


def _recognised(registry: Registry, able: list[str], folder: Path) -> Iterator[tuple[str, Recognised]]:
    for name in able:
        found = registry.get("system", name).recognise(folder, WAY)
        if found is not None:
            yield name, found


def _not_recognised(folder: Path) -> Iterator[str]:
    for name, what in NOT_YET.items():
        if (folder / name).is_file():
            yield f"found   {name}, {what}: Seatrial has no system for it yet."
            yield "        If a command deploys and removes it, write the scenario with `kind: command` yourself:"
            yield "        docs/guides/deployer.md shows how. The first scenario here deploys Seatrial's sample."
            return
    yield "found   no deployment: the first scenario deploys Seatrial's sample"


def _first(files: Files, document: str, kind: str, found: Recognised) -> Iterator[str]:
    """Write the scenario that tells most among those that `seatrial check` takes; yield what a person must add."""
    path = files.folder / document
    text = scenario(kind, found, None, SCHEMA)
    if not files.write(document, lambda: text):
        return
    for outage, whole in itertools.product((*OUTAGES, None), (True, False)):
        text = scenario(kind, found, outage, SCHEMA, whole=whole)
        path.write_text(text, encoding="utf-8")
        if not _problems(path, files.folder):
            away = f"{outage.words} {found.node or 'one node'}, " if outage else ""
            files.lines.append(f"        it deploys, {away}looks, and destroys")
            break
    needed = [(number, line) for number, line in enumerate(text.splitlines(), 1) if NEEDED in line]
    yield from (f"{path}:{number}: {line.partition(NEEDED)[2]}" for number, line in needed)
    if not needed:
        yield from map(str, _problems(path, files.folder))


def _problems(document: Path, folder: Path) -> list[Problem]:
    """What `seatrial check` says of it."""
    try:
        plan_documents([document], RunOptions(project=folder))
    except DocumentError as error:
        return list(error.problems)
    except SeatrialError as error:
        return [Problem(str(document), 0, 0, str(error))]
    return []
