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
from seatrial.app.init.folder import about, near_misses, without_deployment
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

UNREADABLE = "needs the key"
"""In the message of a problem: the settings are not whole, so nothing is known of the powers of the system."""


def begin(folder: Path, *, system: str = "", ci_server: str = "") -> str:
    """Write the missing files of a project; the text lists written and existing files and the next steps.

    `system` chooses one of several deployments in the folder, or `sample`; `ci_server` adds a job for it. UsageError
    when several are recognised and none is chosen, or the chosen one is missing: then no file is written.
    """
    try:
        told = list(about(folder, system))
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
    except (FileExistsError, NotADirectoryError) as error:
        hint = "`init` needs a folder of this name: rename the file, or choose another FOLDER"
        raise UsageError(f"{error.filename or folder} is a file\n    {hint}") from error
    except OSError as error:
        raise UsageError(f"could not write {error.filename or folder}: {error.strerror}") from error
    asks = ["", "you have to add:", *(f"  {line}" for line in needed)] if needed else []
    enter = [] if folder.resolve() == Path.cwd() else [f"  cd {shlex.quote(str(folder))}"]
    return "\n".join([*told, *notes, *files.lines, *asks, "", "next:", *enter]) + NEXT


TOOLS = {
    "ansible": ("ansible-playbook", "playbook"),
    "command": ("bash", "sh", "shell", "script", "make", "makefile", "task", "npm"),
    "compose": ("docker", "docker compose", "docker-compose", "podman", "podman-compose"),
    "github-actions": ("actions", "github", "workflow"),
    "kubernetes": ("helm", "k8s", "kubectl", "manifests"),
    "terraform": ("opentofu", "tf", "tofu"),
}
"""A system to names of tools that people write in its place."""


def _chosen(folder: Path, system: str) -> tuple[str, Recognised | None, list[str]]:
    """The kind of the deployment in the folder, its beginning of a scenario, and what there is to say about it."""
    registry = find(folder).registry(())
    known = {name: registry.get("system", name) for name in registry.names("system")}
    able = [name for name, factory in known.items() if issubclass(factory, Recognises)]
    if system and system not in (*able, THE_SAMPLE):
        meant = next((name for name, tools in TOOLS.items() if system.lower() in tools and name in able), "")
        hint = f"write `--system {meant}`" if meant else nearest(system, [*able, THE_SAMPLE])
        raise UsageError(f"`init` cannot begin with the system {system!r}; {hint}")
    found = dict(_recognised(registry, able, folder))
    shown = ", ".join(f"{name} ({', '.join(one.files)})" for name, one in found.items())
    if system == THE_SAMPLE:
        return "", None, []
    if system and system not in found:
        said = [f"        recognised: {shown}"] if found else near_misses(folder)
        raise UsageError("\n".join([f"no deployment of the system {system!r} in {folder}", *said]))
    if not system and len(found) > 1:
        first = next(iter(found))
        raise UsageError(
            f"several deployments in {folder}: {shown}\n    choose one: `seatrial init --system {first}`; "
            f"`--system {THE_SAMPLE}` begins with Seatrial's sample"
        )
    if not found:
        return "", None, [*_further_down(registry, able, folder), *without_deployment(folder)]
    kind = system or next(iter(found))
    return kind, found[kind], [f"found   {', '.join(found[kind].files)}: the system is `{kind}`"]


def _recognised(registry: Registry, able: list[str], folder: Path) -> Iterator[tuple[str, Recognised]]:
    for name in able:
        found = registry.get("system", name).recognise(folder, WAY)
        if found is not None:
            yield name, found


def _further_down(registry: Registry, able: list[str], folder: Path) -> Iterator[str]:
    """Deployments in the folders of this one."""
    for child in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for name, one in _recognised(registry, able, child):
            way = shlex.quote(str(child))
            yield f"found   {child.name}/{one.files[0]}: `seatrial init {way}` begins there, with the system `{name}`"


def _first(files: Files, document: str, kind: str, found: Recognised) -> Iterator[str]:
    """Write the scenario that tells most among those that `seatrial check` takes; yield what a person must add."""
    path = files.folder / document
    path.parent.mkdir(exist_ok=True)  # paths in a scenario begin there
    text, words = _best(path, kind, found)
    if files.write(document, lambda: text):
        files.lines += words
    else:
        text = path.read_text(encoding="utf-8", errors="replace")
    needed = [(number, line) for number, line in enumerate(text.splitlines(), 1) if NEEDED in line]
    yield from (f"{path}:{number}: {line.partition(NEEDED)[2]}" for number, line in needed)
    if not needed:
        yield from map(str, _problems(path, text, files.folder))


def _best(path: Path, kind: str, found: Recognised) -> tuple[str, list[str]]:
    def problems(text: str) -> set[str]:
        return {problem.message for problem in _problems(path, text, path.parents[1])}

    text = scenario(kind, found, None, SCHEMA, whole=False)
    asked = problems(text)  # what no step can help, such as a value that a person must add
    if any(UNREADABLE in message for message in asked):
        return text, []
    for outage, whole in itertools.product((*OUTAGES, None), (True, False)):
        text = scenario(kind, found, outage, SCHEMA, whole=whole)
        if problems(text) <= asked:
            away = f"{outage.words} {found.node or 'one node'}, " if outage else ""
            return text, [f"        it deploys, {away}looks, and destroys"]
    return text, []


def _problems(document: Path, text: str, folder: Path) -> list[Problem]:
    """What `seatrial check` says of a document with this text."""
    try:
        plan_documents([document], RunOptions(project=folder), unwritten={document: text})
    except DocumentError as error:
        return list(error.problems)
    except SeatrialError as error:
        return [Problem(str(document), 0, 0, str(error))]
    return []
