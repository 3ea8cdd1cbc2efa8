"""From a pipeline document to a plan of one suite: a graph of stages, each a graph of checks."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from seatrial import expressions
from seatrial.errors import CannotTell, UsageError, nearest
from seatrial.loading.read.positions import Place
from seatrial.loading.requirements import cores
from seatrial.model.graph import closure
from seatrial.model.scenario import Budget, Location, Plan, StepPlan, Suite, SystemPlan
from seatrial.preflight import KEY
from seatrial.preflight.cache import Cache
from seatrial.preflight.check import PipelineCheck
from seatrial.preflight.document import Check, Pipeline, Stage
from seatrial.preflight.executors.image_store import ImageLimits
from seatrial.preflight.job import Job
from seatrial.preflight.parsing import Read
from seatrial.preflight.rows import bound, names_of, rows_of, settled
from seatrial.preflight.selection import Choices, narrowed, needed, needs_among, row_of
from seatrial.preflight.stage import Stages, StageStep
from seatrial.preflight.system import Pipeline as System
from seatrial.preflight.system import PipelineSettings

PROVIDER = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The choices of the command line, and what follows from the project and its changes."""

    choices: Choices = field(default_factory=Choices)
    cache: Cache | None = None
    """The cache of results; None: there is none."""
    engine: str = ""
    """The container engine named by the project."""
    provider_settings: Any = None
    """The project's settings of the provider `local`; None: its defaults."""
    images: ImageLimits = field(default_factory=ImageLimits)
    """How many built images to keep."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Skipped checks (`stage/check`, with the row of a matrix), each with the reason; their dependents run without
    them."""
    since: str = ""
    """The description of the changes behind this choice."""
    command: tuple[str, ...] = ("seatrial", "preflight")
    """The command line without selection; with `--only` it runs one check again."""


def compile_pipeline(read: Read, wishes: Wishes) -> Plan:
    """The plan of a pipeline; UsageError for an unknown selection."""
    pipeline = narrowed(_with_parameters(read.pipeline, wishes.choices.parameters), wishes.choices)
    return Plan(
        suites=(_Compiler(read, pipeline, wishes).suite(),),
        budget=Budget(),
        documents=(read.document.file,),
        locate=lambda source: read.document.locate(_place(source), key=True)[0],
    )


def _with_parameters(pipeline: Pipeline, given: Mapping[str, object]) -> Pipeline:
    for name in given:
        if name not in pipeline.parameters:
            hint = nearest(name, pipeline.parameters, what="parameters of this pipeline")
            raise UsageError(f"--set: unknown parameter {name!r}: {hint}")
    return replace(pipeline, parameters={**pipeline.parameters, **given}) if given else pipeline


def name_of(read: Read) -> str:
    """The name of the pipeline; default: the name of its source folder."""
    return read.pipeline.name or read.source.name or KEY


def _images(pipeline: Pipeline) -> tuple[str, ...]:
    """The images named literally, without those known only at runtime (for example from a matrix)."""
    checks = pipeline.checks.values()
    used = {name for check in checks for name in check.services}
    images = [*(one.image for one in checks), *(s.image for name, s in pipeline.services.items() if name in used)]
    names = {"parameters": pipeline.parameters, "env": os.environ}
    found: dict[str, None] = {}
    for image in filter(None, images):
        with suppress(CannotTell):
            found[str(expressions.bind(image, names))] = None
    return tuple(found)


def _deferred(text: str) -> str:
    return expressions.deferred(text, "services")


def _selected(wishes: Wishes) -> dict[str, object]:
    choices = wishes.choices
    told = {"only": list(choices.only), "from": choices.from_, "changed_since": wishes.since}
    return {"whole": choices.whole and not wishes.left_out, **{key: value for key, value in told.items() if value}}


