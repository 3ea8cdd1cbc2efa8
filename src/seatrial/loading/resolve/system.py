"""The system under test of a suite: the settings of all levels, as read by the system's class."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from seatrial import expressions
from seatrial.errors import UsageError, nearest
from seatrial.loading.fields import described, read_fields, read_instance
from seatrial.loading.merge.levels import Merged
from seatrial.loading.read.positions import Place, texts_at
from seatrial.loading.site import Problems, Site
from seatrial.model.record import record
from seatrial.model.scenario import Location, SystemPlan
from seatrial.registry import Registry
from seatrial.spi import SystemTraits, traits

PLACE = ("system",)
"""The place of all settings of a system: each of its keys may come from another level."""


@record
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
    services: frozenset[str] = frozenset()
    """The shared services of the suite at hand."""

    def plan(self, merged: Merged) -> SystemPlan | None:
        """The system of a suite, the same object for the same settings; None if it is invalid."""
        raw = merged.get("system") or self.sample
        document, place = merged.where("system")
        if raw is None:
            self.problems.add(document, place, "the system under test is missing", "write `system:` with its `kind`")
            return None
        raw = {"kind": raw} if isinstance(raw, str) else raw
        written = bool(merged.get("system"))
        key = (
            json.dumps([document.file, list(place), raw, sorted(self.services)], default=str, sort_keys=True)
            if written
            else ""
        )
        if key not in self.made:
            self.made[key] = self._read(merged, raw, written)
        return self.made[key]

    def check(self, merged: Merged, raw: Mapping[str, Any]) -> None:
        """Check what one level says of a system, as far as it goes: suites may add the keys it lacks."""
        factory = self._class(merged, raw, written=True)
        if factory is not None:
            site = _SystemSite(self, merged, factory)
            given, what = _without_kind(raw), f"system {raw['kind']!r}"
            read_fields(factory.Settings, given, PLACE, site, what=what, partial=True, lacking=True)
            site.templates(given)

    def _read(self, merged: Merged, raw: Mapping[str, Any], written: bool) -> SystemPlan | None:
        factory = self._class(merged, raw, written)
        if factory is None:
            return None
        site = _SystemSite(self, merged, factory)
        given, what = _without_kind(raw), f"system {raw['kind']!r}"
        settings = read_instance(factory.Settings, given, PLACE, site, what=what)
        site.templates(given)
        if settings is None:
            return None
        document, place = merged.where("system")
        folder = Path(getattr(document, "path", self.folder / "x")).parent if written else self.folder
        return SystemPlan(
            kind=raw["kind"],
            factory=factory,
            settings=settings,
            source=Location(file=document.file, path=place) if written else Location(file=""),
            folder=folder.resolve(),
            secrets=tuple(sorted(site.secrets)),
            services=tuple(sorted(site.used_services)),
        )

    def _class(self, merged: Merged, raw: Mapping[str, Any], written: bool) -> type[Any] | None:
        """The class of a system by its `kind`; None when there is none."""
        document, place = merged.where("system")
        kind, known = raw.get("kind"), self.registry.names("system")
        if not isinstance(kind, str):
            self.problems.add(document, place, "a system needs its `kind`", f"allowed: {', '.join(known)}")
            return None
        try:
            if kind not in known:  # includes internal kinds, not allowed in documents
                raise UsageError(f"unknown system {kind!r}: {nearest(kind, known)}")
            factory: type[Any] = self.registry.get("system", kind)
            described(factory.Settings)
        except UsageError as error:
            message, _, hint = str(error).partition(": ")
            self.problems.add(document, merged.where("system", "kind")[1] if written else place, message, hint)
            return None
        return factory


def _without_kind(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key != "kind"}


@record
class _SystemSite(Site):
    """The site of a system's settings: they may come from several levels, so each place is looked up on its own."""

    systems: Systems
    merged: Merged
    factory: type[Any]
    secrets: set[str] = field(default_factory=set)
    """Collects the names of the secrets used in the settings."""
    used_services: set[str] = field(default_factory=set)
    """Collects the names of the shared services."""

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        document, where = self.merged.where(*map(str, place[:2]))
        below = place[2:] if where else ()
        self.systems.problems.add(document, (*where, *below), message, hint, key=key)

    def _scope(self, names: tuple[str, ...]) -> expressions.Scope:
        extras = (*names, "parameters", "vars", "steps")
        return expressions.Scope(
            extras=extras, environment=self.systems.environ, secrets=self.secrets, services=self.systems.services,
            used_services=self.used_services,
        )  # fmt: skip

    def formula(self, text: str, place: Place, names: tuple[str, ...] | None = None) -> None:
        names = traits(self.factory, SystemTraits).expression_names if names is None else names
        for message, hint in expressions.check(text, self._scope(names)):
            self.problem(place, message, hint)

    def templates(self, value: Any) -> None:
        """Check every `${{ }}` in the settings, with the names filled in by the system itself."""
        scope = self._scope(traits(self.factory, SystemTraits).template_names)
        for text, where in texts_at(value, PLACE):
            for message, hint in expressions.check_template(text, scope):
                self.problem(where, message, hint)
