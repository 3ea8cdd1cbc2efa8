"""examples/consultancy, unchanged, through a real Dagger engine: green cold and warm, and red with the lines of the
other executors where a fault is planted.

The engine takes the images from a registry on loopback, filled from Podman's store: Dockerfiles name their base image
by reference.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import zip_longest
from typing import Any

import pytest
from tests.acceptance import test_consultancy
from tests.acceptance.dagger_project import HOST, WAIT, InDagger, needs_engine
from tests.acceptance.harness import until
from tests.acceptance.test_consultancy import PLANTS, TITLES, Place, Told, nothing_is_told, red_at

from scripts import consultancy

REGISTRY = "docker-registry"

pytestmark = [pytest.mark.slow, needs_engine, pytest.mark.backend("toolbox in podman"), pytest.mark.backend("npm"),
              pytest.mark.xdist_group("dagger"),
              pytest.mark.skipif(not shutil.which(REGISTRY), reason=f"{REGISTRY} is not installed")]  # fmt: skip


host = test_consultancy.host


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    folder = tmp_path_factory.mktemp("registry")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "registry.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder / 'data'}}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([REGISTRY, "serve", str(folder / "registry.yml")], stdout=log, stderr=log)
    try:
        until(lambda: _listens(port), "the registry", WAIT)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=WAIT)
        shutil.rmtree(folder / "data", ignore_errors=True)


@pytest.fixture(scope="module")
def place(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The example in Dagger, after a green run that filled its cache."""
    arguments = ["--executor", "dagger"]
    for word in consultancy.in_containers():
        name, _, image = word.partition("=")
        if image:
            there = f"{registry}/{image.rpartition('/')[2]}"
            consultancy.pushed(image, there)
            word = f"{name}={there}"
        arguments.append(word)
    folder = consultancy.copied(tmp_path_factory.mktemp("dagger") / "elsewhere")
    environment = {HOST: os.environ["SEATRIAL_DAGGER_ENGINE"], "SEATRIAL_CACHE_DIR": str(folder.parent / "cache")}
    place = Place(InDagger(folder), tuple(arguments), environment)
    green = place.run()
    assert green.statuses == dict.fromkeys(TITLES, "passed"), green.console
    assert not [name for name in ("worker/dist", "worker/node_modules", "site/public") if (folder / name).exists()]
    yield place
    nothing_is_told(folder)


def test_nothing_changed_runs_nothing(place: Place) -> None:
    told = place.run()
    assert [name for name, check in told.checks.items() if not check.get("cached")] == []


@pytest.mark.parametrize("name", ["type error", "failing test", "TypeScript error", "broken migration"])
def test_a_planted_fault_is_red_where_it_is(place: Place, name: str) -> None:
    red_at(place, PLANTS[name])


@pytest.mark.backend("postgresql")
@pytest.mark.parametrize("faults", [(), ("type error", "broken site"), ("failing test", "TypeScript error")])
def test_its_json_is_that_of_the_host_but_for_times_and_the_executor(
    place: Place, host: Place, faults: tuple[str, ...]
) -> None:
    with ExitStack() as planted:
        for way in (place, host):
            for plant in (PLANTS[name] for name in faults):
                planted.enter_context(way.planted(plant.file, plant.old, plant.new))
        here, there = (way.run("--no-cache") for way in (host, place))
    assert here.code == (1 if faults else 0)
    fields = [list(_fields(told, way)) for told, way in ((here, host), (there, place))]
    assert [pair for pair in zip_longest(*fields) if pair[0] != pair[1]] == []


def _fields(told: Told, way: Place) -> Iterator[tuple[str, str]]:
    """Each value of the JSON with its place and its kind, in order. What may differ has a word in its place: seconds,
    the project's folder, the names of run and trial, and how a check is executed in the command that runs it again."""

    def walked(at: str, value: Any) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            for name, each in value.items():
                yield from walked(f"{at}.{name}", each)
        elif isinstance(value, list):
            yield f"{at}[]", str(len(value))
            for number, each in enumerate(value):
                yield from walked(f"{at}[{number}]", each)
        else:
            text = str(value).replace(told.data["run_id"], "RUN").replace(str(way.project.folder), "PROJECT")
            yield at, f"{type(value).__name__} {_without_times(at, text)}"

    yield from walked("", told.data)


def _without_times(at: str, text: str) -> str:
    if at.endswith(".duration_seconds"):
        return "SECONDS"
    if at.endswith(".command"):
        executed = r" (--host|--executor dagger|--set '?(python|node|postgres)=\S+)"
        return re.sub(executed, "", text)
    text = re.sub(r"\bpreflight-Consultancy-\w+", "TRIAL", text)
    return re.sub(r"\b\d+(\.\d+)? ?(ms|s)\b", "SECONDS", text)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
