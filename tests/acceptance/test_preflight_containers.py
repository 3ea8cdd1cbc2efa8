"""`seatrial preflight` with checks in containers and services beside them, on a real engine and on this host."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from scripts.images.engines import IMAGE, POSTGRES
from tests.acceptance.containers_project import cache_of_tests, engine, left_in_podman, stand_in
from tests.acceptance.harness import (
    Document,
    Lister,
    Project,
    assert_clean_leaves_nothing,
    kill_and_clean,
    kill_at_records,
    processes_of,
    until,
)
from tests.backends import tables

SECRET = "sesame-of-the-database-4711"
WAIT = 300.0
"""Seconds that a container may take on a busy machine."""

BOXES, PROGRAMS = 18, 12
"""Records of a ledger, at least; what comes after them is one test."""


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        cache_of_tests(patch, tmp_path_factory)
        yield


def pipeline(checks: dict[str, Any], **more: Any) -> Document:
    return {"pipeline": {"name": "Boxes", "stages": {"build": {"checks": checks}}, **more}}


def preflight(project: Project, document: Document, *arguments: str, **env: str) -> dict[str, Any]:
    """The JSON of a run, by the name of each check; after it nothing is left."""
    project.write("pipeline.json", document)
    environment = {**project.environment, **env}
    done = project.seatrial("preflight", "--format", "json", *arguments, timeout=WAIT, env=environment)
    assert done.stdout, done.stderr
    data: dict[str, Any] = json.loads(done.stdout)
    assert data["exit_code"] == done.returncode
    assert project.left() == []
    return data


def checks_of(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for stage in data["stages"].values() for check in stage["checks"]}


def log_of(data: dict[str, Any], name: str) -> str:
    (file,) = Path(data["folder"]).rglob(f"logs/build-{name}.log")
    return file.read_text()


def inside(run: Any, **more: Any) -> Document:
    return {"run": run, "image": IMAGE, **more}


@tables.ON_ENGINES
@pytest.mark.backend("podman")
def test_checks_run_in_containers_and_the_host_stays_clean(project: Project) -> None:
    source = project.folder / "src"
    (source / "app").mkdir(parents=True)
    (source / "app" / "x.py").write_text("x = 1\n")
    (source / "app" / "ignored").write_text("git ignores it\n")
    (source / ".gitignore").write_text("ignored\n")
    seen = "import json,os; print(json.dumps(dict(os.environ)))"
    checks = {
        "fixed": inside("test -e x.py; ! touch y 2>/dev/null; touch /tmp/z; pwd", cwd="app", source="read-only"),
        "cured": inside("touch y", source="read-only"),
        "over": inside("cat ignored; echo y >y; echo y >>x.py; mkdir -p .cache/deep; rm ignored; ls", cwd="app"),
        "made": inside("echo x >> x.py; mkdir dist; cp x.py dist/z.py", cwd="app", artifacts=["dist/**"]),
        "copy": inside("echo x >> x.py; mkdir dist; cp x.py dist/y.py", cwd="app", source="copy",
                       artifacts=["dist/**"]),
        "sees": inside(["python3", "-c", seen], env={"PATH": "/usr/bin:/bin", "LINES": "a\n'b'", "TOKEN_2": "2"},
                       outputs={"env": "json"}),
        "small": inside("cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true",
                        memory_gb=0.25, cpus=0.5),
        "keeps": inside("ls /cache; echo kept > /cache/file"),
        "red": inside("echo '/source/app/x.py:1: error: bad'; exit 1"),
        "other": inside("exit 127", expect_exit_code=127),
        "slow": inside("echo begun; exec sleep 1000", timeout="20s"),
        "no program": inside(["no-such-program"]),
        "no folder": inside("true", cwd="nowhere"),
        "no image": {"run": "true", "image": "localhost/no-such-image"},
    }  # fmt: skip
    named = {name.replace(" ", "-"): check for name, check in checks.items()}
    data = preflight(
        project, pipeline(named, source="src", secrets={"required": ["TOKEN"]}, caches={"ours": "/cache"}), TOKEN=SECRET
    )
    told = {name: check["status"] for name, check in checks_of(data).items()}
    assert told == {
        **dict.fromkeys(("fixed", "over", "made", "copy", "sees", "small", "keeps", "other"), "passed"),
        "red": "failed", "cured": "failed", "slow": "failed",
        **dict.fromkeys(("no-program", "no-folder", "no-image"), "unknown"),
    }  # fmt: skip
    assert log_of(data, "fixed").strip() == "/source/app"
    assert "leave `source: read-only` out, and it can write" in checks_of(data)["cured"]["error"]
    assert log_of(data, "over") == "git ignores it\nx.py\ny\n"
    assert sorted(one.name for one in source.rglob("*")) == [".gitignore", "app", "ignored", "x.py"]
    (made,) = Path(data["folder"]).rglob("artifacts/build/made/dist/z.py")
    assert made.read_text() == "x = 1\nx\n"
    assert (source / "app" / "x.py").read_text() == "x = 1\n"
    (kept,) = Path(data["folder"]).rglob("artifacts/build/copy/dist/y.py")
    assert kept.read_text() == "x = 1\nx\n"
    assert kept.stat().st_uid == os.getuid()
    (env,) = [json.loads(log_of(data, "sees"))]
    assert env["TOKEN"] == "***"
    assert {name: env[name] for name in ("PATH", "LINES", "TOKEN_2")} == named["sees"]["env"]
    assert env["E2E_RUN_ID"] in str(kept)
    assert str(256 * 1024 * 1024) in log_of(data, "small")
    assert "no-such-program" in checks_of(data)["no-program"]["error"]
    assert "nowhere" in checks_of(data)["no-folder"]["error"]
    assert "localhost/no-such-image" in checks_of(data)["no-image"]["error"]
    assert "sleep did not end within" in checks_of(data)["slow"]["error"] or "/bin/sh did not end" in str(data)
    assert checks_of(data)["red"]["problems"][0]["file"] == "app/x.py"
    assert left_in_podman(project) == []
    again = preflight(project, pipeline({"keeps": named["keeps"]}, source="src", caches={"ours": "/cache"}))
    assert log_of(again, "keeps").strip() == "file"


@pytest.mark.backend("podman")
@pytest.mark.parametrize("when", ["create", "start"])
def test_where_no_overlay_can_be_a_check_gets_a_copy_of_all_files(project: Project, when: str) -> None:
    source = project.folder / "src"
    source.mkdir()
    (source / ".gitignore").write_text("ignored\n")
    (source / "ignored").write_text("git ignores it\n")
    os.mkfifo(source / "pipe")
    first = 'test -e "$0.once" && exit; touch "$0.once"'
    asked = {"create": '*":/source:O"*', "start": "start*"}[when]
    refusal = "echo 'Error: mounting overlay failed' >&2; exit 125"
    refusing = f"""case "$*" in {asked}) ({first}; exit 1) || {{ {refusal}; }};; esac"""
    program = stand_in(project.folder, refusing)
    (project.folder / "seatrial.toml").write_text(f'[providers.containers]\nengine = "{program}"\n')
    checks = {"a": inside("cat ignored; echo y >y; ls")}
    data = preflight(project, pipeline(checks, source="src"))
    assert checks_of(data)["a"]["status"] == "passed", data
    assert log_of(data, "a").endswith("git ignores it\nignored\ny\n")
    assert not (source / "y").exists()


@pytest.mark.backend("podman")
def test_no_secret_is_in_any_command_line(project: Project) -> None:
    check = inside(
        "touch /cache/here; while ! test -e /cache/go; do sleep 0.1; done", env={"B": "${{ secrets.TOKEN }}"}
    )
    document = pipeline({"a": check}, secrets={"required": ["TOKEN"]}, caches={"door": "/cache"})
    project.write("pipeline.json", document)
    process = project.start("preflight", env={**project.environment, "TOKEN": SECRET})
    door = Path(os.environ["XDG_CACHE_HOME"]) / "seatrial" / "dependencies" / "door"
    until((door / "here").exists, "the check", WAIT)
    lines = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended while we looked
            lines.append(one.read_bytes())
    (door / "go").touch()
    out, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 0, out
    assert not any(SECRET.encode() in line for line in lines)
    for file in (door / "here", door / "go"):
        file.unlink()


@tables.ON_ENGINES
@pytest.mark.backend("podman")
def test_an_image_is_built_once_and_one_that_cannot_be_built_is_the_products_fault(project: Project) -> None:
    box = project.folder / "box"
    box.mkdir()
    (box / "Dockerfile").write_text(
        f"FROM {IMAGE}\nLABEL seatrial.test={project.folder.name}\nRUN echo built > /made\nCOPY word /word\n"
    )
    (box / "Broken").write_text(f"FROM {IMAGE}\nRUN echo it is broken >&2 && exit 9\n")
    (box / "Nowhere").write_text("FROM localhost/no-such-image\n")
    (box / "word").write_text(f"{project.folder}\n")
    checks: Document = {
        "good": {"run": "cat /made /word", "build": {"context": "box"}},
        "same": {"run": "cat /made", "build": {"context": "box"}},
        "broken": {"run": "true", "build": {"context": "box", "dockerfile": "Broken"}},
        "nowhere": {"run": "true", "build": {"context": "box", "dockerfile": "Nowhere"}},
        "missing": {"run": "true", "build": {"context": "box", "dockerfile": "Missing"}},
    }
    try:
        data = preflight(project, pipeline(checks))
        told = {name: check["status"] for name, check in checks_of(data).items()}
        assert told == {"good": "passed", "same": "passed", "broken": "failed", "nowhere": "unknown",
                        "missing": "unknown"}  # fmt: skip
        assert log_of(data, "good").endswith(f"built\n{project.folder}\n") or "STEP" in log_of(data, "same")
        assert "it is broken" in log_of(data, "broken")
        again = preflight(project, pipeline({"good": checks["good"]}))
        assert log_of(again, "good") == f"built\n{project.folder}\n"
    finally:
        made = engine("images", "--quiet", "--filter", f"label=seatrial.test={project.folder.name}").split()
        for one in made:
            with suppress(AssertionError):  # its base may have lost its name meanwhile, and be in use
                engine("rmi", "--force", one)


@tables.ON_ENGINES
@pytest.mark.backend("podman")
def test_built_images_go_by_number_and_by_age_and_never_one_in_use(project: Project) -> None:
    shelf = project.folder / "cache" / "images"
    (project.folder / "box").mkdir()
    (project.folder / "seatrial.toml").write_text("built_images = 2\nbuilt_images_days = 5\n")
    holder = f"holder-{secrets.token_hex(6)}"

    def used(number: int) -> None:
        """Run a check in an image of its own."""
        (project.folder / "box" / "Dockerfile").write_text(f"FROM {IMAGE}\nLABEL of={holder}-{number}\n")
        document = pipeline({"good": {"run": "true", "build": {"context": "box"}}})
        data = preflight(project, document, SEATRIAL_CACHE_DIR=str(shelf.parent))
        assert data["exit_code"] == 0, data

    def tag(number: int) -> str:
        return engine("images", "--format", "{{.Tag}}", "--filter", f"label=of={holder}-{number}")

    def there() -> list[int]:
        """The numbers of the images that there are."""
        return [number for number in range(1, 6) if tag(number)]

    try:
        used(1)
        used(2)
        used(1)  # so that 2 was used longest ago
        used(3)
        assert there() == [1, 3]
        with (shelf / f"podman-{tag(1)}").open("ab") as lock:  # as another run has it
            fcntl.flock(lock, fcntl.LOCK_SH)
            used(4)
            assert there() == [1, 3, 4]
        engine("create", "--name", holder, f"localhost/seatrial-build:{tag(3)}", "true")
        days_ago = time.time() - 6 * 24 * 3600
        for number in (1, 3):
            os.utime(shelf / f"podman-{tag(number)}", (days_ago, days_ago))
        used(4)
        assert there() == [3, 4], "a container keeps its image"
        engine("rm", "--force", holder)
        used(4)
        assert there() == [4]
        assert [one.name for one in shelf.glob("podman-*")] == [f"podman-{tag(4)}"]
    finally:
        with suppress(AssertionError):
            engine("rm", "--force", holder)
        for number in there():
            engine("rmi", f"localhost/seatrial-build:{tag(number)}")


# Services

ASK = """
import os, socket, sys, urllib.parse
where = urllib.parse.urlsplit(os.environ["DATABASE_URL"])
with socket.create_connection((where.hostname, where.port), timeout=20) as line:
    line.sendall((8).to_bytes(4, "big") + (80877103).to_bytes(4, "big"))  # PostgreSQL: shall we speak TLS?
    sys.exit(line.recv(1) not in (b"S", b"N"))
