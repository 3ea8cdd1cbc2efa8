"""The rows of a matrix: each is a check of its own, with its values filled in where they are known before the run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from seatrial import expressions
from seatrial.errors import CannotTell
from seatrial.loading.merge.matrix import expand
from seatrial.preflight.document import Check, Pipeline, Stage
from seatrial.preflight.job import row_name

KNOWN = ("matrix", "parameters", "env")
"""The names of expressions known before the run."""


def rows_of(check: Check) -> dict[str, dict[str, Any]]:
    """The rows of a check's matrix, each with the suffix of its name; without a matrix one, with an empty suffix."""
    return {row_name(row): row for row in expand({key: list(values) for key, values in check.matrix.items()}, "full")}


def bound(text: str, names: Mapping[str, Any]) -> str:
    """The text with its values, or as it is if they are known only at runtime."""
    try:
        return expressions.as_text(expressions.bind(text, names))
    except CannotTell:
        return text


def names_of(row: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The values known before the run."""
    return {"matrix": row, "parameters": parameters, "env": os.environ}


def settled(check: Check, row: Mapping[str, Any], parameters: Mapping[str, Any]) -> Check:
    """The check with the values that the cache, `--changed-since` and the build of its image need before it starts."""
    names = names_of(row, parameters)

    def each(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(bound(text, names) for text in texts)

    build = check.build
    if build is not None:
        build = replace(
            build,
            context=bound(build.context, names),
            dockerfile=bound(build.dockerfile, names),
            target=bound(build.target, names),
        )
    return replace(
        check,
        inputs=each(check.inputs),
        env_inputs=each(check.env_inputs),
        tools=tuple(map(each, check.tools)),
        build=build,
    )


def apart(pipeline: Pipeline, parameters: Mapping[str, Any]) -> Pipeline:
    """The pipeline with each row as a check of its own, with its suffix in its name, and all known values filled in:
    for questions about files. A need of a check is a need of all its rows."""
    suffixes = {id: list(rows_of(check)) for id, check in pipeline.checks.items()}
    stages: dict[str, Stage] = {}
    for stage_name, stage in pipeline.stages.items():
        checks: dict[str, Check] = {}
        for name, check in stage.checks.items():
            needs = [f"{one}{each}" for one in check.needs for each in suffixes.get(f"{stage_name}/{one}", [""])]
            uses = [f"{one}{each}" for one in check.uses for each in suffixes.get(one, [""])]
            for suffix, row in rows_of(check).items():
                one = _filled(settled(check, row, parameters), names_of(row, parameters))
                checks[f"{name}{suffix}"] = replace(one, needs=tuple(needs), uses=tuple(uses))
        stages[stage_name] = replace(stage, checks=checks)
    return replace(pipeline, stages=stages)


def _filled(check: Check, names: Mapping[str, Any]) -> Check:
    run = check.run
    return replace(
        check,
        matrix={},
        run=bound(run, names) if isinstance(run, str) else tuple(bound(word, names) for word in run),
        cwd=bound(check.cwd, names),
        artifacts=tuple(bound(pattern, names) for pattern in check.artifacts),
    )


def rows_named(id: str, ids: Iterable[str]) -> Iterator[str]:
    """The rows of a check among these ids; of a check without a matrix, itself."""
    return (one for one in ids if one == id or one.startswith(f"{id}["))


def unknown_before(text: str) -> Sequence[str]:
    """The names in a text that are known only when a check starts."""
    roots = (path[0] for one in expressions.expressions(text) for path in expressions.references(one) if path)
    return [root for root in dict.fromkeys(map(str, roots)) if root not in KNOWN]
