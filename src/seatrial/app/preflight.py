"""`preflight`: from a pipeline document to an exit code, with the same engine as `run`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.app.pipelines import pipeline_of
from seatrial.app.project import Project, find
from seatrial.app.run import run_plan
from seatrial.app.run_options import RunOptions, RunReport
from seatrial.links.paths import SETTINGS, cache_folder
from seatrial.loading.provider_settings import check_tables
from seatrial.model.scenario import StepPlan
from seatrial.preflight.cache import Cache
from seatrial.preflight.cache.tree import Tree
from seatrial.preflight.compilation import PROVIDER, Wishes, compile_pipeline, name_of
from seatrial.preflight.executors.image_store import ImageLimits
from seatrial.preflight.parsing import Read, read_pipeline
from seatrial.preflight.rows import apart, rows_of
from seatrial.preflight.secrets import secrets_of
from seatrial.preflight.selection import Choices, narrowed
from seatrial.preflight.warnings import pipes, warnings_of

if TYPE_CHECKING:
    from seatrial.links.git import Changes

FACES: Mapping[str, str] = {
    "plain": "preflight",
    "live": "preflight_live",
    "github": "preflight_github",
    "json": "preflight_json",
    "compact": "compact",
}
"""The reporter of each format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightOptions(Choices):
    """The options of a preflight."""

    document: Path | None = None
    """None: the project's file, else the nearest `pipeline.yaml` upward."""
    changed_since: str = ""
    """A commit: run only the checks affected by changes since then."""
    cache: bool = True
    explain: bool = False
    """Whether to explain for each check why its cached result was used or not."""
    trace_inputs: bool = False
    """Whether to trace the files read by each check."""
    run: RunOptions = field(default_factory=RunOptions)


def main(options: PreflightOptions) -> int:
    """Run the pipeline and return the exit code."""
    return asyncio.run(preflight(options)).exit_code


async def preflight(options: PreflightOptions) -> RunReport:
    """Run the pipeline. DocumentError has all problems of the settings or the document, UsageError names the missing
    secrets; in both cases nothing is started."""
    project = find(options.run.project)
    registry = project.registry(options.run.plugins)
    settings = check_tables(project.settings, registry)
    read = read_pipeline(pipeline_of(options.document, project), environ=os.environ)
    cache = await _cache(options, project, read)
    value = project.settings.value
    wishes = replace(
        _wishes(options, read, await _affected(options, read, cache.tree)),
        cache=cache,
        engine=settings("containers").engine if "containers" in project.providers else "",
        images=ImageLimits(count=value("built_images"), days=value("built_images_days")),
        provider_settings=settings(PROVIDER),
    )
    plan = replace(compile_pipeline(read, wishes), warnings=tuple(pipes(read)))
    secrets = await secrets_of(read.secrets, read.pipeline.secrets.from_, read.document.folder, os.environ)
    run = replace(options.run, faces=FACES, files=("preflight_json",), secrets=secrets, fail_fast=options.fail_fast)
    try:
        return await run_plan(plan, run, project=project, registry=registry)
    finally:
        cache.close()


async def _cache(options: PreflightOptions, project: Project, read: Read) -> Cache:
    """The user's cache, shared by all projects; UsageError if this machine cannot trace inputs."""
    if options.trace_inputs:
        from seatrial.preflight.cache.trace import ready

        await ready()
    off, folder = "" if options.cache else "the cache is off", Path()
    if not off and any(check.inputs for check in read.pipeline.checks.values()):
        try:
            folder = cache_folder("preflight")
        except OSError as error:
            off = f"no folder for the cache: {error}"
    return Cache(
        source=read.source,
        folder=folder,
        off=off,
        explain=options.explain,
        tracing=options.trace_inputs,
        limit=int(project.settings.value("cache_size_gb") * 1e9),
    )


async def _affected(options: PreflightOptions, read: Read, tree: Tree) -> Mapping[str, str] | None:
    """The checks affected by changes, each with the reason; None without `changed_since`."""
    if not options.changed_since:
        return None
    from seatrial.links.git import changes_since
    from seatrial.preflight.affected import affected

    source = Path(os.path.realpath(read.source))
    found = await changes_since(source, options.changed_since)
    inside = f"{source.relative_to(found.top)}/" if source != found.top else ""

    def seen(paths: Iterable[str]) -> frozenset[str]:
        return frozenset(
            path[len(inside) :] if path.startswith(inside) else os.path.relpath(found.top / path, source)
            for path in paths
        )

    changes = replace(found, files=seen(found.files), folders=seen(found.folders), known=seen(found.known),
                      modules=seen(found.modules), links=seen(found.links))  # fmt: skip
    pipeline = apart(narrowed(read.pipeline, options), {**read.pipeline.parameters, **options.parameters})
    if why := _why_everything(options, read, changes, source):
        return dict.fromkeys(pipeline.checks, why)
    return affected(pipeline, changes, tree, source)


