"""`docs/reference/` is made from the code, complete, and up to date: `make reference` writes it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts.reference import environment, events, files
from scripts.reference.book import FOLDER, book
from scripts.reference.examples import FILES, document, examples, settings

from seatrial.registry import RESERVED, Registry

CHECKOUT = Path(__file__).resolve().parents[2]
BOOK = book()
EXAMPLES = [(kind, name) for kind in FILES for name in examples(kind)]


@pytest.mark.parametrize("name", BOOK)
def test_a_page_is_complete(name: str) -> None:
    """No key, option, hook or variable is without its text, and no part without an example."""
    assert BOOK[name].missing == []


@pytest.mark.parametrize("name", BOOK)
def test_a_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == BOOK[name].text(), "write it anew: make reference"


def test_no_page_is_left_over() -> None:
    assert {file.name for file in FOLDER.glob("*.md")} == {*BOOK, "index.md"}


@pytest.mark.parametrize("kind", FILES)
def test_every_example_is_of_something_that_there_is(kind: str) -> None:
    names = {name for name in Registry().names(kind) if name not in RESERVED.get(kind, ())}
    assert set(examples(kind)) == names


@pytest.mark.parametrize(("kind", "name"), EXAMPLES, ids=[f"{kind}-{name}" for kind, name in EXAMPLES])
def test_check_accepts_an_example(kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import seatrial

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN", "a secret of the examples")
    monkeypatch.setenv("GH_TOKEN", "another one")
    (tmp_path / "hosts.ini").write_text("[web]\nn11 ansible_host=192.0.2.11\n")
    (tmp_path / "compose.yaml").write_text("services: {web: {image: web}}\n")
    (tmp_path / "k8s").mkdir()
    (tmp_path / "k8s" / "web.yaml").write_text("{apiVersion: v1, kind: Pod, metadata: {name: web}}\n")
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart" / "Chart.yaml").write_text("{apiVersion: v2, name: shop, version: 1.0.0}\n")
    (tmp_path / "values.yaml").touch()
    for playbook in ("site.yml", "remove.yml", "stop.yml", "start.yml"):
        (tmp_path / playbook).write_text("- hosts: web\n")
    (tmp_path / "vault-password").touch()
    (tmp_path / "verify_data.sh").touch()
    (tmp_path / "infra").mkdir()
    declared = 'variable "prefix" {}\nvariable "password" {}\noutput "nodes" { value = {} }\n'
    (tmp_path / "infra" / "main.tf").write_text(declared)
    (tmp_path / "keys").mkdir()
    for key in ("replaced", "id_ed25519"):
        (tmp_path / "keys" / key).touch()
    if kind == "provider":
        (tmp_path / "seatrial.toml").write_text(settings(name))
    (tmp_path / "example.yaml").write_text(document(kind, name))
    (suite,) = seatrial.load("example.yaml").suites
    assert suite.steps


def emitted() -> Iterator[str]:
    """The kinds of events in the source."""
    for file in (CHECKOUT / "src" / "seatrial").rglob("*.py"):
        yield from re.findall(r'\bemit\(\s*"(\w+)"', file.read_text(encoding="utf-8"))


def test_every_event_of_the_source_is_described() -> None:
    assert set(emitted()) - set(events.kinds()) == set()


def variables() -> set[str]:
    """Names of ours in the source, and those that a setting makes."""
    found: set[str] = set()
    for file in (CHECKOUT / "src" / "seatrial").rglob("*.py"):
        found |= set(re.findall(r"\b(?:SEATRIAL|E2E)_[A-Z0-9_]+", file.read_text(encoding="utf-8")))
    return found - {f"SEATRIAL_{name.upper()}" for name in environment.FROM_SETTINGS}


def test_every_environment_variable_of_the_source_is_in_the_table() -> None:
    known = {*environment.READ, *environment.SET, *environment.INTERNAL}
    assert variables() - known == set(), "describe it in scripts/reference/environment.py"
    assert known - variables() == set(), "no longer in the source"


FAILING = """\
test_suites:
  red:
    provider: local
    parameters: {cluster_size: 1}
    workflow:
      - step: deploy
      - {step: collect, commands: {who: id}}
      - {step: validate, checks: [database_down]}
"""


def left(folder: Path) -> set[str]:
    """The files of a project's state, with the names that differ from run to run as the table has them."""
    found = set()
    for file in folder.rglob("*"):
        if file.is_file():
            parts = file.relative_to(folder).as_posix()
            parts = re.sub(r"\blocal-workflow-red-[a-z0-9]+", "DEPLOYMENT", parts)
            parts = re.sub(r"^runs/[a-z0-9]+/", "runs/RUN/", parts)
            found.add(re.sub(r"/n\d+/", "/NODE/", parts))
    return found


def test_every_file_that_a_run_leaves_is_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    project = tmp_path / "project"
    project.mkdir()
    (project / "red.yaml").write_text(FAILING)
    command = [sys.executable, "-m", "seatrial", "run", "red.yaml", "--format", "none"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    rows = [*files.STATE, *(f"runs/RUN/{name}" for name in files.RUN)]
    rows += [f"runs/RUN/DEPLOYMENT/{name}" for name in files.SUITE]
    folders = tuple(row for row in rows if row.endswith("/") and not row.endswith(("/RUN/", "/DEPLOYMENT/")))
    seen = left(project / ".seatrial")
    assert {file for file in seen if file not in rows and not file.startswith(folders)} == set()
    assert {"runs/RUN/events.jsonl", "runs/RUN/DEPLOYMENT/test.log"} <= seen
