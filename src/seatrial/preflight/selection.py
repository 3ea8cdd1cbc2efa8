"""The selected stages and checks of a pipeline: all, some by name, or all from a stage on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from seatrial import expressions
from seatrial.errors import UsageError, nearest
from seatrial.model.graph import closure
from seatrial.preflight.document import Check, Pipeline, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The selected checks, and how to run them."""

    only: tuple[str, ...] = ()
    """`stage` or `stage/check`; also `stage/check[row of its matrix]`."""
    from_: str = ""
    """A stage: run it and all later stages of the document."""
    fail_fast: bool = False
    host: bool = False
    executor: str = ""
    """`containers` or `dagger`, for every check with an image; empty: as the document says."""
    parallel: int | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    """Values that replace the document's."""

    @property
    def whole(self) -> bool:
        """Whether all checks are selected: only then a pass means ready to deploy."""
        return not (self.only or self.from_)


def narrowed(pipeline: Pipeline, choices: Choices) -> Pipeline:
    """The pipeline reduced to the selection, in the same order, with needs only inside it. Checks that provide outputs,
    artifacts or services for selected ones are included. UsageError with the nearest name for an unknown one."""
    if choices.whole:
        return pipeline
    wanted = _with_outputs(pipeline, set(_from(pipeline, choices.from_)) & set(_only(pipeline, choices.only)))
    stages: dict[str, Stage] = {}
    for stage_name, stage in pipeline.stages.items():
        checks = {name: check for name, check in stage.checks.items() if f"{stage_name}/{name}" in wanted}
        if checks:
            kept = {
                name: replace(one, needs=needs_among(one.needs, checks, stage.checks)) for name, one in checks.items()
            }
            stages[stage_name] = replace(stage, checks=kept)
    ordered = {name: replace(s, needs=needs_among(s.needs, stages, pipeline.stages)) for name, s in stages.items()}
    return replace(pipeline, stages=ordered)


def row_of(wanted: Sequence[str], check: str) -> tuple[str, ...]:
    """The matrix rows selected by name; empty: all of them."""
    rows = tuple(one for one in wanted if one.startswith(f"{check}["))
    return rows if check not in wanted and check.partition("/")[0] not in wanted else ()


def _from(pipeline: Pipeline, start: str) -> Iterable[str]:
    names = list(pipeline.stages)
    if start and start not in names:
        raise UsageError(f"--from: unknown stage {start!r}: {nearest(start, names, what='stages')}")
    late = names[names.index(start) :] if start else names
    return (check for check in pipeline.checks if check.partition("/")[0] in late)


def _only(pipeline: Pipeline, wanted: Sequence[str]) -> Iterable[str]:
    known = list(pipeline.checks)
    if not wanted:
        return known
    found: list[str] = []
    for name in wanted:
        plain = name.partition("[")[0]
        chosen = [check for check in known if check == plain or check.startswith(f"{name}/")]
        if not chosen:
            hint = nearest(plain, [*pipeline.stages, *known], what="stages and checks")
            raise UsageError(f"--only: unknown stage or check {name!r}: {hint}")
        found += chosen
    return found


def _with_outputs(pipeline: Pipeline, chosen: set[str]) -> set[str]:
    """Include the checks that provide values, files or services for a selected check."""
    conditions = {name: pipeline.stages[name.partition("/")[0]].if_ for name in pipeline.checks}
    read = {name: list(outputs_read(check, conditions[name])) for name, check in pipeline.checks.items()}
    return chosen.union(*(closure(name, read) for name in chosen))


def outputs_read(check: Check, condition: str = "") -> Iterable[str]:
    """The checks that provide outputs, artifacts or services for a check; `condition` is its stage's."""
    yield from (*check.uses, *check.returned_services)
    texts = [*([check.run] if isinstance(check.run, str) else check.run), *check.env.values(), check.cwd]
    formulas = [one for text in texts for one in expressions.expressions(text)]
    for formula in [*formulas, *(one for one in (check.if_, condition) if one)]:
        for path in expressions.references(formula):
            if path[0] == "steps" and len(path) > 1:
                yield str(path[1])


def needed(pipeline: Pipeline, name: str) -> list[str]:
    """The checks needed by a check, including all checks of needed stages."""
    stage_name, _, check_name = name.partition("/")
    stage = pipeline.stages[stage_name]
    needed = [f"{stage_name}/{one}" for one in stage.checks[check_name].needs]
    return [*needed, *(f"{other}/{one}" for other in stage.needs for one in pipeline.stages[other].checks)]


def needs_among(
    needs: Sequence[str], kept: Iterable[str], named: Mapping[str, Stage] | Mapping[str, Check]
) -> tuple[str, ...]:
    """The selected needs; an unselected one is replaced by its own needs, to keep the order."""
    names, todo = set(kept), list(needs)
    seen: dict[str, None] = {}
    while todo:
        one = todo.pop(0)
        if one not in seen:
            seen[one] = None
            todo += [] if one in names else named[one].needs
    return tuple(one for one in seen if one in names)
