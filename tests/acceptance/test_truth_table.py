"""The truth table: for a clean system and for every planted fault, the verdict and the category are right.

`docs/concepts/truth-table.md` is made from ROWS: `WRITE_DOCS=1 pytest tests/acceptance/test_truth_table.py -k page`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Document, Project, only, suite, validate

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "truth-table.md"

QUICK = {"retry": {"timeout": "15s"}}
DEADLINES = {"deadlines": {"deploy": 8}}


def sample(*steps: Document | str, misbehave: str = "", **more: Any) -> Document:
    parameters = {"cluster_size": 3, **({"misbehave": misbehave} if misbehave else {})}
    return suite("init", "deploy", *steps, parameters=parameters, **more)


DEPLOYER = """
import json, os, sys, time
verb, fault = sys.argv[1], sys.argv[2]
if verb == "deploy" and fault == "exits": sys.exit("the deployer broke: no such image")
if verb == "deploy" and fault == "hangs": time.sleep(600)
if verb == "destroy": open("gone", "w").close()
state = "destroyed" if os.path.exists("gone") else "running"
if verb == "status": print("{" if fault == "broken" else json.dumps({"state": state}))
if verb == "inventory": print("[all]" if fault == "empty" else "[all]\\nn11 ansible_host=127.0.0.1 ansible_port=1")
"""


def deployer(fault: str, *steps: Document | str) -> Document:
    verbs: dict[str, Any] = {
        verb: [sys.executable, "deployer.py", verb, fault] for verb in ("init", "deploy", "status", "destroy")
    }
    system = {
        "kind": "command",
        "cwd": ".",
        "parameters_as_flags": [],
        "inventory": {"command": [sys.executable, "deployer.py", "inventory", fault], "format": "ini"},
        **verbs,
    }
    return suite("init", "deploy", *steps, system=system, deadlines={"deploy": 3})


@dataclass(frozen=True)
class Row:
    """One line of the table: what is planted, what the user wrote, what Seatrial has to say."""

    planted: str
    document: Callable[[], Document]
    verdict: str
    category: str
    words: str
    """A piece of the error that a reader needs."""
    around: str = ""
    arguments: tuple[str, ...] = field(default=())


def inside(*checks: Document | str, then: Sequence[Document | str] = ()) -> Document:
    """A node of its own, and what is looked at inside it."""
    steps = [validate(*checks)] + ([validate(*then)] if then else [])
    return suite("init", "deploy", *steps, parameters={"cluster_size": 1})


OTHER_SECRET = {
    "check": "container_env", "container": "web-*", "variable": "TOKEN", "secret": "${{ secrets.TRUTH_TOKEN }}",
}  # fmt: skip

CLEAN = ("cluster_status", "ssh_connectivity", "all_nodes_running", "database_running", "admin_ui_accessible")

ROWS = [
    Row("nothing: the system is clean", lambda: sample(validate(*CLEAN, "data_integrity", **QUICK)), "passed", "", ""),
    Row(
        "the service lies about its health",
        lambda: sample(misbehave="lie_about_health", **DEADLINES),
        "failed", "timeout", "timed out",
    ),
    Row(
        "the service loses acknowledged writes",
        lambda: sample(validate("cluster_status", "data_integrity", **QUICK), misbehave="lose_writes"),
        "failed", "product", "data_integrity",
    ),
    Row(
        "the service never comes up",
        lambda: sample(misbehave="never_up", **DEADLINES),
        "failed", "timeout", "timed out",
    ),
    Row("the service answers slowly", lambda: sample(misbehave="slow", **DEADLINES), "failed", "timeout", "timed out"),
    Row(
        "one node's service is missing",
        lambda: sample(misbehave="missing_node", **DEADLINES),
        "failed", "", "n13",
    ),
    Row(
        "the admin UI is gone",
        lambda: sample(validate("cluster_status", "admin_ui_accessible", **QUICK), misbehave="no_admin_ui"),
        "failed", "product", "admin_ui_accessible",
    ),
    Row(
        "the wrong state is expected",
        lambda: sample(validate("cluster_critical", retry={"max_attempts": 2})),
        "failed", "product", "cluster_critical",
    ),
    Row(
        "nothing is mounted where it should be",
        lambda: inside("mount:/no/such/volume"),
        "failed", "product", "nothing is mounted at /no/such/volume",
    ),
    Row(
        "a mount lacks an option",
        lambda: inside({"check": "mount", "path": "/proc", "options": ["rw", "dirsync"]}),
        "failed", "product", "without option dirsync",
    ),
    Row(
        "a disk is too small",
        lambda: inside({"check": "disk_size", "path": "/", "at_least": "9000TiB"}),
        "failed", "product", "expected at least 9000TiB",
    ),
    Row(
        "a disk did not grow",
        lambda: inside(
            {"check": "disk_size", "path": "/", "of": "filesystem", "mark": "before"},
            then=[{"check": "disk_size", "path": "/", "of": "filesystem", "grown_since": "before"}],
        ),
        "failed", "product", "at mark 'before'",
    ),
    Row(
        "nobody took the mark that a disk has grown since",
        lambda: inside({"check": "disk_size", "path": "/", "grown_since": "never"}),
        "unknown", "test", "has set mark 'never'",
    ),
    Row(
        "a program does not run",
        lambda: inside("process:no-such-program-of-ours"),
        "failed", "product", "0 processes of no-such-program-of-ours",
    ),
    Row(
        "a program runs too often",
        lambda: inside({"check": "process", "matching": "seatrial.sample.service.* n11 ", "count": 0}),
        "failed", "product", "expected 0",
    ),
    Row(
        "a container has another secret than it should",
        lambda: inside(OTHER_SECRET),
        "failed", "product", "TOKEN of container web-1 is not the secret",
        around="engine",
    ),
    Row(
        "the node has no container engine",
        lambda: inside({**OTHER_SECRET, "engine": "docker"}),
        "unknown", "infrastructure", "none of these: docker",
        around="no_engine",
    ),
    Row(
        "a file belongs to somebody else",
        lambda: inside({"check": "file", "on": "n11", "path": "/proc/version", "owner": "nobody-of-ours"}),
        "failed", "product", "the owner is",
    ),
    Row("the deployer exits with 1", lambda: deployer("exits"), "failed", "product", "1"),
    Row("the deployer hangs", lambda: deployer("hangs"), "failed", "timeout", "within"),
    Row("the status is broken JSON", lambda: deployer("broken"), "unknown", "infrastructure", "JSON"),
    Row(
        "the inventory is empty",
        lambda: deployer("empty", validate("ssh_connectivity")),
        "unknown", "infrastructure", "inventory",
    ),
    Row(
        "the SSH key is refused",
        lambda: sample(
            {"step": "custom_command", "on": "n12", "custom_command": ": > ../authorized_keys"},
            {"step": "restart_node", "target_node": "n12"},
        ),
        "unknown", "infrastructure", "n12",
    ),
    Row(
        "the check's own tool is missing",
        lambda: suite(validate({"check": "command", "command": ["no-such-tool-of-ours", "--version"]})),
        "unknown", "infrastructure", "no-such-tool-of-ours",
    ),
    Row(
        "a custom command's tool is missing",
        lambda: suite({"step": "custom_command", "custom_command": ["no-such-tool-of-ours"]}),
        "unknown", "infrastructure", "no-such-tool-of-ours",
    ),
    Row(
        "a custom command exits with another code than expected",
        lambda: suite({"step": "custom_command", "custom_command": ["false"]}),
        "failed", "test", "1",
    ),
    Row(
        "a step takes longer than its timeout",
        lambda: suite({"step": "custom_command", "custom_command": ["sleep", "30"], "timeout": "200ms"}),
        "failed", "timeout", "0.2",
    ),
    Row(
        "the disk is full in the run's folder",
        lambda: suite(*[{"step": "custom_command", "custom_command": ["printf", "x" * 9000]} for _ in range(40)]),
        "unknown", "infrastructure", "cannot be written", around="full_disk",
    ),
]  # fmt: skip


@contextmanager
def full_disk(project: Project) -> Iterator[dict[str, Any]]:
    """The run's folder on a file system of 64 KiB; where mounting is not allowed, a limit on the size of files."""
    folder = project.folder / ".seatrial" / "runs"
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        import resource

        yield {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (48 * 1024, 48 * 1024))}
        return
    try:
        yield {}
    finally:
        subprocess.run(["umount", str(folder)], check=True)


