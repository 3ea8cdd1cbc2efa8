"""Settings of suites at every level where they can be written, and how the levels are merged with nothing lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seatrial.errors import nearest
from seatrial.expressions import templated
from seatrial.loading.merge.matrix import METHODS
from seatrial.loading.read.positions import Place
from seatrial.loading.read.problems import Located, Problems
from seatrial.loading.settings import DEADLINES, EXCLUSIVE
from seatrial.loading.shapes import TEXT, WHOLE, Anything, Choice, Many, Named, OneOf, Shape, Span
from seatrial.loading.site import SilentSite, shown
from seatrial.model.scenario import Notification
from seatrial.model.values import argv_of, duration

MAPPING = Named(Anything())

KEYS: Mapping[str, Shape] = {
    "name": TEXT,
    "provider": TEXT,
    "test_type": Choice({"workflow": "workflow"}),
    "description": TEXT,
    "parameters": MAPPING,
    "requirements": MAPPING,
    "system": OneOf((TEXT, MAPPING)),
    "power": Choice({"api": "api", "guest": "guest"}),
    "reuse": Choice({"none": "none", "snapshot": "snapshot"}),
    "timeout": Span(),
    "deadlines": Named(Span()),
    "exclusive": EXCLUSIVE,
    "notifications": OneOf((MAPPING, Many(MAPPING, list))),
    "max_concurrent_nodes": WHOLE,
    "combinations": Choice({word: word for word in METHODS}),
    "vars": MAPPING,
}
"""What can be said of a suite, at its own level or at one above."""

FILLED_IN = ("parameters", "vars", "system", "requirements")
"""Whose values may hold `${{ }}`."""

NOTIFICATION = ("command", "webhook", "on", "slow_seconds")
EVENTS = ("failure", "slow")


@dataclass(slots=True)
class Level:
    """What one place says."""

    document: Located
    place: Place
    values: Mapping[str, Any]


@dataclass(slots=True)
class Merged:
    """What all levels say together, and where."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[tuple[str, ...], tuple[Located, Place]] = field(default_factory=dict)
    """A key, or a key and a name below it, to where it was written last."""
    home: tuple[Located, Place] = field(default=(None, ()))  # type: ignore[assignment]
    """The innermost level."""

    def get(self, key: str, default: Any = None) -> Any:
        """The merged value."""
        return self.values.get(key, default)

    def where(self, *path: str) -> tuple[Located, Place]:
        """Where it was written; the suite itself when it was not."""
        return self.places.get(path) or self.places.get(path[:1]) or self.home


@dataclass(slots=True)
class LevelSite(SilentSite):
    """Where the values of a level are read; the settings of systems are checked with the system's own names."""

    problems: Problems
    document: Located

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        """Write down something wrong."""
        self.problems.add(self.document, place, message, hint, key=key)


def read_level(
    problems: Problems,
    document: Located,
    raw: Mapping[str, Any],
    place: Place,
    *,
    besides: Iterable[str] = (),
    unknown: Callable[[str, Any], bool] | None = None,
) -> Level:
    """Read what one place says of suites; keys in `besides` mean something else there, `unknown` may take others."""
    site = LevelSite(problems, document)
    values: dict[str, Any] = {}
    other = tuple(besides)
    for key, value in raw.items():
        if key in other:
            continue
        where = (*place, key)
        shape = KEYS.get(key)
        if shape is None:
            if unknown is None or not unknown(key, value):
                site.problem(where, f"unknown key {key!r}", nearest(key, [*KEYS, *other]), key=True)
        elif value is not None:
            before = problems.count
            if templated(value) and (isinstance(value, str) or key not in FILLED_IN) and key != "description":
                site.problem(where, f"{key!r} is settled before anything runs", "write the value itself, not `${{ }}`")
                continue
            made = shape.read(value, where, site)
            made = _MORE[key](made, value, where, site) if key in _MORE and problems.count == before else made
            if problems.count == before:
                values[key] = made
    return Level(document, place, values)


def merge(levels: Iterable[Level]) -> Merged:
    """Outer levels first: inner ones win, mappings are merged deeply, notifications add up, the tighter limit wins."""
    merged = Merged()
    for level in levels:
        merged.home = (level.document, level.place)
        for key, value in level.values.items():
            held = merged.values.get(key)
            if key == "notifications":
                value = [*(held or ()), *value]
            elif key == "max_concurrent_nodes" and held is not None and held <= value:
                continue
            elif key == "system":
                value = _system(held, value)
            elif isinstance(held, Mapping) and isinstance(value, Mapping):
                value = deep(held, value)
            merged.values[key] = value
            merged.places[(key,)] = (level.document, (*level.place, key))
            if isinstance(level.values[key], Mapping):
                for name in level.values[key]:
                    merged.places[(key, str(name))] = (level.document, (*level.place, key, str(name)))
    return merged


