"""Which stages and checks of a pipeline run: all, some by name, or those from a stage on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from seatrial import expressions
from seatrial.errors import UsageError, nearest
from seatrial.preflight.document import Check, Pipeline, Stage


@dataclass(frozen=True, slots=True)
class Selection:
    """What was asked for."""

    only: tuple[str, ...] = ()
    """`stage` or `stage/check`; also `stage/check[row of its matrix]`."""
    from_: str = ""
    """A stage: it, and all that stand after it in the document."""

    @property
    def whole(self) -> bool:
        """Whether nothing is left out: only then it says that a deploy would succeed."""
        return not (self.only or self.from_)


def narrowed(pipeline: Pipeline, selection: Selection) -> Pipeline:
    """The pipeline with what was selected, in the same order, and needs of nothing else; a check whose outputs or
    artifacts a selected one takes comes with it. UsageError names the nearest where a name is not known."""
    if selection.whole:
        return pipeline
    wanted = _with_outputs(pipeline, set(_from(pipeline, selection.from_)) & set(_only(pipeline, selection.only)))
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
    """The rows of a check's matrix that were asked for by name; none: all of them."""
    rows = tuple(one for one in wanted if one.startswith(f"{check}["))
    return rows if check not in wanted and check.partition("/")[0] not in wanted else ()


def _all(pipeline: Pipeline) -> Iterable[str]:
    return (f"{stage}/{check}" for stage, one in pipeline.stages.items() for check in one.checks)


def _from(pipeline: Pipeline, start: str) -> Iterable[str]:
    names = list(pipeline.stages)
    if start and start not in names:
        raise UsageError(f"--from: there is no stage {start!r}: {nearest(start, names, what='stages')}")
    late = names[names.index(start) :] if start else names
    return (one for one in _all(pipeline) if one.partition("/")[0] in late)


def _only(pipeline: Pipeline, wanted: Sequence[str]) -> Iterable[str]:
    known = list(_all(pipeline))
    if not wanted:
        return known
    found: list[str] = []
    for name in wanted:
        plain = name.partition("[")[0]
        chosen = [one for one in known if one == plain or one.startswith(f"{name}/")]
        if not chosen:
            hint = nearest(plain, [*pipeline.stages, *known], what="stages and checks")
            raise UsageError(f"--only: there is no stage or check {name!r}: {hint}")
        found += chosen
    return found


def _with_outputs(pipeline: Pipeline, chosen: set[str]) -> set[str]:
    """A check cannot be run without the values that it reads, and the files that it uses."""
    found: set[str] = set()
    todo = list(chosen)
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            stage, _, check = one.partition("/")
            todo += outputs_read(pipeline.stages[stage].checks[check], pipeline.stages[stage].if_)
    return found


def outputs_read(check: Check, condition: str = "") -> Iterable[str]:
    """The checks whose outputs or artifacts a check takes; `condition` is its stage's."""
    yield from check.uses
    texts = [*([check.run] if isinstance(check.run, str) else check.run), *check.env.values(), check.cwd]
    formulas = [one for text in texts for one in expressions.expressions(text)]
    for formula in [*formulas, *(one for one in (check.if_, condition) if one)]:
        for path in expressions.references(formula):
            if path[0] == "steps" and len(path) > 1:
                yield str(path[1])


def needs_among(
    needs: Sequence[str], kept: Iterable[str], named: Mapping[str, Stage] | Mapping[str, Check]
) -> tuple[str, ...]:
    """The needs that are kept; for one that is not stand those that it has itself, so that the order is as it was."""
    names, todo = set(kept), list(needs)
    seen: dict[str, None] = {}
    while todo:
        one = todo.pop(0)
        if one not in seen:
            seen[one] = None
            todo += [] if one in names else named[one].needs
    return tuple(one for one in seen if one in names)
