"""Generate any report from the events of a run."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any

from seatrial.model.event import Event
from seatrial.model.fold import Fold
from seatrial.registry import Registry


def render(
    name: str,
    events: Iterable[Event],
    fold: Fold | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    registry: Registry | None = None,
) -> str:
    """The report with this name as text; UsageError for an unknown name. `fold`: a fold without events."""
    fold = fold if fold is not None else Fold()
    out = io.StringIO()
    reporter = (registry or Registry()).get("reporter", name)(out, {**(options or {}), "fold": fold})
    for event in events:
        fold.on(event)
        reporter.on(event)
    reporter.close()
    return out.getvalue()
