"""The reporters of a run, by its format and its output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seatrial.app.project import Project
from seatrial.app.run_options import RunOptions
from seatrial.errors import UsageError, nearest
from seatrial.model.fold import Fold
from seatrial.model.values import FORMATS
from seatrial.registry import Registry
from seatrial.spi import Reporter

FACES: Mapping[str, str] = {"plain": "console", "live": "live", "json": "json"}
"""The reporter of each format; pipelines have others."""

FILES = ("junit", "ctrf", "html")
"""Reports written at the end of every run, in addition to `results.json`."""


def format_of(project: Project, options: RunOptions) -> str:
    """The format of the console; UsageError for an unknown one."""
    wanted = options.format or project.settings.value("format") or "auto"
    known = dict.fromkeys((*FORMATS, *(options.faces or FACES)))
    if wanted not in known:
        raise UsageError(f"unknown format {wanted!r}: {nearest(wanted, known)}")
    if options.pause_on_failure and wanted in ("auto", "live"):
        return "plain"  # live progress would write over the question
    return str(wanted)


def reporters_of(project: Project, registry: Registry, options: RunOptions, folder: Path, fold: Fold) -> list[Reporter]:
    """The reporters of a run; each gets events after the shared fold."""
    names = [*FILES, *(name for name in registry.names("reporter") if registry.plugin_of("reporter", name))]
    shared: dict[str, Any] = {"fold": fold, "root": project.folder, "colour": coloured(options.color)}
    shared["verbose"] = options.verbose
    shared["reports"] = [folder / "report.html"]
    made = [registry.get("reporter", name)(folder, shared) for name in ("json", *options.files, *names)]
    for name, out in _shown(format_of(project, options), options.faces or FACES):
        made.append(registry.get("reporter", name)(out, {**shared, **_repository(), "append": isinstance(out, Path)}))
    return made


def _shown(wanted: str, faces: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Reporter and target of a format."""
    in_actions = os.environ.get("GITHUB_ACTIONS") == "true"
    if wanted == "none":
        return
    if wanted not in ("auto", "plain", "live", "github"):
        yield faces[wanted], sys.stdout
        return
    if wanted == "live" or (wanted == "auto" and sys.stdout.isatty() and not in_actions and not os.environ.get("CI")):
        yield faces["live"], sys.stdout
    else:
        yield faces["plain"], sys.stdout
    if wanted == "github" or (wanted == "auto" and in_actions):
        yield "annotations", sys.stdout
        if os.environ.get("GITHUB_STEP_SUMMARY"):
            yield faces.get("github", "github"), Path(os.environ["GITHUB_STEP_SUMMARY"])


def _repository() -> dict[str, str]:
    """The checkout of a GitHub Actions job, and the URL of its files."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA")
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return {}
    repository_options = {"workspace": os.environ.get("GITHUB_WORKSPACE", "")}
    if all(os.environ.get(name) for name in names):
        server, repository, sha = (os.environ[name] for name in names)
        repository_options["source_url"] = f"{server}/{repository}/blob/{sha}"
    return repository_options


def coloured(asked: bool | None) -> bool:
    """Use colours only on a terminal, unless NO_COLOR is set."""
    if asked is not None:
        return asked
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