def _why_everything(options: PreflightOptions, read: Read, changes: Changes, source: Path) -> str:
    """A change that affects every check: in the document, the project's settings or a file of secrets; else empty."""
    document = read.document.path
    secret = [read.document.folder / one.file for one in read.pipeline.secrets.from_ if one != "env" and one.file]
    for file in (document, find(options.run.project).folder / SETTINGS, *secret):
        # For a link, both the link and its target count.
        link = Path(os.path.realpath(file.parent)) / file.name
        for path in (os.path.relpath(link, source), os.path.relpath(os.path.realpath(file), source)):
            if path in changes.files:
                return f"{path} changed"
    if os.path.relpath(os.path.realpath(document), source) not in changes.known:
        return f"git does not track {read.document.file}, so it may have changed"
    return ""


def outline(options: PreflightOptions) -> dict[str, Any]:
    """The selected stages and checks as data, without running them."""
    project = find(options.run.project)
    check_tables(project.settings, project.registry(options.run.plugins))
    read = read_pipeline(pipeline_of(options.document, project), environ=os.environ)
    affected = asyncio.run(_affected(options, read, Cache(source=read.source).tree)) if options.changed_since else None
    wishes = _wishes(options, read, affected)
    plan = compile_pipeline(read, wishes)

    def outlined(check: StepPlan) -> dict[str, Any]:
        name = check.id.partition("[")[0]
        settings = read.pipeline.checks[name]
        more: dict[str, Any] = {
            "if": settings.if_,
            "image": settings.image or ("built from a Dockerfile" if settings.build else ""),
            "services": list(settings.services),
            "inputs": list(check.fields["job"].check.inputs),
        }
        if affected is not None:
            is_affected = check.id in affected
            more |= {"because": affected[check.id]} if is_affected else {"skipped": wishes.left_out[check.id]}
        return {
            "id": check.id,
            "title": check.description,
            "needs": list(check.needs),
            "run": settings.run if isinstance(settings.run, str) else list(settings.run),
            **{key: value for key, value in more.items() if value},
        }

    return {
        "name": name_of(read),
        "document": read.document.file,
        "secrets": list(read.secrets),
        "warnings": list(warnings_of(read)),
        "stages": {
            stage.id: {
                "title": stage.description,
                "needs": list(stage.needs),
                "checks": [outlined(check) for check in stage.children],
            }
            for stage in plan.suites[0].steps[0].children
        },
    }


def _listed(whole: Mapping[str, Any]) -> str:
    """The outline as text."""
    lines = [f"{whole['name']}  ({whole['document']})"]
    for name, stage in whole["stages"].items():
        lines.append(f"{name}{_needing(stage)}")
        for check in stage["checks"]:
            title = f"  {check['title']}" if check["title"] != check["id"].partition("/")[2] else ""
            reason = f"  because {check['because']}" if "because" in check else ""
            reason = f"  skipped: {check['skipped']}" if "skipped" in check else reason
            lines.append(f"  {check['id']}{title}{_needing(check)}{reason}")
    return "\n".join(lines) + "\n"


def _needing(one: Mapping[str, Any]) -> str:
    return f"  needs {', '.join(one['needs'])}" if one["needs"] else ""


def _wishes(options: PreflightOptions, read: Read, affected: Mapping[str, str] | None) -> Wishes:
    sets = [word for name, value in options.parameters.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    named = [str(options.document)] if options.document is not None else []
    ids = [f"{name}{suffix}" for name, check in read.pipeline.checks.items() for suffix in rows_of(check)]
    others = [id for id in ids if id not in affected] if affected is not None else []
    left_out = dict.fromkeys(others, f"nothing it depends on changed since {options.changed_since}")
    where = ["--host"] if options.host else ["--executor", options.executor] if options.executor else []
    return Wishes(
        choices=options,
        left_out=left_out,
        since=options.changed_since,
        command=("seatrial", "preflight", *named, *where, *sets),
    )


def show(options: PreflightOptions) -> int:
    """Print the selected checks."""
    whole = outline(options)
    as_json = options.run.format == "json"
    sys.stdout.write(json.dumps(whole, indent=2, ensure_ascii=False) + "\n" if as_json else _listed(whole))
    return 0
