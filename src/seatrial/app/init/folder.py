"""What there is to say of a folder before `init` writes into it, and of one without a recognised deployment."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import yaml

from seatrial.app.project import find
from seatrial.errors import UsageError
from seatrial.links.paths import SETTINGS

MOST = 5
"""Scripts to name."""

LOOKED_FOR = (
    "        It looks for a program with the verbs `deploy` and `destroy`, a script for each (deploy.sh, destroy.sh),",
    "        a Makefile, Taskfile.yml or package.json with both, compose.yaml, *.tf, a playbook deploy.yml,",
    "        Kubernetes manifests or a chart, and .github/workflows/deploy.yml. For another deployer, write `system:`",
    "        yourself: docs/guides/deployer.md",
)
"""Said of a folder with files."""

YAML_FILES, YAML_BYTES = 50, 200_000
"""YAML files to look into, and the size of the largest: `init` stays quick in a folder full of data."""

NOT_YET = {
    "Procfile": "a list of processes without a way to deploy and to remove them",
    "Pulumi.yaml": "a Pulumi program",
}
"""Deployments without a system of their own, by the file that shows them."""


def about(folder: Path, system: str) -> Iterator[str]:
    """What there is to say of the folder itself. UsageError for a name that is meant as something else."""
    if folder.is_dir():
        above = next((one for one in folder.resolve().parents if (one / SETTINGS).is_file()), None)
        if above is not None and not (folder / SETTINGS).exists():
            yield f"note    the project {above} is above: this folder becomes a project of its own"
        return
    if folder.exists():
        hint = f"`seatrial init` takes the folder of a deployment: seatrial init {shlex.quote(str(folder.parent))}"
        raise UsageError(f"{folder} is a file\n    {hint}")
    if folder.name == str(folder) and not system and find().registry(()).knows("system", str(folder)):
        hint = f"to choose it: seatrial init --system {folder}; for a folder of this name: mkdir {folder}, and again"
        raise UsageError(f"{str(folder)!r} is a system, and no folder here has this name\n    {hint}")
    there = [one.name for one in folder.parent.iterdir() if one.is_dir()] if folder.parent.is_dir() else []
    near = difflib.get_close_matches(folder.name, there, n=1)
    yield f"made    {folder} (a new folder{f'; did you mean {near[0]}?' if near else ''})"


def without_deployment(folder: Path) -> Iterator[str]:
    """Why the scenario deploys the sample, and what to do for another deployment."""
    for name, what in NOT_YET.items():
        if (folder / name).is_file():
            yield f"found   {name}, {what}: Seatrial has no system for it yet."
            yield "        If a command deploys and removes it, write the scenario with `kind: command` yourself:"
            yield "        docs/guides/deployer.md shows how. The first scenario here deploys Seatrial's sample."
            return
    yield "found   no deployment: the first scenario deploys Seatrial's sample"
    yield from near_misses(folder)


def near_misses(folder: Path) -> Iterator[str]:
    """What may be a deployment, or what one looks like; nothing for an empty folder."""
    yield from list(_yaml_files(folder))[:MOST]
    if scripts := list(_not_executable(folder))[:MOST]:
        yield "        Is it one of these scripts? Make it executable, and run `seatrial init` again:"
        yield from (f"        chmod +x {shlex.quote(str(script))}" for script in scripts)
    elif any(not one.name.startswith((".", "seatrial.")) and one.is_file() for one in folder.iterdir()):
        yield from LOOKED_FOR


def _not_executable(folder: Path) -> Iterator[Path]:
    """Programs that cannot run: the files with a `#!`, and those named after a deployment."""
    for below in ("", "bin", "scripts"):
        for file in sorted((folder / below).glob("*")):
            if file.is_file() and not os.access(file, os.X_OK):
                named = file.stem == "deploy" and file.suffix in ("", ".sh", ".bash")
                with suppress(OSError), file.open("rb") as text:
                    if named or text.read(2) == b"#!":
                        yield file


def _yaml_files(folder: Path) -> Iterator[str]:
    """The playbooks and compose files with another name than the usual, and the files that are not YAML."""
    places = [folder, *(place for place in [folder / "playbooks"] if not place.is_symlink())]
    files = [file for place in places for file in sorted(place.glob("*.y*ml"))]
    for file in files[:YAML_FILES]:
        name = file.relative_to(folder)
        if file.is_symlink() or not file.is_file() or name.name.startswith((".", "seatrial.")):
            continue
        try:
            if file.stat().st_size > YAML_BYTES:
                continue
            documents = list(yaml.compose_all(file.read_text(encoding="utf-8"), yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else str(name)
            yield f"        {place}: invalid YAML: {error.problem}. Correct it, and run `seatrial init` again."
        except (OSError, ValueError, yaml.YAMLError, RecursionError):
            continue  # not text: it is no deployment
        else:
            if documents and (meant := _meant(documents[0], str(name))):
                yield f"        {name} looks like {meant}."


def _meant(document: yaml.Node, name: str) -> str:
    """What a document looks like, and the name to give its file; empty: like no deployment."""
    plays = document.value if isinstance(document, yaml.SequenceNode) else ()
    if any("hosts" in _keys(play) for play in plays):
        return f"a playbook: if it deploys, rename it to deploy.yml, or write `deploy: {name}` with `kind: ansible`"
    if "services" in _keys(document):
        return f"a compose file: rename it to compose.yaml, or write `files: [{name}]` with `kind: compose`"
    return ""


def _keys(node: yaml.Node) -> set[object]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return {key.value for key, _ in pairs if isinstance(key, yaml.ScalarNode)}
