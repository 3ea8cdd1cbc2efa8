"""examples/consultancy through the installed command, in a copy elsewhere: green, and with each fault planted alone."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.containers_project import left_in_podman
from tests.acceptance.harness import Project, until
from tests.backends import tables

from scripts import consultancy

SEATRIAL = Path(sys.executable).with_name("seatrial")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
MARKS = {"passed": "✓", "failed": "✗", "unknown": "?", "skipped": "○"}
WORDS = {0: "PASSED", 1: "FAILED", 3: "UNKNOWN"}
WAIT = 600.0
"""Seconds that a run may take on a busy machine."""

TITLES = {
    "build/django": "Django container",
    "build/worker": "Worker",
    "build/site": "Static site",
    "quality/ruff": "ruff",
    "quality/mypy": "mypy",
    "quality/pytest": "pytest",
    "integration/migrations": "Migrations",
    "integration/framework": "Framework check",
    "integration/pending": "No migration is missing",
    "integration/artefact": "The worker loads",
}
INTEGRATION = tuple(name for name in TITLES if name.startswith("integration/"))


@dataclass(frozen=True)
class Place:
    """The example in a folder of its own, and how it is run there."""

    project: Project
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(SEATRIAL), "preflight", *self.arguments, *more],
            cwd=self.project.folder,
            env={**self.project.environment, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *more: str) -> Told:
        """One run through a pipe; console, JSON and exit code say the same, and nothing is left."""
        process = self.start(*more)
        out, err = process.communicate(timeout=WAIT)
        runs = self.project.runs()
        assert runs, err
        data: dict[str, Any] = json.loads((runs[-1] / "preflight.json").read_text())
        told = Told(process.returncode, out, err, data)
        told.agree()
        assert self.project.left() == []
        return told

    @contextmanager
    def planted(self, file: str, old: str, new: str) -> Iterator[None]:
        """The file with one text in the place of another; a file that is not there yet is made."""
        path = self.project.folder / file
        before = path.read_text() if path.exists() else None
        if before is None:
            path.write_text(new)
        else:
            changed = before.replace(old, new, 1) if old else before + new
            assert changed != before, f"{file} does not hold {old!r}"
            path.write_text(changed)
        try:
            yield
        finally:
            path.unlink() if before is None else path.write_text(before)


@dataclass(frozen=True)
class Told:
    """What one run said."""

    code: int
    console: str
    errors: str
    data: dict[str, Any]

    @property
    def checks(self) -> dict[str, dict[str, Any]]:
        """Of the JSON, by `stage/check`."""
        return {
            f"{stage}/{check['name']}": check
            for stage, one in self.data["stages"].items()
            for check in one["checks"]
        }  # fmt: skip

    @property
    def statuses(self) -> dict[str, str]:
        return {name: check["status"] for name, check in self.checks.items()}

    def agree(self) -> None:
        """Console, JSON and exit code say the same."""
        assert self.data["exit_code"] == self.code
        assert self.data["result"].upper() == WORDS[self.code]
        assert f"\nRESULT: {WORDS[self.code]} " in self.console
        assert ("Ready to deploy!" in self.console) == (self.code == 0)
        for name, status in self.statuses.items():
            assert re.search(rf"(?m)^  {re.escape(MARKS[status])} {TITLES[name]}( |$)", self.console), self.console
        for stage, one in self.data["stages"].items():
            assert f"\n{stage.capitalize()} Stage {MARKS[one['status']]}" in self.console
        assert not CONTROL.search(self.console)
        assert self.errors == ""


def nothing_is_told(folder: Path) -> None:
    """No secret is in anything that the runs kept."""
    lines = (folder / "development.env").read_text().splitlines()
    secrets = [line.partition("=")[2].encode() for line in lines if line and not line.startswith("#")]
    assert len(secrets) == 2
    for file in (folder / ".seatrial").rglob("*"):
        assert not file.is_file() or not any(one in file.read_bytes() for one in secrets), file


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The example on this host, after a green run that filled its cache."""
    venv = consultancy.virtual_environment(consultancy.EXAMPLE)
    folder = consultancy.copied(tmp_path_factory.mktemp("host") / "elsewhere")
    path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
    cache = str(folder.parent / "cache")
    place = Place(Project(folder), ("--host",), {"PATH": path, "SEATRIAL_CACHE_DIR": cache})
    green = place.run()
    assert green.statuses == dict.fromkeys(TITLES, "passed"), green.console
    assert green.code == 0
    yield place
    nothing_is_told(folder)


