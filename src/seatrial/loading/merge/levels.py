"""Settings of suites at every level, and how the levels are merged without losing any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Any

from seatrial.errors import nearest
from seatrial.expressions import templated
from seatrial.loading.fields import Field, described
from seatrial.loading.read.positions import Place
from seatrial.loading.settings import Settings
from seatrial.loading.site import DocumentSite, Located, Problems
from seatrial.loading.suite_keys import Contamination, Deadlines, Exclusive, SuiteKeys
from seatrial.model.record import record
from seatrial.model.scenario import Location, NodeLimit, Notification
from seatrial.model.service import Service

KEYS: Mapping[str, Field] = described(SuiteKeys)
"""The keys of a suite, valid at its own level and above."""

FILLED_IN = ("parameters", "vars", "system", "requirements", "services")
"""Keys whose values may contain `${{ }}`."""


@record
class Level:
    """The values from one place."""

    document: Located
    place: Place
    values: Mapping[str, Any]


@record
class Merged:
    """The values of all levels together, with their places."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[tuple[str, ...], tuple[Located, Place]] = field(default_factory=dict)
    """A key, or a key and a name below it, to the place of its last definition."""
    home: tuple[Located, Place] = field(default=(None, ()))  # type: ignore[assignment]
    """The innermost level."""

    def get(self, key: str) -> Any:
        """The merged value; None if there is none."""
        return self.values.get(key)

    def where(self, *path: str) -> tuple[Located, Place]:
        """The place of its definition; the suite itself if there is none."""
        return self.places.get(path) or self.places.get(path[:1]) or self.home


def read_level(
    problems: Problems,
    document: Located,
    raw: Mapping[str, Any],
    place: Place,
    *,
    besides: Iterable[str] = (),
    unknown: Callable[[str, Any], None] | None = None,
) -> Level:
    """Read the suite keys of one place; keys in `besides` have another meaning there, `unknown` takes all others."""
    site, other = DocumentSite(problems, document), tuple(besides)
    values: dict[str, Any] = {}
    for key, value in raw.items():
        where, before = (*place, key), problems.count
        if key in other:
            continue
        if key not in KEYS and unknown is not None:
            unknown(key, value)
        elif key not in KEYS:
            site.problem(where, f"unknown key {key!r}", nearest(key, [*KEYS, *other]), key=True)
        elif templated(value) and (isinstance(value, str) or key not in FILLED_IN) and key != "description":
            site.problem(where, f"{key!r} must be known before the run", "write the value itself, not `${{ }}`")
        elif value is not None:
            made = KEYS[key].shape.read(value, where, site)
            if problems.count == before:
                values[key] = _PLANNED[key](made) if key in _PLANNED else made
    return Level(document, place, values)


def outermost(settings: Settings) -> Level:
    """`seatrial.toml`: the project's defaults for all suites (node limits do not belong to a suite)."""
    values = {name: settings.value(name) for name in ("parameters", "vars", "system", "trust") if settings.value(name)}
    values["deadlines"] = settings.value("deadlines").given()
    if settings.value("exclusive"):
        values["exclusive"] = _exclusive(settings.value("exclusive"))
    if settings.value("contamination"):
        values["contamination"] = _contamination(settings.value("contamination"))
    return Level(settings, (), values)


def merge(levels: Iterable[Level]) -> Merged:
    """Outer levels first: inner ones win, mappings are merged deeply, notifications and limits add up."""
    merged = Merged()
    for level in levels:
        merged.home = (level.document, level.place)
        for key, value in level.values.items():
            held = merged.values.get(key)
            if key == "notifications":
                value = (*(held or ()), *value)
            elif key == "max_concurrent_nodes":
                written = Location(file=level.document.file, path=(*level.place, key))
                value = (*(held or ()), NodeLimit(nodes=value, written=written))
            elif key == "services":
                outer = held or {}
                value = {**outer, **{name: service or outer.get(name) for name, service in value.items()}}
            elif isinstance(held, Mapping) and isinstance(value, Mapping):
                # Settings for another kind of system do not apply to this one.
                other_kind = key == "system" and value.get("kind", held.get("kind")) != held.get("kind")
                value = value if other_kind else deep(held, value)
            merged.values[key] = value
            merged.places[(key,)] = (level.document, (*level.place, key))
            if isinstance(level.values[key], Mapping):
                for name in level.values[key]:
                    merged.places[(key, str(name))] = (level.document, (*level.place, key, str(name)))
    return merged


def deep(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings as one; where both have the same key, the inner value wins unless both are mappings."""
    made = dict(outer)
    for key, value in inner.items():
        held = made.get(key)
        made[key] = deep(held, value) if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return made


def _exclusive(made: str | Exclusive) -> tuple[str, float, str]:
    """Name, seconds to wait, and why."""
    return (made, 0.0, "") if isinstance(made, str) else (made.name, made.wait, made.reason)


def _contamination(made: str | Contamination) -> tuple[str, tuple[str, ...]]:
    """Mode and patterns."""
    return (made, ()) if isinstance(made, str) else (made.mode, made.allow)


def _services(made: tuple[str, ...] | Mapping[str, Service | None]) -> Mapping[str, Service | None]:
    """By name; None: defined elsewhere."""
    return made if isinstance(made, Mapping) else dict.fromkeys(made)


def _notifications(made: Notification | tuple[Notification, ...]) -> tuple[Notification, ...]:
    return made if isinstance(made, tuple) else (made,)


_PLANNED: Mapping[str, Callable[[Any], Any]] = {
    "contamination": _contamination,
    "deadlines": Deadlines.given,
    "exclusive": _exclusive,
    "notifications": _notifications,
    "services": _services,
}
"""From the written value to the value in the plan."""
