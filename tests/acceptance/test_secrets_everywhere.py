"""Forty secrets in all their spellings, said in every place of a run: no file, argument list, event or answer has one.

Each place says all of them (`spelled_secrets`), and every file, output and argument list of that run is searched.
"""

from __future__ import annotations

import http.server
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.acceptance import spelled_secrets
from tests.acceptance.harness import Document, Project, contents_below, processes_of, suite, until
from tests.acceptance.spelled_secrets import SHARE, VALUES, declared, exposed, said, windows

PARTS = windows()
SAY = [sys.executable, spelled_secrets.__file__]
TEXT = " ".join(SAY)

PLUGIN = '''
"""A step and a check that say all secrets in an exception, and in what was seen."""
import os, sys
from dataclasses import dataclass
sys.path.insert(0, os.environ["SPELLED"])
from spelled_secrets import SHARE, said as all_said
from seatrial import check, step
from seatrial.model.result import Observation, Verdict

def said():
    return all_said(SHARE)

@step("raises")
@dataclass(frozen=True, kw_only=True)
class Raises:
    async def run(self, ctx):
        raise RuntimeError(said())

@check("sees")
@dataclass(frozen=True, kw_only=True)
class Sees:
    async def observe(self, ctx):
        return Observation(verdict=Verdict.FAILED, seen={"said": said(), said(): 1}, expected=[said()], why=said())
'''