def deep(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings as one; where both have something else than mappings, the inner."""
    made = dict(outer)
    for key, value in inner.items():
        held = made.get(key)
        made[key] = deep(held, value) if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return made


def _system(outer: Any, inner: Any) -> Any:
    """Settings of another kind of system are nothing to this one."""
    if not isinstance(outer, Mapping) or not isinstance(inner, Mapping):
        return inner
    return deep(outer, inner) if inner.get("kind", outer.get("kind")) == outer.get("kind") else inner


def _deadlines(made: Any, value: Any, place: Place, site: LevelSite) -> Any:
    for name in value:
        if name not in DEADLINES:
            site.problem((*place, name), f"unknown deadline {name!r}", nearest(name, DEADLINES), key=True)
    return made


def _least_one(made: Any, value: Any, place: Place, site: LevelSite) -> Any:
    if isinstance(made, int) and made < 1:
        site.problem(place, f"{made} is too few", "allowed: a whole number from 1")
    return made


def read_exclusive(made: Any, value: Any, place: Place, site: LevelSite) -> Any:
    """Name and seconds to wait."""
    if isinstance(made, str):
        if not made:
            site.problem(place, "the name of the environment is empty")
        return (made, 0.0)
    for key in made:
        if key not in ("name", "wait"):
            site.problem((*place, key), f"unknown key {key!r} of exclusive", nearest(key, ("name", "wait")), key=True)
    name, wait = made.get("name"), 0.0
    if not isinstance(name, str) or not name:
        site.problem(
            place, "`exclusive` needs the name of the environment", "write {name: …, wait: 10m}, or only the name"
        )
    try:
        wait = duration(made.get("wait", 0))
    except ValueError as error:
        site.problem((*place, "wait"), str(error))
    return (name, wait)


def _notifications(made: Any, value: Any, place: Place, site: LevelSite) -> Any:
    single = isinstance(value, Mapping)
    given = [value] if single else value
    return [_notification(one, place if single else (*place, at), site) for at, one in enumerate(given)]


def _notification(raw: Mapping[str, Any], place: Place, site: LevelSite) -> Notification:
    for key in raw:
        if key not in NOTIFICATION:
            site.problem((*place, key), f"unknown key {key!r} of a notification", nearest(key, NOTIFICATION), key=True)
    command, webhook = raw.get("command"), raw.get("webhook", "")
    if (command is None) == (not webhook):
        site.problem(place, "a notification has either `command` or `webhook`", "write exactly one of them")
    words: list[str] = []
    if isinstance(command, str):
        # Text goes to a shell, as in `custom_command`.
        words = list(argv_of(command))
        if not command.strip():
            site.problem((*place, "command"), "the command is empty")
    elif isinstance(command, list) and command and all(isinstance(one, str) for one in command):
        words = command
    elif command is not None:
        site.problem((*place, "command"), f"{shown(command)} is no command", "allowed: a list of arguments, or text")
    if not isinstance(webhook, str) or (webhook and not webhook.startswith(("http://", "https://"))):
        site.problem((*place, "webhook"), f"{shown(webhook)} is no webhook", "allowed: an http or https URL")
    events = raw.get("on", ["failure"])
    events = [events] if isinstance(events, str) else events
    for event in events if isinstance(events, list) else [events]:
        if event not in EVENTS:
            site.problem((*place, "on"), f"{shown(event)} is no reason to notify", nearest(str(event), EVENTS))
            events = []
    slow = raw.get("slow_seconds")
    if slow is not None and (not isinstance(slow, int | float) or isinstance(slow, bool) or slow <= 0):
        site.problem((*place, "slow_seconds"), f"{shown(slow)} is no number of seconds", "allowed: a number above 0")
        slow = None
    if "slow" in events and "slow_seconds" not in raw:
        site.problem((*place, "on"), "`slow` needs `slow_seconds`", "say how many seconds are slow")
    return Notification(
        command=tuple(words), webhook=str(webhook), on=tuple(events), slow_seconds=None if slow is None else float(slow)
    )


_MORE: Mapping[str, Callable[[Any, Any, Place, LevelSite], Any]] = {
    "deadlines": _deadlines,
    "max_concurrent_nodes": _least_one,
    "exclusive": read_exclusive,
    "notifications": _notifications,
}