"""

ON_HOST = {
    "prepare": [
        ["initdb", "--no-sync", "-D", "${{ service.folder }}/data", "-U", "app", "-A", "trust"],
    ],
    "command": ["postgres", "-D", "${{ service.folder }}/data", "-p", "${{ service.ports.sql }}",
                "-c", "unix_socket_directories=${{ service.folder }}", "-c", "fsync=off"],
    "user": "postgres",
}  # fmt: skip


def database(**more: Any) -> Document:
    return {
        "env": {"POSTGRES_PASSWORD": "${{ secrets.PG }}", "POSTGRES_USER": "app"},
        "ports": {"sql": 5432},
        "health": {
            "command": ["pg_isready", "-h", "${{ service.address }}", "-p", "${{ service.ports.sql }}"],
            "timeout": WAIT,
        },
        "binds": {
            "DATABASE_URL": "postgresql://app:${{ secrets.PG }}@${{ service.address }}:${{ service.ports.sql }}/app"
        },
        **more,
    }


def asking(**more: Any) -> Document:
    return {"services": ["database"], "timeout": WAIT, **more}


@pytest.mark.backend("postgresql in podman")
def test_a_database_in_a_container_serves_checks_in_containers_and_on_this_host(project: Project) -> None:
    checks = {
        "inside": inside(["python3", "-c", ASK], **asking(env={"PORT": "${{ services.database.ports.sql }}"})),
        "outside": {"run": [sys.executable, "-c", ASK], **asking()},
        "where": {"run": "echo ${{ services.database.address }}", **asking()},
        "alone": {"run": 'test -z "${DATABASE_URL-}"'},
    }
    never = {"image": IMAGE, "health": {"tcp": "x"}, "ports": {"x": 1}}  # nobody asks for it, so it is not started
    document = pipeline(checks, services={"database": database(image=POSTGRES), "never": never})
    data = preflight(project, document, PG=SECRET)
    assert {check["status"] for check in checks_of(data).values()} == {"passed"}, data
    assert log_of(data, "where") == "127.0.0.1\n"
    (kept,) = Path(data["folder"]).rglob("logs/service-*.log")
    assert "ready to accept connections" in kept.read_text()
    assert left_in_podman(project) == []
    for file in Path(data["folder"]).rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


@pytest.mark.backend("postgresql")
@pytest.mark.parametrize("how", ["asked for", "no image"])
def test_a_database_of_this_host_serves_as_well(project: Project, how: str) -> None:
    image = {"image": "localhost/no-such-image"} if how == "asked for" else {}
    service = database(host=ON_HOST, **image)
    check = {"run": [sys.executable, "-c", ASK], **asking()}
    arguments = ("--host",) if how == "asked for" else ()
    data = preflight(project, pipeline({"a": check, "b": check}, services={"database": service}), *arguments, PG=SECRET)
    assert {check["status"] for check in checks_of(data).values()} == {"passed"}, data
    (kept,) = Path(data["folder"]).rglob("logs/service-database.log")
    assert "database system is shut down" in kept.read_text()
    assert folders_left(project) == []


@pytest.mark.backend("podman")
@pytest.mark.backend("postgresql")
def test_a_check_in_a_container_reaches_a_database_of_this_host(project: Project) -> None:
    check = inside(["python3", "-c", ASK], **asking())
    data = preflight(project, pipeline({"a": check}, services={"database": database(host=ON_HOST)}), PG=SECRET)
    assert checks_of(data)["a"]["status"] == "passed", data


def test_a_program_that_is_not_there_is_told_with_the_place_to_name_it(project: Project) -> None:
    service = {"host": {"command": ["no-such-server"]}}
    data = preflight(project, pipeline({"a": {"run": "true", "services": ["db"]}}, services={"db": service}))
    assert data["exit_code"] == 3
    assert "'no-such-server' is not installed" in checks_of(data)["a"]["error"]
    assert "host.path" in checks_of(data)["a"]["error"]


DEAF = {"command": ["sh", "-c", "echo I am deaf; exec sleep 1000"]}
DYING = {"command": ["sh", "-c", "echo I cannot go on; exit 7"]}


@pytest.mark.parametrize(
    "host, words", [(DEAF, "was not healthy within"), (DYING, "did not stay up")], ids=["deaf", "dying"]
)
def test_a_service_that_never_comes_up_is_unknown_with_its_log(project: Project, host: Document, words: str) -> None:
    service = {"host": host, "ports": {"x": 80}, "health": {"tcp": "x", "timeout": "5s" if host is DEAF else WAIT}}
    checks = {name: {"run": "touch ran", "services": ["db"]} for name in ("a", "b")}
    data = preflight(project, pipeline({**checks, "c": {"run": "true"}}, services={"db": service}))
    assert data["exit_code"] == 3
    for name in checks:
        assert checks_of(data)[name]["status"] == "unknown"
        assert f"the service db {words}" in checks_of(data)[name]["error"]
    assert checks_of(data)["c"]["status"] == "passed"
    assert not (project.folder / "ran").exists()
    (kept,) = Path(data["folder"]).rglob("logs/service-db.log")
    assert kept.read_text() == ("I am deaf\n" if host is DEAF else "I cannot go on\n")


@pytest.mark.backend("postgresql in podman")
def test_a_database_in_a_container_that_never_comes_up_is_unknown(project: Project) -> None:
    service = database(image=POSTGRES, env={})  # it refuses to start without a password
    document = pipeline({"a": {"run": "true", **asking()}}, services={"database": service})
    data = preflight(project, document, PG=SECRET)
    assert data["exit_code"] == 3
    assert "did not stay up" in checks_of(data)["a"]["error"]
    assert "POSTGRES_PASSWORD has to be set" in checks_of(data)["a"]["error"]
    assert left_in_podman(project) == []


# Ended at any time


def folders_left(project: Project) -> list[str]:
    """Folders and memory of services on this host that carry the name of a trial of this project."""
    trials = {one.name.rpartition("-")[2] for one in project.folder.glob(".seatrial/runs/*/preflight-*")}
    return [str(one) for one in Path(tempfile.gettempdir()).iterdir() if any(one.name.startswith(t) for t in trials)]


def boxes(project: Project) -> Sequence[object]:
    """A service in a container, a check in another, one with sources of its own."""
    service = database(image=POSTGRES, env={"POSTGRES_PASSWORD": "x"}, binds={})
    checks = {
        "a": inside("true", services=["box"]),
        "b": inside("true", source="copy"),
        "c": {"run": "true", "services": ["box"]},
    }
    (project.folder / "seatrial.toml").write_text("")
    return [project.write("pipeline.json", pipeline(checks, services={"box": service}, budget={"parallel": 1}))]


def programs(project: Project) -> Sequence[object]:
    """A service of this host."""
    (project.folder / "seatrial.toml").write_text("")
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "${{ service.ports.web }}"]
    service = {
        "host": {"prepare": [["mkdir", "data"]], "command": command},
        "ports": {"web": 80},
        "health": {"http": "http://${{ service.address }}:${{ service.ports.web }}/", "timeout": WAIT},
    }
    check = {"run": "true", "services": ["web"]}
    return [project.write("pipeline.json", pipeline({"a": check}, services={"web": service}))]


@pytest.mark.slow
@pytest.mark.table
@pytest.mark.backend("postgresql in podman")
@pytest.mark.parametrize("record", range(1, BOXES + 2))
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_record_containers_are_given_back(when: str, record: int, tmp_path: Path) -> None:
    listers = [Project.left, left_in_podman]
    _killed_and_cleaned(tmp_path, boxes, listers, when, record, last=BOXES)


@pytest.mark.slow
@pytest.mark.table
@pytest.mark.parametrize("record", range(1, PROGRAMS + 2))
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_record_programs_are_given_back(when: str, record: int, tmp_path: Path) -> None:
    _killed_and_cleaned(tmp_path, programs, [Project.left, folders_left], when, record, last=PROGRAMS)


def _killed_and_cleaned(
    folder: Path,
    make: Callable[[Project], Sequence[object]],
    listers: Sequence[Lister],
    when: str,
    record: int,
    *,
    last: int,
) -> None:
    if record <= last:
        killed = kill_and_clean(folder, make, listers, when=when, record=record, command="preflight")
        assert killed, "preflight was not killed"
    else:
        assert kill_at_records(folder, make, listers, when=when, first=record, command="preflight") > 0


@tables.ON_ENGINES
@pytest.mark.backend("postgresql in podman")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_ended_while_a_container_runs_nothing_is_left(project: Project, number: signal.Signals) -> None:
    service = database(image=POSTGRES, env={"POSTGRES_PASSWORD": "x"}, binds={})
    checks = {"a": inside("sleep 1000", services=["box"])}
    project.write("pipeline.json", pipeline(checks, services={"box": service}))
    (project.folder / "seatrial.toml").write_text("")
    process = project.start("preflight")
    filters = ("--filter", f"label=seatrial.project={project.folder}")
    until(lambda: len(engine("ps", "--quiet", *filters).split()) == 2, "both containers", WAIT)
    process.send_signal(number)
    process.communicate(timeout=WAIT)
    if number is signal.SIGKILL:
        assert len(engine("ps", "--quiet", *filters).split()) == 2
        cleaned = assert_clean_leaves_nothing(project, [Project.left, left_in_podman], "killed")
        assert "container" in cleaned
    assert left_in_podman(project) == []
    assert project.left() == []


HEARS = """#!/usr/bin/env bash
# Podman, and a word about each signal that comes while it starts a container.
[[ $1 == start ]] || exec podman "$@"
trap 'echo heard >>"$0.signals"' TERM INT HUP
podman "$@" &
while kill -0 $! 2>/dev/null; do wait $!; code=$?; done
exit "$code"
"""


@pytest.mark.backend("podman")
@pytest.mark.parametrize("how", ["SIGINT", "its timeout"])
def test_the_call_that_starts_a_container_is_never_killed_but_ends_with_it(project: Project, how: str) -> None:
    wrapped = project.folder / "podman"
    wrapped.write_text(HEARS)
    wrapped.chmod(0o755)
    (project.folder / "seatrial.toml").write_text(f'[providers.containers]\nengine = "{wrapped}"\n')
    timeout = {} if how == "SIGINT" else {"timeout": "15s"}
    project.write("pipeline.json", pipeline({"a": inside("echo begun; sleep 1000", **timeout)}))
    process = project.start("preflight")
    if how == "SIGINT":
        filters = ("--filter", f"label=seatrial.project={project.folder}")
        until(lambda: engine("ps", "--quiet", *filters), "the container", WAIT)
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=WAIT)
    assert process.returncode == (130 if how == "SIGINT" else 1)
    assert not Path(f"{wrapped}.signals").exists()
    assert left_in_podman(project) == []
    assert project.left() == []


@pytest.mark.backend("podman")
def test_what_no_ledger_knows_any_more_is_found_by_its_labels(project: Project) -> None:
    project.write("pipeline.json", pipeline({"a": inside("sleep 1000")}))
    (project.folder / "seatrial.toml").write_text("")
    process = project.start("preflight")
    filters = ("--filter", f"label=seatrial.project={project.folder}")
    until(lambda: engine("ps", "--quiet", *filters), "the container", WAIT)
    process.kill()
    process.communicate(timeout=WAIT)
    for ledger in (project.folder / ".seatrial" / "ledger").glob("*.jsonl"):
        ledger.unlink()
    cleaned = project.seatrial("clean", timeout=WAIT)
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert left_in_podman(project) == [], cleaned.stdout
    until(lambda: not processes_of(project.folder), "the end of the engine's command")


def test_without_an_engine_it_says_so_and_what_to_do(project: Project) -> None:
    (project.folder / "seatrial.toml").write_text('[providers.containers]\nengine = "no-such-engine"\n')
    data = preflight(project, pipeline({"a": inside("true")}))
    assert data["exit_code"] == 3
    assert "no-such-engine is not installed" in checks_of(data)["a"]["error"]
    assert "--host" in checks_of(data)["a"]["error"]