@pytest.fixture(scope="module")
def contained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The example in containers, after a green run that filled its cache."""
    arguments = consultancy.in_containers()
    folder = consultancy.copied(tmp_path_factory.mktemp("contained") / "elsewhere")
    cache = folder.parent / "cache"
    consultancy.npm_cache(folder, cache)
    place = Place(Project(folder), arguments, {"SEATRIAL_CACHE_DIR": str(cache)})
    green = place.run()
    assert green.statuses == dict.fromkeys(TITLES, "passed"), green.console
    assert green.code == 0
    # The host stays clean.
    assert not [name for name in ("worker/dist", "worker/node_modules", "site/public") if (folder / name).exists()]
    yield place
    nothing_is_told(folder)
    assert left_in_podman(place.project) == []


@dataclass(frozen=True)
class Plant:
    """One fault, where it has to be seen, and what has to be skipped for it."""

    name: str
    file: str
    old: str
    new: str
    red: str
    words: str
    skipped: tuple[str, ...] = INTEGRATION
    where: str = ""
    """The place that the first problem has to name; empty: none."""


PLANTS = {
    plant.name: plant
    for plant in (
        Plant(
            "type error", "engagements/views.py", "", '\n\ndef hours() -> int:\n    return "none"\n', "quality/mypy",
            "Incompatible return value type", ("quality/pytest", *INTEGRATION), "engagements/views.py:42",
        ),
        Plant(
            "failing test", "tests/test_engagements.py", '"1410.00"', '"1410.01"', "quality/pytest",
            "assert Decimal('1410.00') == Decimal('1410.01')", where="tests/test_engagements.py:23",
        ),
        Plant(
            "lint error", "engagements/apps.py", "from django", "import os\n\nfrom django", "quality/ruff",
            "`os` imported but unused", where="engagements/apps.py:3",
        ),
        Plant(
            "missing migration", "engagements/models.py", "email = models.EmailField()",
            "email = models.EmailField()\n    phone = models.CharField(max_length=40, blank=True)",
            "integration/pending", "Add field phone to client", (),
        ),
        Plant(
            "broken migration", "engagements/migrations/0003_broken.py", "",
            'from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n'
            '    dependencies = [("engagements", "0002_entries_in_order")]\n'
            '    operations = [migrations.RunSQL("ALTER TABLE engagements_bill ADD COLUMN paid boolean")]\n',
            "integration/migrations", 'relation "engagements_bill" does not exist',
            ("integration/framework", "integration/pending"),
        ),
        Plant(
            "TypeScript error", "worker/src/invoice.ts", "invoice.total}", "invoice.totl}", "build/worker",
            "Property 'totl' does not exist", where="worker/src/invoice.ts:20",
        ),
        Plant(
            "broken site", "site/pages/index.txt", "(work)", "(nowhere)", "build/site",
            "there is no page 'nowhere' to link to", where="site/pages/index.txt:5",
        ),
    )
}  # fmt: skip


def red_at(place: Place, plant: Plant) -> None:
    with place.planted(plant.file, plant.old, plant.new):
        told = place.run()
    expected = {**dict.fromkeys(TITLES, "passed"), plant.red: "failed", **dict.fromkeys(plant.skipped, "skipped")}
    assert told.statuses == expected, told.console
    assert told.code == 1
    check = told.checks[plant.red]
    below = told.console.partition(f"✗ {TITLES[plant.red]}")[2].splitlines()[1:]
    shown = list(itertools.takewhile(lambda line: line.startswith("    →"), below))
    assert plant.words in " ".join(shown[:1] if plant.where else shown), told.console
    assert plant.words in check["error"]
    if plant.where:
        assert shown[0].startswith(f"    → {plant.where}")
        file, _, line = plant.where.partition(":")
        assert (check["problems"][0]["file"], check["problems"][0]["line"]) == (file, int(line))
        assert f"1 check(s) failed. Fix issues and retry.\n\n{plant.red}\n" in told.console
    assert f"--only {plant.red}" in told.console
    for name in plant.skipped:
        assert f"○ {TITLES[name]} (skipped: needs " in told.console


ON_HOST = (pytest.mark.slow, pytest.mark.backend("postgresql"), pytest.mark.backend("npm"),
           pytest.mark.xdist_group("consultancy on the host"))  # fmt: skip
IN_CONTAINERS = (pytest.mark.slow, pytest.mark.backend("toolbox in podman"), pytest.mark.backend("npm"),
                 pytest.mark.xdist_group("consultancy in containers"))  # fmt: skip


def on_host(test: Any) -> Any:
    for mark in ON_HOST:
        test = mark(test)
    return test


def in_containers(test: Any) -> Any:
    for mark in IN_CONTAINERS:
        test = mark(test)
    return test


@on_host
def test_on_this_host_nothing_changed_runs_nothing(host: Place) -> None:
    # The first run of all installs packages of Node. They are part of a key, so this one may run the worker again.
    host.run()
    told = host.run()
    assert told.code == 0
    assert [name for name, check in told.checks.items() if not check.get("cached")] == []


@on_host
@pytest.mark.table(one_in=4)
@pytest.mark.parametrize("name", PLANTS)
def test_on_this_host_a_planted_fault_is_red_where_it_is(host: Place, name: str) -> None:
    red_at(host, PLANTS[name])


@on_host
def test_a_database_of_this_host_that_never_comes_up_is_unknown(host: Place) -> None:
    command = '        command: [postgres, -D, data, -p, "${{ service.ports.sql }}"'
    with (
        host.planted("pipeline.yaml", command, '        command: [sh, -c, "echo not today; exec sleep 600"'),
        host.planted("pipeline.yaml", "timeout: 60s", "timeout: 4s"),
    ):
        never_up(host, "was not healthy within 4 s", "not today")


def never_up(place: Place, *words: str) -> None:
    told = place.run()
    assert told.code == 3
    assert told.statuses == {
        **dict.fromkeys(TITLES, "passed"),
        "integration/migrations": "unknown",
        "integration/framework": "skipped",
        "integration/pending": "skipped",
    }, told.console
    assert "Migrations (could not be judged)" in told.console
    for word in ("the service database", *words):
        assert word in told.checks["integration/migrations"]["error"], told.console


@tables.ON_ENGINES
@on_host
def test_killed_while_the_database_is_migrated_the_next_run_is_right_and_nothing_is_left(host: Place) -> None:
    runs = len(host.project.runs())
    with host.planted("engagements/views.py", "", "\n# another text\n"):
        process = host.start()
        begun = ("step_started", "integration/migrations")

        def migrating() -> bool:
            events = host.project.events() if len(host.project.runs()) > runs else []
            return any((one["kind"], one["data"].get("id")) == begun for one in events)

        until(migrating, "the migrations", WAIT)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=WAIT)
        told = host.run()
        assert told.statuses == dict.fromkeys(TITLES, "passed"), told.console
        # What had passed by then is not run again.
        assert told.checks["quality/pytest"].get("cached")
        assert not told.checks["integration/migrations"].get("cached")


@tables.ON_ENGINES
@in_containers
def test_in_containers_nothing_changed_runs_nothing(contained: Place) -> None:
    told = contained.run()
    assert told.code == 0
    assert [name for name, check in told.checks.items() if not check.get("cached")] == []


@in_containers
@pytest.mark.table
@pytest.mark.parametrize("name", ["type error", "TypeScript error", "broken migration"])
def test_in_containers_a_planted_fault_is_red_where_it_is(contained: Place, name: str) -> None:
    red_at(contained, PLANTS[name])


@in_containers
def test_a_database_in_a_container_that_never_comes_up_is_unknown(contained: Place) -> None:
    with contained.planted("pipeline.yaml", "POSTGRES_PASSWORD: ", "NO_PASSWORD: "):
        never_up(contained, "did not stay up", "POSTGRES_PASSWORD has to be set")
