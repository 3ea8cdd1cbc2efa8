"""The tables of `seatrial.toml` with keys of providers, systems and checks: each is read by its own class."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from seatrial.errors import DocumentError, Problem, UsageError, nearest
from seatrial.links.paths import SETTINGS
from seatrial.loading.fields import described, read_fields, read_instance
from seatrial.loading.merge.levels import merge, outermost
from seatrial.loading.resolve.system import Systems
from seatrial.loading.settings import Settings, SettingsSite
from seatrial.loading.site import Problems
from seatrial.registry import Registry
from seatrial.spi import ProviderTraits, traits


def settings_from(provider: type[Any], table: Mapping[str, Any]) -> Any:
    """The settings of a provider's class from a mapping; UsageError lists all problems in it."""
    problems: list[Problem] = []
    factory = traits(provider, ProviderTraits).Settings
    made = read_instance(factory, table, (), SettingsSite(problems, ""), what="the provider")
    if problems:
        raise UsageError("\n".join(f"{one.message}{one.hint and f' ({one.hint})'}" for one in problems))
    return made


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

    def has(self, name: str) -> bool:
        """Whether seatrial.toml has a table of this provider, empty or not."""
        return name in self._settings.value("providers")

    def _read(self, name: str) -> Any:
        table, what = self._settings.value("providers").get(name, {}), f"providers.{name}"
        problems: list[Problem] = []
        locate = self._settings.locate if self._settings.file else None
        site = SettingsSite(problems, self._settings.file or SETTINGS, locate, ("providers", name))
        made = None
        try:
            factory = traits(self._registry.get("provider", name), ProviderTraits).Settings
            if table and not described(factory):
                site.problem((), f"the provider {name!r} has no settings", f"remove the table [{what}]", key=True)
            made = read_instance(factory, table, (), site, what=what)
        except UsageError as error:
            known = self._registry.names("provider")
            message = str(error) if name in known else f"unknown provider {name!r}"
            site.problem((), message, "" if name in known else nearest(name, known), key=True)
        if problems:
            raise DocumentError(problems)
        return made


def check_tables(settings: Settings, registry: Registry, environ: Mapping[str, str] = os.environ) -> ProviderSettings:
    """The settings of all providers. DocumentError has every problem of the tables for providers, systems and
    checks, used by a suite or not."""
    problems = Problems()
    providers = ProviderSettings(settings, registry)
    for name in settings.value("providers"):
        try:
            providers(name)
        except DocumentError as error:
            problems.take(error.problems)
    for name, table in settings.value("checks").items():
        _check_defaults(settings, registry, problems, name, table)
    if settings.value("system"):
        systems = Systems(registry, problems, settings.folder, None, environ)
        systems.check(merge([outermost(settings)]), settings.value("system"))
    problems.done()
    return providers


def _check_defaults(
    settings: Settings, registry: Registry, problems: Problems, name: str, table: Mapping[str, Any]
) -> None:
    """The keys of all checks of a kind: their class must have them. Its required ones may be in the documents."""
    found: list[Problem] = []
    locate = settings.locate if settings.file else None
    site = SettingsSite(found, settings.file or SETTINGS, locate, ("checks", name))
    try:
        read_fields(registry.get("check", name), table, (), site, what=f"checks.{name}", lacking=True)
    except UsageError as error:
        known = registry.names("check")
        site.problem((), str(error) if name in known else f"unknown check {name!r}", nearest(name, known), key=True)
    problems.take(found)
