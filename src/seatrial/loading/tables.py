"""`seatrial.toml` as the outermost level of all suites, and the tables whose keys providers and systems decide."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from seatrial.loading.merge.levels import Level, exclusive, merge
from seatrial.loading.provider_settings import ProviderSettings
from seatrial.loading.read.problems import Problems
from seatrial.loading.resolve.system import Systems, check_system
from seatrial.loading.settings import Settings
from seatrial.model.frozen import frozen
from seatrial.registry import Registry


@frozen(kw_only=False)
class _SettingsFile:
    """The settings as a document."""

    settings: Settings

    @property
    def file(self) -> str:
        return self.settings.file

    @property
    def locate(self) -> Any:
        return self.settings.locate


def outermost(settings: Settings) -> Level:
    """The outermost level: the project's defaults for all suites (node limits do not belong to a suite)."""
    names = ("parameters", "vars", "system")
    values = {name: settings.value(name) for name in names if settings.value(name)}
    values["deadlines"] = settings.value("deadlines").given()
    if settings.value("exclusive"):
        values["exclusive"] = exclusive(settings.value("exclusive"))
    return Level(_SettingsFile(settings), (), values)


def check_tables(settings: Settings, registry: Registry, environ: Mapping[str, str] = os.environ) -> ProviderSettings:
    """The settings of all providers. DocumentError has every problem of the tables for providers and systems, used by a
    suite or not."""
    problems = Problems()
    providers = ProviderSettings(settings, registry)
    problems.take(providers.problems())
    systems = Systems(registry=registry, problems=problems, folder=settings.folder, sample=None, environ=environ)
    if settings.value("system"):
        check_system(systems, merge([outermost(settings)]), settings.value("system"))
    problems.done()
    return providers
