"""What the tests of loading share: a registry with their own plugin, and a way to plan documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from seatrial.loading.compilation import compile_documents
from seatrial.loading.settings import load
from seatrial.model.scenario import Plan
from seatrial.registry import Registry

SAMPLE = {"kind": "t_system"}

Planner = Callable[..., Plan]


@pytest.fixture(scope="session")
def registry() -> Registry:
    made = Registry()
    made.load(Path(__file__).with_name("plugin_file.py"))
    return made


@pytest.fixture
def plan_of(tmp_path: Path, registry: Registry) -> Planner:
    """Write files into a project, and plan the first (or those named by `paths`)."""

    def plan(
        files: Mapping[str, Any] | str, *, paths: list[str] | None = None, environ: Any = None, **more: Any
    ) -> Plan:
        given = {"suite.yaml": files} if isinstance(files, str) else files
        for name, content in given.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
        environ = {"HOME": "here"} if environ is None else environ
        settings = load(tmp_path, environ).with_flags(more.pop("flags", {}))
        chosen = paths or [next(name for name in given if name != "seatrial.toml")]
        more.setdefault("sample", SAMPLE)
        return compile_documents([tmp_path / name for name in chosen], registry, settings, environ=environ, **more)

    return plan
