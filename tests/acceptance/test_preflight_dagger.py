"""`executor: dagger` on a real engine, named by SEATRIAL_DAGGER_ENGINE."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.dagger_project import HOST, WAIT, InDagger, Relay, another_cache, archive, needs_engine
from tests.acceptance.harness import Document, processes_of, until

from seatrial.links.dagger.session import CLOSES

pytestmark = [pytest.mark.slow, needs_engine, pytest.mark.xdist_group("dagger")]

SECRET = "sesame-of-the-engine-4711"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    if not shutil.which("busybox"):
        pytest.skip("busybox-static is not installed")
    return archive(tmp_path_factory.mktemp("image") / "busybox.tar")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[InDagger]:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("one\n")
    (tmp_path / "other.txt").write_text("other\n")
    yield InDagger(tmp_path)
    assert processes_of(tmp_path) == []


def test_the_end_of_each_check_is_told_as_on_the_host(project: InDagger, image: str) -> None:
    told = project.preflight(
        {
            "green": {"run": "find . -type f; echo $TOKEN", "image": image, "inputs": ["src/**"]},
            "red": {"run": "echo src/a.py:1: error: bad; exit 1", "image": image, "inputs": ["src/**"]},
            "odd": {"run": "exit 3", "image": image, "pass_exit_codes": {"3": "nothing to do"}},
            "absent": {"run": ["nosuchprogram"], "image": image},
            "nowhere": {"run": "true", "image": "oci-archive:gone.tar"},
        },
        more={"secrets": {"required": ["TOKEN"]}},
        TOKEN=SECRET,
    )
    checks = told["checks"]
    assert {name: one["status"] for name, one in checks.items()} == {
        "green": "passed", "red": "failed", "odd": "passed", "absent": "unknown", "nowhere": "unknown",
    }  # fmt: skip
    problem = checks["red"]["problems"][0]
    assert (problem["file"], problem["line"], problem["message"]) == ("src/a.py", 1, "error: bad")
    assert checks["odd"]["note"] == "nothing to do"
    assert "'nosuchprogram' is not in the image" in checks["absent"]["error"]
    assert "no file" in checks["nowhere"]["error"]
    log = next(project.folder.glob(".seatrial/runs/*/*/artifacts/logs/all-green.log")).read_text()
    # Only its inputs, and no secret.
    assert log.split() == ["./src/a.py", "***"]
    kept = [file for file in project.folder.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    assert kept == []


def test_each_cache_is_called_by_its_name_and_a_failure_is_answered_by_none(project: InDagger, image: str) -> None:
    passes = {"run": "cat src/a.py", "image": image, "inputs": ["src/**"]}
    fails = {"run": "cat src/a.py; exit 1", "image": image, "inputs": ["src/**"]}
    always = {"run": "cat src/a.py", "image": image, "inputs": ["src/**"], "cache": False}
    checks = {"passes": passes, "fails": fails, "always": always}
    # A text of its own, which no earlier run of these tests left in the engine's cache.
    (project.folder / "src/a.py").write_text(os.urandom(8).hex())
    more = {"secrets": {"required": ["TOKEN"]}}

    def origins(**env: str) -> dict[str, tuple[bool, str]]:
        found = project.preflight(checks, more=more, TOKEN=SECRET, **env)["checks"]
        assert found["fails"]["status"] == "failed"
        return {name: (one.get("cached", False), one.get("cached_by", "")) for name, one in found.items()}

    ran = dict.fromkeys(checks, (False, ""))
    assert origins() == ran
    assert origins() == {**ran, "passes": (True, "")}
    with another_cache(project) as another:
        assert origins(**another) == {**ran, "passes": (False, "Dagger")}
    (project.folder / "other.txt").write_text("changed")
    with another_cache(project) as another:
        assert origins(**another) == {**ran, "passes": (False, "Dagger")}
    (project.folder / "src/a.py").write_text(os.urandom(8).hex())
    assert origins() == ran


def test_artifacts_come_out_and_the_next_check_gets_them(project: InDagger, image: str) -> None:
    told = project.preflight(
        {
            "make": {"run": "mkdir -p out/deep; echo made >out/deep/x", "image": image, "artifacts": ["out/**"]},
            "use": {"run": "cat out/deep/x", "image": image, "uses": ["all/make"], "needs": ["make"]},
            "none": {"run": "true", "image": image, "artifacts": ["gone/**"]},
        }
    )
    assert [one["status"] for one in told["checks"].values()] == ["passed", "passed", "failed"]
    assert "left no file for its declared artifact 'gone/**'" in told["checks"]["none"]["error"]
    assert not (project.folder / "out").exists()


def test_a_cache_lasts_into_the_next_run_and_a_retry_runs_again(project: InDagger, image: str) -> None:
    name = f"seen-{os.urandom(4).hex()}"  # no run before this one has it
    count = 'echo x >>/seen/n; test "$(cat /seen/n)" = "$(printf "x\\nx")"'
    checks: Document = {"count": {"run": count, "image": image, "inputs": ["src/**"]}}
    more = {"caches": {name: "/seen"}}
    assert project.preflight(checks, more=more)["checks"]["count"]["status"] == "failed"
    again = {"count": {**checks["count"], "run": f"{count} && echo second"}}
    assert project.preflight(again, more=more)["checks"]["count"]["status"] == "passed"
    third = 'echo x >>/seen/n; test "$(grep -c x /seen/n)" = 4'
    checks = {"count": {"run": third, "image": image, "inputs": ["src/**"], "retry": 2}}
    assert project.preflight(checks, more=more)["checks"]["count"]["status"] == "passed"


def test_a_time_limit_and_a_killed_session_show_the_last_lines(project: InDagger, image: str) -> None:
    mark = f"3{int.from_bytes(os.urandom(3)):08d}"
    late = {"run": f"echo begun; sleep {mark}", "image": image, "timeout": 8}
    told = project.preflight({"late": late})["checks"]["late"]
    until(lambda: not _running(mark), "the end of the command in the engine", WAIT)
    assert told["status"] == "failed"
    assert "did not end within 8 s" in told["error"]
    assert "begun" in told["lines"]

    project.describe({"lost": {"run": "echo begun; sleep 300", "image": image}})
    process = project.start("preflight", "--format", "json")
    until(lambda: _printed(project, "lost"), "the first line of the check", WAIT)
    os.kill(_session(project), signal.SIGKILL)
    out, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 3
    assert "Dagger's session ended" in out
    assert '"begun"' in out
    assert project.left() == []


def test_an_engine_that_is_gone_in_mid_check_is_said_and_not_waited_for(project: InDagger, image: str) -> None:
    relay = Relay(project.folder / "engine.sock")
    project.describe({"lost": {"run": "echo begun; sleep 300", "image": image}})
    process = project.start("preflight", "--format", "json", env={**project.environment, HOST: relay.address})
    until(lambda: _printed(project, "lost"), "the first line of the check", WAIT)
    began = time.monotonic()
    relay.cut()
    out, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 3
    assert f"the engine was lost while all/lost ran: nothing answers at {relay.address}" in out
    assert '"begun"' in out
    assert time.monotonic() - began < CLOSES
    assert project.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_killed_ends_in_the_engine_and_disturbs_no_other(
    project: InDagger, image: str, number: signal.Signals, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mark = f"3{int.from_bytes(os.urandom(3)):08d}"
    project.describe({"long": {"run": f"echo begun; sleep {mark}", "image": image}})
    process = project.start("preflight")
    until(lambda: _printed(project, "long"), "the first line of the check", WAIT)
    assert _running(mark)
    other = InDagger(tmp_path_factory.mktemp("other"))
    other.describe({"short": {"run": "echo begun; sleep 3", "image": image}})
    beside = other.start("preflight")
    until(lambda: _printed(other, "short"), "the other run", WAIT)
    process.send_signal(number)
    process.communicate(timeout=WAIT)
    until(lambda: not _running(mark), "the end of the command in the engine", WAIT)
    out, _ = beside.communicate(timeout=WAIT)
    assert beside.returncode == 0, out
    assert other.left() == []
    assert project.seatrial("clean", timeout=WAIT).returncode == 0
    assert project.left() == []


def test_a_service_answers_when_it_is_healthy_and_is_named_when_it_never_is(project: InDagger, image: str) -> None:
    serves = archive(project.folder / "web.tar", "sh", "-c", "echo serving; exec httpd -f -p 8080 -h /etc")
    closed = archive(project.folder / "closed.tar", "sh", "-c", "echo not yet; exec sleep 300")
    web = {"image": serves, "ports": {"web": 8080}, "health": {"tcp": "web", "timeout": 60}}
    command = {
        **web,
        "health": {"command": ["wget", "-q", "-O", "/dev/null", "http://command:8080/none"], "timeout": 3},
    }
    services = {
        "web": web, "command": command,
        "never": {**web, "image": closed, "health": {"tcp": "web", "timeout": 3}},
        "ends": {**web, "image": image}, "gone": {**web, "image": "oci-archive:gone.tar"},
    }  # fmt: skip
    ask = "wget -qO- http://${{ services.web.address }}:${{ services.web.ports.web }}/none 2>&1 | grep 404"
    checks = {name: {"run": "true", "image": image, "services": [name]} for name in services if name != "web"}
    checks["ask"] = {"run": ask, "image": image, "services": ["web"]}
    told = project.preflight(checks, more={"services": services})["checks"]
    assert told["ask"]["status"] == "passed", told["ask"]
    assert {one["status"] for name, one in told.items() if name != "ask"} == {"unknown"}
    assert "the service gone did not start: the image oci-archive:gone.tar cannot be used" in told["gone"]["error"]
    assert "the service never was not healthy within 3 s: " in told["never"]["error"]
    assert "its last output: not yet" in told["never"]["error"]
    assert "wget ended with exit code 1: wget: server returned error: HTTP/1.1 404" in told["command"]["error"]
    assert re.search("the service ends (did not start|was not healthy)", told["ends"]["error"])


def _printed(project: InDagger, check: str) -> bool:
    logs = list(project.folder.glob(f".seatrial/runs/*/*/artifacts/logs/all-{check}.log"))
    return any("begun" in log.read_text() for log in logs)


def _session(project: InDagger) -> int:
    """The process of the run's own session."""
    return next(pid for pid, what in processes_of(project.folder) if "session" in what and "dagger" in what)


def _running(mark: str) -> bool:
    """Whether a command with this number runs on this machine."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "cmdline").read_text().split("\0"):
                return True
        except OSError:
            continue
    return False