class _Compiler:
    """Makes the suite of one pipeline."""

    def __init__(self, read: Read, pipeline: Pipeline, wishes: Wishes) -> None:
        self._read, self._pipeline, self._wishes = read, pipeline, wishes
        self._made = {f"{id}{suffix}": patterns for id in read.pipeline.checks for suffix, patterns in self._makes(id)}
        """Every check with artifacts, selected or not, with its patterns."""

    def suite(self) -> Suite:
        """The only suite of the plan."""
        from seatrial.providers.local import LocalSettings

        read, pipeline, wishes, name = self._read, self._pipeline, self._wishes, name_of(self._read)
        stages = tuple(self._stages())
        top = StepPlan(
            kind="stages",
            factory=Stages,
            fields={},
            step=Stages(steps=stages, fail_fast=wishes.choices.fail_fast, images=wishes.images),
            source=_source(read, (KEY, "stages"), 0),
            children=stages,
        )
        budget = replace(pipeline.budget, parallel=wishes.choices.parallel or pipeline.budget.parallel or cores())
        settings = PipelineSettings(budget=budget, engine=wishes.engine, images=_images(pipeline))
        source = Location(file=read.document.file, path=(KEY,))
        return Suite(
            test_id="preflight-" + "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name),
            name=name,
            provider=PROVIDER,
            provider_settings=wishes.provider_settings or LocalSettings(),
            parameters={**pipeline.parameters, **_selected(wishes)},
            steps=(top,),
            system=SystemPlan(kind="pipeline", factory=System, settings=settings, source=source, folder=read.source),
            source=source,
            document_folder=read.document.folder,
            nodes=0,
            secrets=read.secrets,
        )

    def _stages(self) -> Iterator[StepPlan]:
        """One step for each stage."""
        why = self._wishes.left_out
        for at, (name, stage) in enumerate(self._pipeline.stages.items()):
            checks = tuple(self._checks(name, stage))
            left_out = {plan.id: why[plan.id] for plan in checks if plan.id in why}
            yield StepPlan(
                kind="stage",
                factory=StageStep,
                fields={},
                step=StageStep(steps=checks, fail_fast=self._wishes.choices.fail_fast, left_out=left_out),
                source=_source(self._read, (KEY, "stages", name), at),
                id=name,
                description=stage.title or f"{name.replace('-', ' ').replace('_', ' ').capitalize()} Stage",
                condition=stage.if_,
                needs=stage.needs,
                children=checks,
            )

    def _checks(self, stage_name: str, stage: Stage) -> Iterator[StepPlan]:
        rows = {name: list(self._rows(f"{stage_name}/{name}", check)) for name, check in stage.checks.items()}
        at = 0
        for name, check in stage.checks.items():
            needs = tuple(f"{stage_name}/{other}{suffix}" for other in self._needs(stage_name, name, check)
                          for suffix, _ in rows[other]
                          if f"{stage_name}/{other}{suffix}" not in self._wishes.left_out)  # fmt: skip
            uses, late = self._used(check), self._late(stage, check)
            before = self._artifacts_before(f"{stage_name}/{name}")
            for suffix, row in rows[name]:
                id = f"{stage_name}/{name}{suffix}"
                job = Job(
                    name=id,
                    check=settled(check, row, self._pipeline.parameters),
                    source=self._read.source,
                    needs=before,
                    beside=[one for other, each in self._made.items() if other != id for one in each],
                    uses=uses,
                    services={name: self._pipeline.services[name] for name in check.declared_services},
                    caches=self._pipeline.caches,
                    host=self._wishes.choices.host,
                    executor=self._executor(stage, check),
                    again=shlex.join([*self._wishes.command, "--only", id]),
                )
                fields = {"job": job, "cache": self._wishes.cache, **late}
                yield StepPlan(
                    kind="pipeline_check",
                    factory=PipelineCheck,
                    fields=fields,
                    step=None if expressions.templated(fields) else PipelineCheck(**fields),
                    source=_source(self._read, (KEY, "stages", stage_name, "checks", name), at),
                    id=id,
                    description=_title(check, name, suffix, row),
                    condition=check.if_,
                    retry=check.retry,
                    allow_failure=check.allow_failure,
                    needs=needs,
                    more={"matrix": row} if row else {},
                )
                at += 1

    def _needs(self, stage: str, name: str, check: Check) -> Sequence[str]:
        checks = self._pipeline.stages[stage].checks
        kept = [one for one in checks if not self._is_left_out(f"{stage}/{one}", checks[one])]
        return needs_among(check.needs, kept, checks) if name in kept else ()

    def _is_left_out(self, id: str, check: Check) -> bool:
        """Whether all its rows are."""
        return all(f"{id}{suffix}" in self._wishes.left_out for suffix in rows_of(check))

    def _artifacts_before(self, id: str) -> Mapping[str, Sequence[str]]:
        """The checks with artifacts that come before a check, selected or not, each with its patterns."""
        pipeline = self._read.pipeline
        before = closure(id, {name: needed(pipeline, name) for name in pipeline.checks})
        return {name: made for name, made in self._made.items() if name.partition("[")[0] in before - {id}}

    def _makes(self, id: str) -> Iterator[tuple[str, Sequence[str]]]:
        """The patterns of a check's artifacts for each row of its matrix, with the suffix of its name."""
        check = self._read.pipeline.checks[id]
        for suffix, row in rows_of(check).items() if check.artifacts else ():
            names = names_of(row, self._pipeline.parameters)
            yield suffix, [bound(pattern, names) for pattern in check.made]

    def _rows(self, id: str, check: Check) -> Iterator[tuple[str, dict[str, Any]]]:
        """The selected rows of the check's matrix, each with the suffix of its name."""
        rows = rows_of(check)
        wanted = row_of(self._wishes.choices.only, id)
        known = [f"{id}{suffix}" for suffix in rows]
        for row in wanted:
            if row not in known:
                raise UsageError(f"--only: unknown row {row!r}: {nearest(row, known, what='rows of its matrix')}")
        return ((suffix, row) for suffix, row in rows.items() if not wanted or f"{id}{suffix}" in wanted)

    def _used(self, check: Check) -> Mapping[str, str]:
        """The checks with artifacts it uses, each with the folder in which it ran."""
        checks = self._pipeline.checks
        return {
            f"{used}{suffix}": checks[used].cwd for used in check.uses for suffix, _ in self._rows(used, checks[used])
        }

    def _executor(self, stage: Stage, check: Check) -> str:
        """`dagger`, or empty for containers and for checks without an image."""
        wanted = self._wishes.choices.executor or check.executor or stage.executor or self._pipeline.executor
        return wanted if wanted == "dagger" and check.contained else ""

    def _late(self, stage: Stage, check: Check) -> dict[str, Any]:
        """The values filled in at the start; expressions over services even later, when their addresses are known."""
        env = {**self._pipeline.env, **stage.env, **check.env}
        return {
            "run_": _deferred(check.run) if isinstance(check.run, str) else tuple(map(_deferred, check.run)),
            "cwd": check.cwd,
            "env": {name: _deferred(value) for name, value in env.items()},
            "image": check.image,
            "artifacts": check.artifacts,
            "args": check.function.args if check.function is not None else {},
            "secrets": {name: f"${{{{ secrets.{name} }}}}" for name in self._pipeline.secrets.required},
        }


def _title(check: Check, name: str, suffix: str, row: Mapping[str, Any]) -> str:
    """The title for people; it names the matrix row unless the title contains the row's values."""
    title = check.title or name
    if "${{" in title:
        return bound(title, {"matrix": row, "env": os.environ})
    return f"{title} {suffix}" if suffix else title


def _source(read: Read, place: Sequence[str | int], at: int) -> Location:
    # The engine counts children by the last part of a place. Here that is a name, so the number follows it.
    return Location(file=read.document.file, path=(*place, "", at))


def _place(source: Location) -> Place:
    return source.path[:-2] if source.path[-2:-1] == ("",) else source.path