ENGINE = """#!/bin/sh
case $1 in
ps) echo web-1 ;;
inspect) echo '["PATH=/bin", "TOKEN=as-it-was-last-year"]' ;;
esac
"""


@contextmanager
def engine(project: Project) -> Iterator[dict[str, Any]]:
    """A node with an engine in whose one container a stale secret is."""
    programs = project.folder / "programs"
    programs.mkdir()
    (programs / "podman").write_text(ENGINE)
    (programs / "podman").chmod(0o755)
    path = f"{programs}:{project.environment['PATH']}"
    yield {"env": {**project.environment, "PATH": path, "TRUTH_TOKEN": "as-it-is-now"}}


@contextmanager
def no_engine(project: Project) -> Iterator[dict[str, Any]]:
    """A node without any."""
    programs = project.folder / "programs"
    programs.mkdir()
    for folder in ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        for program in Path(folder).glob("*"):
            link = programs / program.name
            if program.name not in ("docker", "podman") and not link.is_symlink():
                link.symlink_to(program)
    yield {"env": {**project.environment, "PATH": str(programs), "TRUTH_TOKEN": "as-it-is-now"}}


@contextmanager
def plain(project: Project) -> Iterator[dict[str, Any]]:
    yield {}


def judge(row: Row, project: Project) -> tuple[int, str, str, str]:
    """Exit code, verdict, category and error of the one suite, as the JSON on standard output has them."""
    import json

    (project.folder / "deployer.py").write_text(DEPLOYER)
    document = project.write("trial.json", row.document())
    with {"full_disk": full_disk, "engine": engine, "no_engine": no_engine, "": plain}[row.around](project) as options:
        done = project.seatrial("run", document, "--format", "json", *row.arguments, **options)
        try:
            results = json.loads(done.stdout)
        except ValueError:
            pytest.fail(f"no JSON on standard output: {done.stdout[-500:]!r} {done.stderr[-2000:]}")
        suite_row = only(results["results"])
        return done.returncode, suite_row["verdict"], suite_row["category"], suite_row["error"] + done.stderr


@pytest.mark.table(one_in=4)
@pytest.mark.parametrize("row", ROWS, ids=[row.planted.replace(" ", "-") for row in ROWS])
def test_the_verdict_and_the_category_are_right(row: Row, project: Project) -> None:
    code, verdict, category, error = judge(row, project)
    assert verdict == row.verdict, error
    assert code == {"passed": 0, "failed": 1, "unknown": 3}[row.verdict], error
    if row.category or row.verdict == "passed":
        assert category == row.category, error
    assert row.words in error
    if row.around != "full_disk" or shutil.which("mount") is None or os.geteuid() != 0:
        assert project.left() == []


def page() -> str:
    """The table as the docs show it."""
    lines = [
        "# The truth table",
        "",
        "What Seatrial says of a clean system and of planted faults. Generated from",
        "`tests/acceptance/test_truth_table.py`, which runs every row for real.",
        "",
        "| planted | verdict | category |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {row.planted} | {row.verdict} | {row.category or '–'} |" for row in ROWS]
    return "\n".join(lines) + "\n"


def test_the_page_in_the_docs_is_this_table() -> None:
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "write it anew: WRITE_DOCS=1 pytest tests/acceptance/test_truth_table.py -k page"
