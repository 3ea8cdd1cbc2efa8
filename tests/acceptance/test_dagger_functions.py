"""Functions of a Dagger module as checks, on a real engine: what they return is output, artifacts, and a verdict."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.dagger_project import archive
from tests.acceptance.harness import Project
from tests.backends import dagger

pytestmark = [pytest.mark.backend("dagger"), pytest.mark.xdist_group("dagger")]

MODULE = Path(__file__).parent / "dagger_module"
SECRET = "hunter2-hunter2"


def function(name: str, **arguments: Any) -> dict[str, Any]:
    return {"function": {"module": "ci", "name": name, "args": arguments}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One run of a pipeline with functions of one module."""
    project = Project(tmp_path_factory.mktemp("functions"))
    shutil.copytree(MODULE, project.folder / "ci")
    shutil.copytree(MODULE, project.folder / "broken")
    written = project.folder / "broken" / "dagger.json"
    written.write_text(written.read_text().replace("checks", "broken"))
    code = project.folder / "broken" / "main.go"
    code.write_text(code.read_text().replace("package main", 'package main\n\nvar number int = "text"'))
    # A text of its own, which no earlier run of these tests left in the engine's cache.
    (project.folder / "page.txt").write_text(f"{os.urandom(8).hex()}\nthis is forbidden\n")
    image = archive(project.folder / "busybox.tar")
    made = {
        "count": {**function("count", source=".", ending=".txt"), "outputs": {"found": "stdout"}},
        "site": {**function("build-site", source=".", title="Docs"), "cwd": "public", "artifacts": ["index.html"]},
        "page": {**function("page", image="busybox.tar", text="Hello from a function"), "inputs": ["busybox.tar"]},
    }
    other = {
        "forbid": function("forbid", text="page.txt", word="forbidden"),
        "leak": function("leak", secret="TOKEN"),
        "typo": function("cuont", source=".", ending=".txt"),
        "lacking": function("count", source="."),
        "mistaken": function("count", source=".", ending=".txt", title="x"),
        "elsewhere": {"function": {"name": "count", "args": {"source": "."}}},
        "broken": {"function": {"module": "broken", "name": "count", "args": {"source": "."}}},
    }
    later = {
        "text": {"run": ["test", "${{ steps['made/count'].outputs.found }}", "=", "1 files"]},
        "built": {**function("forbid", text="public/index.html", word="Docs:"), "uses": ["made/site"]},
        "ask": {
            "run": "wget -qO- http://${{ services['made/page'].address }}:${{ services['made/page'].ports['8080'] }}",
            "image": image, "inputs": ["page.txt"], "services": ["made/page"], "outputs": {"text": "stdout"},
        },
        "again": {
            "run": "wget -qO- http://page:8080 | grep -q Hello", "image": image, "services": ["made/page"],
        },
    }  # fmt: skip
    stages = {"made": {"checks": made}, "other": {"checks": other}, "later": {"needs": ["made"], "checks": later}}
    document = {"executor": "dagger", "secrets": {"required": ["TOKEN"]}, "stages": stages}
    project.write("pipeline.json", {"pipeline": document})
    environment = {**project.environment, **dagger.environment(), "TOKEN": SECRET}

    def checks_of_a_run() -> tuple[Any, dict[str, Any]]:
        done = project.seatrial("preflight", "pipeline.json", "--format", "json", env=environment, timeout=600)
        stages = json.loads(done.stdout)["stages"].values()
        return done, {check["name"]: check for stage in stages for check in stage["checks"]}

    done, checks = checks_of_a_run()
    _, second = checks_of_a_run()
    text = (
        done.stdout
        + done.stderr
        + "".join(
            file.read_text(errors="replace") for file in (project.folder / ".seatrial").rglob("*") if file.is_file()
        )
    )
    return {"code": done.returncode, "run": project.runs()[0], "all text": text, "second": second, **checks}


def test_text_of_a_function_is_the_output_of_its_check(run: dict[str, Any]) -> None:
    assert run["count"]["status"] == "passed"
    assert run["text"]["status"] == "passed"


def test_a_folder_of_a_function_is_an_artifact_and_later_checks_take_it(run: dict[str, Any]) -> None:
    assert run["site"]["status"] == "passed"
    (page,) = run["run"].glob("*/artifacts/made/site/index.html")
    assert page.read_text().startswith("Docs: ")
    assert run["built"]["status"] == "failed"
    assert run["built"]["problems"][0]["file"] == "index.html"


def test_a_service_of_a_function_is_bound_by_later_checks_of_each_run(run: dict[str, Any]) -> None:
    for checks in (run, run["second"]):
        assert {name: checks[name]["status"] for name in ("page", "ask", "again")} == dict.fromkeys(
            ("page", "ask", "again"), "passed"
        ), checks
        # What was stored cannot serve, and nobody knows on what an answer of the service depends.
        assert not any(checks[name].get("cached") for name in ("page", "ask", "again"))
    (log,) = run["run"].glob("*/artifacts/logs/later-ask.log")
    assert log.read_text() == "Hello from a function\n"


def test_a_result_that_dagger_took_from_its_cache_is_marked_and_one_that_ran_is_not(run: dict[str, Any]) -> None:
    names = ("count", "site", "forbid")
    assert [run[name].get("cached_by", "") for name in names] == ["", "", ""]
    second = run["second"]
    # A failure is answered by no cache.
    assert [second[name].get("cached_by", "") for name in names] == ["Dagger", "Dagger", ""]
    assert not any(second[name].get("cached") for name in names)


def test_a_failing_function_fails_its_check_with_the_place_in_the_file(run: dict[str, Any]) -> None:
    assert run["code"] == 1
    assert run["forbid"]["status"] == "failed"
    assert run["forbid"]["problems"][0] == {
        "file": "page.txt", "line": 2, "column": 0, "severity": "error",
        "message": 'the word "forbidden" is not allowed',
    }  # fmt: skip


def test_a_secret_in_the_message_of_a_function_is_hidden(run: dict[str, Any]) -> None:
    assert run["leak"]["status"] == "failed"
    assert run["leak"]["error"] == "the command ended with exit code 1: no access with ***"
    assert SECRET not in run["all text"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("typo", "the Dagger module checks has no function 'cuont': did you mean 'count'?"),
        ("lacking", "count needs the argument 'ending': add it to `args`"),
        ("mistaken", "unknown argument 'title': "),
        ("elsewhere", "it has no dagger.json"),
        ("broken", "the Dagger module broken has no functions: its code does not compile"),
    ],
)
def test_a_call_that_does_not_fit_is_unknown_and_says_what_is_allowed(run: dict[str, Any], name: str, why: str) -> None:
    assert run[name]["status"] == "unknown"
    assert why in run[name]["error"]


def test_on_the_host_a_function_cannot_be_judged(tmp_path: Path) -> None:
    project = Project(tmp_path)
    shutil.copytree(MODULE, project.folder / "ci")
    checks = {"count": function("count", source=".", ending=".go")}
    project.write("pipeline.json", {"pipeline": {"stages": {"made": {"checks": checks}}}})
    done = project.seatrial("preflight", "pipeline.json", "--host")
    assert done.returncode == 3
    assert "made/count calls a function of a Dagger module, and --host uses no Dagger engine" in done.stdout
