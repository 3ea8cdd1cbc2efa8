"""The settings of providers: each table `[providers.NAME]` as the provider's own `Settings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.errors import DocumentError, Problem, UsageError, nearest
from seatrial.loading.fields import described, read_instance
from seatrial.loading.read.positions import Place
from seatrial.loading.settings import Settings
from seatrial.loading.site import SilentSite
from seatrial.registry import Registry
from seatrial.spi import ProviderTraits, traits


def settings_from(provider: type[Any], table: Mapping[str, Any]) -> Any:
    """The settings of a provider's class from a mapping; UsageError lists all problems in it."""
    site = _Collecting()
    made = read_instance(traits(provider, ProviderTraits).Settings, table, (), site, what="the provider")
    if site.wrong:
        raise UsageError("\n".join(site.wrong))
    return made


class _Collecting(SilentSite):
    def __init__(self) -> None:
        self.wrong: list[str] = []

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        where = "" if key or not place else f"{'.'.join(map(str, place))}: "
        self.wrong.append(f"{where}{message}{hint and f' ({hint})'}")


class ProviderSettings:
    """The settings of all providers of a project, each read on first use."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._registry = registry
        self._made: dict[str, Any] = {}

    def __call__(self, name: str) -> Any:
        """An instance of the provider's `Settings`; DocumentError lists all problems in its table."""
        if name not in self._made:
            self._made[name] = self._read(name)
        return self._made[name]

    def problems(self) -> list[Problem]:
        """All problems in the tables of all providers, including unused ones."""
        problems: list[Problem] = []
        for name in self._settings.value("providers"):
            try:
                self(name)
            except DocumentError as error:
                problems += error.problems
        return problems

    def _read(self, name: str) -> Any:
        table = self._settings.value("providers").get(name, {})
        site = _Site(self._settings, name)
        try:
            factory = traits(self._registry.get("provider", name), ProviderTraits).Settings
            described(factory)
        except UsageError as error:
            known = self._registry.names("provider")
            message = str(error) if name in known else f"unknown provider {name!r}"
            site.problem((), message, "" if name in known else nearest(name, known), key=True)
            made = None
        else:
            what = f"providers.{name}"
            if table and not described(factory):
                site.problem((), f"the provider {name!r} has no settings", f"remove the table [{what}]", key=True)
            made = read_instance(factory, table, (), site, what=what)
        if site.problems:
            raise DocumentError(site.problems)
        return made


class _Site(SilentSite):
    """Collects the problems of one provider's table."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings, self.name = settings, name
        self.problems: list[Problem] = []

    def problem(self, place: Place, message: str, hint: str = "", *, key: bool = False) -> None:
        """Record it with its position."""
        where = ("providers", self.name, *place)
        at = self.settings.locate(where, key=key) if self.settings.file else (0, 0)
        text = message if key or not place else f"{'.'.join(map(str, where))}: {message}"
        self.problems.append(Problem(self.settings.file or "seatrial.toml", *at, text, hint))
