"""The system under test of a suite: the settings of all levels, as read by the system's class."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial import expressions
from seatrial.errors import UsageError, nearest
from seatrial.loading.fields import described, read_fields, read_instance
from seatrial.loading.merge.levels import Merged
from seatrial.loading.read.positions import Place, texts_at
from seatrial.loading.read.problems import Problems
from seatrial.loading.site import Site
from seatrial.model.scenario import Location, SystemPlan
from seatrial.registry import Registry
from seatrial.spi import SystemTraits, traits


@dataclass(slots=True)
class Systems:
    """The systems of all suites, and the means to create them."""

    registry: Registry
    problems: Problems
    folder: Path
    """The project's folder, the base of relative paths in its settings."""
    sample: Mapping[str, Any] | None
    """The system of suites without one."""
    environ: Mapping[str, str]
    made: dict[str, SystemPlan | None] = field(default_factory=dict)


def plan_system(systems: Systems, merged: Merged) -> SystemPlan | None:
    """The system of a suite, the same object for the same settings; None if it is invalid."""
    raw = merged.get("system") or systems.sample
    document, place = merged.where("system")
    if raw is None:
        systems.problems.add(document, place, "the system under test is missing", "write `system:` with its `kind`")
        return None
    raw = {"kind": raw} if isinstance(raw, str) else raw
    written = bool(merged.get("system"))
    key = json.dumps([document.file, list(place), raw], default=str, sort_keys=True) if written else ""
    if key not in systems.made:
        systems.made[key] = _read_system(systems, merged, raw, written)
    return systems.made[key]


def check_system(systems: Systems, merged: Merged, raw: Mapping[str, Any]) -> None:
    """Check what one level says of a system, as far as it goes: suites may add the keys it lacks."""
    factory = _class(systems, merged, raw, written=True)
    if factory is not None:
        given = {key: value for key, value in raw.items() if key != "kind"}
        site = _SystemSite(systems, merged, factory)
        what = f"system {raw['kind']!r}"
        read_fields(factory.Settings, given, ("system",), site, what=what, partial=True, lacking=True)
        site.templates(given, ("system",))


def _class(systems: Systems, merged: Merged, raw: Mapping[str, Any], written: bool) -> type[Any] | None:
    """The class of a system by its `kind`; None when there is none."""
    document, place = merged.where("system")
    kind = raw.get("kind")
    known = systems.registry.names("system")
    if not isinstance(kind, str):
        systems.problems.add(document, place, "a system needs its `kind`", f"allowed: {', '.join(known)}")
        return None
    try:
        if kind not in known:  # includes internal kinds, not allowed in documents
            raise UsageError(f"unknown system {kind!r}: {nearest(kind, known)}")
        factory: type[Any] = systems.registry.get("system", kind)
        described(factory.Settings)
    except UsageError as error:
        message, _, hint = str(error).partition(": ")
        systems.problems.add(document, merged.where("system", "kind")[1] if written else place, message, hint)
        return None
    return factory


def _read_system(systems: Systems, merged: Merged, raw: Mapping[str, Any], written: bool) -> SystemPlan | None:
    factory = _class(systems, merged, raw, written)
    if factory is None:
        return None
    document, place = merged.where("system")
    kind = raw["kind"]
    site = _SystemSite(systems, merged, factory)
    given = {key: value for key, value in raw.items() if key != "kind"}
    settings = read_instance(factory.Settings, given, ("system",), site, what=f"system {kind!r}")
    site.templates(given, ("system",))
    if settings is None:
        return None
    folder = Path(getattr(document, "path", systems.folder / "x")).parent if written else systems.folder
    source = Location(file=document.file, path=place) if written else Location(file="")
    return SystemPlan(
        kind=kind,
        factory=factory,
        settings=settings,
        source=source,
        folder=folder.resolve(),
        secrets=tuple(sorted(site.secrets)),
    )


@dataclass(slots=True)
class _SystemSite(Site):
    """The site of a system's settings: they may come from several levels, so each place is looked up on its own."""

    systems: Systems
    merged: Merged
    factory: type[Any]
    secrets: set[str] = field(default_factory=set)
    """Collects the names of the secrets used in the settings."""

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        document, where = self.merged.where(*map(str, place[:2]))
        below = place[2:] if where else ()
        self.systems.problems.add(document, (*where, *below), message, hint, key=key)

    def _scope(self, names: tuple[str, ...]) -> expressions.Scope:
        extras = (*names, "parameters", "vars", "steps")
        return expressions.Scope(extras=extras, environment=self.systems.environ, secrets=self.secrets)

    def formula(self, text: str, place: Place) -> None:
        for message, hint in expressions.check(text, self._scope(traits(self.factory, SystemTraits).expression_names)):
            self.problem(place, message, hint)

    def templates(self, value: Any, place: Place) -> None:
        """Check every `${{ }}` in the settings, with the names filled in by the system itself."""
        scope = self._scope(traits(self.factory, SystemTraits).template_names)
        for text, where in texts_at(value, place):
            for message, hint in expressions.check_template(text, scope):
                self.problem(where, message, hint)