@contextmanager
def answering() -> Iterator[str]:
    """A server that says all secrets in its body, its headers and where it redirects to; its URL."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = said(SHARE).encode()
            moved = self.path.startswith("/moved")
            self.send_response(302 if moved else 500)
            for number, value in enumerate(VALUES.values()):
                self.send_header(f"X-Token-{number}", quote(value))
            if moved:
                self.send_header("Location", "/x?" + "&".join(f"v={quote(value)}" for value in VALUES.values()))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def say(place: str, *, on: str = "", **more: Any) -> Document:
    where = {"on": on} if on else {}
    return {"step": "custom_command", "custom_command": f"{TEXT} {place}", "env": declared(), **where, **more}


def look(check: Document) -> Document:
    """A check that may fail: its words are wanted."""
    return {"step": "validate", "checks": [check], "allow_failures": [check["check"]]}


def on_nodes(url: str) -> list[Document | str]:
    """The places of a suite with a node of ours."""
    own = "cd $SEATRIAL_DEPLOYMENT_DIR; mkdir -p ../artifacts; "
    return [
        "init",
        "deploy",
        say("stdout", id="said", outputs={"again": "${{ outputs.stdout }}"}),
        {"step": "set", "values": {"x": "${{ steps.said.outputs.stdout }}", "y": {"${{ secrets.SECRET_0 }}": 1}}},
        say("stderr", allow_failure=True),
        say("pieces"),
        say("json"),
        say("stdout", on="n11"),
        {"step": "custom_command", "custom_command": f"{own} {TEXT} file ../artifacts/own.txt; "
         'echo x >"../artifacts/backup-$SECRET_0.sql"', "env": declared()},
        {"step": "custom_command", "on": "n11", "custom_command": f'{TEXT} file app.log; echo y >"dump-$SECRET_1.txt"',
         "env": declared()},
        {"step": "collect", "paths": ["*.log", "*.txt"],
         "commands": {"said.txt": "cat app.log", "err.txt": "cat app.log >&2; false"}},
        {"step": "raises", "allow_failure": True},
        look({"check": "sees"}),
        look({"check": "command", "command": [*SAY, "stdout"], "exit_code": 7}),
        look({"check": "http", "url": f"{url}/x", "contains": "nothing of it", "status": 500}),
        look({"check": "http", "url": f"{url}/moved?token=${{{{ secrets.SECRET_0 }}}}", "location": "/elsewhere"}),
        look({"check": "http", "url": f"{url}/x", "headers": {"Authorization": "Bearer ${{ secrets.SECRET_1 }}"}}),
        {"step": "wait", "until": "vars.x.contains('no such word')", "timeout": "1s", "allow_failure": True},
        say("stderr"),
    ]  # fmt: skip


def by_a_deployer() -> Document:
    """A deployer that says them with every verb, in its status and in its inventory."""
    up = 'if [ -e up ]; then {}; else echo \'{{"state": "destroyed"}}\'; fi'
    system = {
        "kind": "command",
        "cwd": ".",
        "parameters_as_flags": [],
        "init": f"{TEXT} stdout",
        "deploy": f"touch up; {TEXT} stdout; cd $SEATRIAL_DEPLOYMENT_DIR; {TEXT} file env",
        "status": up.format(f"{TEXT} json"),
        "destroy": f"rm -f up; {TEXT} stderr || true",
        "stop": f"{TEXT} stderr",
        "inventory": {
            "command": f"echo '# '; {TEXT} stdout; echo n11 ansible_host=127.0.0.1 ansible_port=1",
            "format": "ini",
        },
        "env": declared(),
    }
    stop = {"step": "stop_cluster", "allow_failure": True}
    watch = {
        "step": "validate",
        "checks": ["cluster_status", "all_nodes_running"],
        "allow_failures": ["cluster_status", "all_nodes_running"],
    }
    return suite(
        "init", {"step": "deploy", "allow_failure": True}, watch, stop, system=system, deadlines={"deploy": 5}
    )["test_suites"]["trial"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.folder.mkdir()
    (made.folder / "tmp").mkdir()
    (made.folder / "plugin.py").write_text(PLUGIN)
    return made


def given(project: Project) -> dict[str, str]:
    """The environment of a run: every file that it makes anywhere is in the project."""
    return {
        **project.environment,
        **spelled_secrets.environment(),
        "SPELLED": str(Path(spelled_secrets.__file__).parent),
        "TMPDIR": str(project.folder / "tmp"),
        "GITHUB_STEP_SUMMARY": str(project.folder / "summary.md"),
        "GITHUB_ACTIONS": "true",
    }


@contextmanager
def watching(project: Project) -> Iterator[set[str]]:
    """Every argument list of a process of this project, as often as they can be read."""
    lists: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            lists.update(command for _, command in processes_of(project.folder, most=100_000))
            time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lists
    finally:
        over.set()
        thread.join()


def files(project: Project) -> dict[str, str]:
    """Every file that a run of the project made, its name and its content."""
    ours = ("plugin.py", "trial.json", "__pycache__", "up")
    return {
        str(path.relative_to(project.folder)): content.decode("utf-8", "replace")
        for path, content in contents_below(project.folder)
        if not {*path.relative_to(project.folder).parts} & {*ours}
    }


def assert_nothing_is_exposed(places: dict[str, str]) -> None:
    found = {place: parts[:3] for place, text in places.items() if (parts := exposed(f"{place}\n{text}", PARTS))}
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)[:4000]


def test_no_file_argument_list_event_or_answer_has_a_secret(project: Project) -> None:
    with answering() as url:
        document = suite(*on_nodes(url), parameters={"cluster_size": 1})
        document["test_suites"]["deployer"] = by_a_deployer()
        project.write("trial.json", document)
        with watching(project) as lists:
            done = project.seatrial("run", "trial.json", "--plugin", "plugin.py", "--format", "github", "--debug",
                                    env=given(project), timeout=600)  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    told = {"console": done.stdout, "errors": done.stderr, "argument lists": "\n".join(lists)}
    forms = ("html", "junit", "ctrf", "json", "github", "annotations", "console")
    reports = [["report", "--format", form] for form in forms]
    for words in (["inspect", "-v"], ["inspect", "--format", "json"], ["history"], ["clean"], *reports):
        again = project.seatrial(*words)
        told[" ".join(words)] = again.stdout + again.stderr
    kept = files(project)
    for name in ("own.txt", "app.log", "said.txt", "err.txt", "test.log", "results.json", "events.jsonl", "junit.xml"):
        assert any(Path(place).name == name and "***" in text for place, text in kept.items()), (name, sorted(kept))
    assert "***" in kept["summary.md"]
    assert_nothing_is_exposed({**told, **kept})


def test_a_killed_run_leaves_none_in_its_files_nor_does_its_cleaning(project: Project) -> None:
    """`clean` does not have the secrets: what the killed run wrote must be hidden already."""
    sleeps = {"step": "wait", "for": 600}
    project.write(
        "trial.json",
        suite("init", "deploy", say("stdout"), say("stdout", on="n11"), sleeps, parameters={"cluster_size": 1}),
    )
    process = project.start("run", "trial.json", "--format", "none", env=given(project))
    try:
        until(lambda: any(e["data"].get("type") == "wait" for e in project.events()), "the wait", 300)
        process.kill()
        process.communicate()
        environs = {f"the environment of {what}": environ_of(pid) for pid, what in processes_of(project.folder)}
        written = files(project)
    finally:
        process.kill()
        cleaned = project.seatrial("clean")
    assert environs
    assert_nothing_is_exposed({**environs, **written})
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert_nothing_is_exposed({"clean": cleaned.stdout, **files(project)})


def environ_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
