"""What a check depends on without saying so: its result never comes from the cache after a change of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Project, contents_below, until


@pytest.fixture
def kept(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.folder / "kept"))
    monkeypatch.setenv("XDG_STATE_HOME", str(project.folder / "state"))
    return project


def statuses(project: Project, stages: dict[str, Any], *arguments: str) -> dict[str, str]:
    """The status of each check; `cached` for a result from the cache."""
    project.write("pipeline.json", {"pipeline": {"stages": stages}})
    done = project.seatrial("preflight", "--format", "json", *arguments)
    assert done.stdout, done.stderr
    return {
        f"{stage}/{one['name']}": "cached" if one.get("cached") else one["status"]
        for stage, of in json.loads(done.stdout)["stages"].items()
        for one in of["checks"]
    }


def one(project: Project, check: dict[str, Any], *arguments: str) -> str:
    return statuses(project, {"s": {"checks": {"c": check}}}, *arguments)["s/c"]


BUILD = {"run": "mkdir -p dist && cp src.txt dist/b", "inputs": ["src.txt"], "artifacts": ["dist/**"]}
USE = {"run": "! grep -q BAD dist/b", "inputs": ["i.txt"]}


@pytest.fixture
def built(kept: Project) -> Project:
    (kept.folder / "i.txt").write_text("i")
    (kept.folder / "src.txt").write_text("ok")
    return kept


STAGES: dict[str, Any] = {"build": {"checks": {"b": BUILD}}, "test": {"needs": ["build"], "checks": {"u": USE}}}
FAR: dict[str, Any] = {
    "build": {"checks": {"b": BUILD}},
    "mid": {"needs": ["build"], "checks": {"m": {"run": "true"}}},
    "test": {"needs": ["mid"], "checks": {"u": USE}},
}
BESIDE: dict[str, Any] = {
    "test": {"checks": {"b": BUILD, "m": {"run": "true", "needs": ["b"]}, "u": {**USE, "needs": ["m"]}}}
}
ROWS: dict[str, Any] = {
    "build": {"checks": {"b": {**BUILD, "matrix": {"folder": ["dist"]}, "artifacts": ["${{ matrix.folder }}/**"]}}},
    "test": {"needs": ["build"], "checks": {"u": USE}},
}


@pytest.mark.parametrize("stages", [STAGES, FAR, BESIDE, ROWS], ids=["stage", "stages", "checks", "matrix"])
def test_what_comes_before_a_check_counts_wherever_it_stands(built: Project, stages: dict[str, Any]) -> None:
    statuses(built, stages)
    assert statuses(built, stages)["test/u"] == "cached"
    (built.folder / "src.txt").write_text("BAD")
    assert statuses(built, stages)["test/u"] == "failed"
    assert statuses(built, stages, "--only", "test/u") == {"test/u": "failed"}


@pytest.mark.parametrize("stages", [STAGES, BESIDE], ids=["stage", "checks"])
def test_a_check_run_alone_is_judged_by_the_files_that_are_there(built: Project, stages: dict[str, Any]) -> None:
    statuses(built, stages)
    assert statuses(built, stages, "--only", "test/u") == {"test/u": "cached"}
    (built.folder / "dist/b").write_text("BAD")
    assert statuses(built, stages, "--only", "test/u") == {"test/u": "failed"}


def test_a_changed_folder_of_packages_is_another_program(kept: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip and npm write launchers that stay the same when they upgrade the tool behind them."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(kept.folder / "v")], check=True)
    (packages,) = kept.folder.glob("v/lib/python*/site-packages")
    tool = kept.folder / "v/bin/tool"
    tool.write_text(f"#!{kept.folder}/v/bin/python\nimport tool; tool.main()\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{kept.folder}/v/bin:{os.environ['PATH']}")

    def install(version: str, body: str) -> None:
        (packages / "tool.py").write_text(f"def main(): {body}\nif __name__ == '__main__': main()\n")
        for info in packages.glob("tool-*"):
            (info / "RECORD").unlink()
            info.rmdir()
        (packages / f"tool-{version}.dist-info").mkdir()
        (packages / f"tool-{version}.dist-info/RECORD").write_text(f"tool.py,sha256={hash(body)},1\n")

    (kept.folder / "a.sh").write_text("tool\n")
    (kept.folder / "in.txt").write_text("x")
    runs: list[Any] = [
        ["tool"], ["v/bin/tool"], "tool", "true && tool", ["python", "-m", "tool"], ["env", "A=1", "tool"],
        "cd v && bin/tool", ["sh", "-c", "tool"], "A=1 timeout 5 tool",
    ]  # fmt: skip
    checks = {f"c{at}": {"run": run, "inputs": ["in.txt"]} for at, run in enumerate(runs)}
    install("1", "pass")
    assert set(statuses(kept, {"s": {"checks": checks}}).values()) == {"passed"}
    assert set(statuses(kept, {"s": {"checks": checks}}).values()) == {"cached"}
    install("2", "raise SystemExit(1)")
    assert set(statuses(kept, {"s": {"checks": checks}}).values()) == {"failed"}


@pytest.mark.parametrize("lists", [".package-lock.json", ".modules.yaml", ".yarn-state.yml", "tsc/package.json"])
@pytest.mark.parametrize("run", [["node_modules/.bin/tsc"], "node_modules/.bin/tsc"])
def test_another_version_in_node_modules_is_another_program(kept: Project, lists: str, run: Any) -> None:
    modules = kept.folder / "node_modules"
    (modules / ".bin").mkdir(parents=True)
    (modules / "tsc").mkdir()
    (modules / "tsc/cli").write_text("#!/bin/sh\n! grep -q BAD node_modules/tsc/lib\n")
    (modules / "tsc/cli").chmod(0o755)
    (modules / ".bin/tsc").symlink_to("../tsc/cli")
    (kept.folder / "in.txt").write_text("x")
    check = {"run": run, "inputs": ["in.txt"]}
    for version, expected in (("1", ["passed", "cached"]), ("2 BAD", ["failed"])):
        (modules / "tsc/lib").write_text(version)
        (modules / lists).write_text(version)
        assert [one(kept, check) for _ in expected] == expected


@pytest.mark.parametrize(
    "run", ["sh check.sh", ["sh", "-e", "check.sh"], "./check.sh", ". ./check.sh", "cd sub; ../check.sh"]
)
def test_a_script_named_by_the_command_is_an_input(kept: Project, run: Any) -> None:
    (kept.folder / "sub").mkdir()
    (kept.folder / "in.txt").write_text("x")
    script = kept.folder / "check.sh"
    script.write_text("#!/bin/sh\ntrue\n")
    script.chmod(0o755)
    check = {"run": run, "inputs": ["in.txt"]}
    assert [one(kept, check), one(kept, check)] == ["passed", "cached"]
    script.write_text("#!/bin/sh\nfalse\n")
    assert one(kept, check) == "failed"


@pytest.mark.parametrize("run", [["tool", "x"], "tool", "sh check.sh", ". ./check.sh", "make lint"])
def test_the_program_behind_a_shell_script_is_another_program_when_it_changes(
    kept: Project, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{kept.folder}/bin:{os.environ['PATH']}")
    (kept.folder / "bin").mkdir()

    def program(name: str, text: str) -> None:
        (kept.folder / "bin" / name).write_text(text)
        (kept.folder / "bin" / name).chmod(0o755)

    program("tool", '#!/usr/bin/env sh\nset -e\n[ -z "$DEBUG" ] || echo "$0"\nexec nice -n 1 wrapped "$@"\n')
    program("wrapped", f'#!/bin/sh\nif true; then exec {kept.folder}/bin/real --to "$1"; fi\n')
    program("real", "#!/usr/bin/env python3\n")
    (kept.folder / "check.sh").write_text("tool x\n")
    (kept.folder / "makefile").write_text("lint:\n\tsh check.sh\n")
    (kept.folder / "in.txt").write_text("x")
    check = {"run": run, "inputs": ["in.txt"]}
    assert [one(kept, check), one(kept, check)] == ["passed", "cached"]
    program("real", "#!/usr/bin/env python3\nraise SystemExit(1)\n")
    assert one(kept, check) == "failed"


def test_a_tool_of_an_unknown_version_is_not_kept_without_its_version(kept: Project) -> None:
    (kept.folder / "bin").mkdir()
    for name in ("uvx", "npx"):
        (kept.folder / "bin" / name).write_text("#!/bin/sh\n")
        (kept.folder / "bin" / name).chmod(0o755)
    (kept.folder / "in.txt").write_text("x")
    path = {"env": {"PATH": f"{kept.folder}/bin:{os.environ['PATH']}"}, "inputs": ["in.txt"]}
    for run in ("uvx ruff", "npx nothing"):
        assert [one(kept, {"run": run, **path}) for _ in "12"] == ["passed", "passed"]
        known = {"run": run, **path, "tools": [["echo", "1"]]}
        assert [one(kept, known) for _ in "12"] == ["passed", "cached"]


@pytest.mark.parametrize(
    "pattern, name",
    [(".env*", ".env"), ("conf/*.local.*", "conf/a.local.toml"), ("*/.env", "app/.env"),
     ("{.env,.env.example}", ".env"), ("[.]env*", ".env")],
)  # fmt: skip
def test_a_pattern_of_fixed_depth_counts_what_git_ignores(kept: Project, pattern: str, name: str) -> None:
    for other in ("app/.env.example", "conf/a.local.example.toml", ".env.example"):
        (kept.folder / other).parent.mkdir(exist_ok=True)
        (kept.folder / other).write_text("x")
    (kept.folder / ".gitignore").write_text(".env\n*.local.toml\n")
    subprocess.run(["git", "init", "-q", str(kept.folder)], check=True)
    file = kept.folder / name
    file.write_text("ok")
    check = {"run": f"! grep -q BAD {name}", "inputs": [pattern]}
    assert [one(kept, check) for _ in "12"] == ["passed", "cached"]
    file.write_text("BAD")
    assert one(kept, check) == "failed"


def test_what_git_ignores_below_two_stars_is_named(kept: Project) -> None:
    (kept.folder / "app/generated").mkdir(parents=True)
    (kept.folder / "app/a.py").write_text("x")
    (kept.folder / "app/generated/b.py").write_text("x")
    (kept.folder / "app/node_modules").mkdir()
    (kept.folder / "app/node_modules/c.py").write_text("x")
    (kept.folder / ".gitignore").write_text("generated/\nnode_modules/\n")
    subprocess.run(["git", "init", "-q", str(kept.folder)], check=True)
    kept.write(
        "pipeline.json", {"pipeline": {"stages": {"s": {"checks": {"c": {"run": "true", "inputs": ["app/**"]}}}}}}
    )
    assert "git ignores app/generated/, so" in kept.seatrial("preflight", "--explain").stdout
    done = kept.seatrial("check", "pipeline.json")
    assert done.returncode == 0
    assert "pipeline.json:" in done.stderr
    assert "git ignores app/generated/, so" in done.stderr
    assert "node_modules" not in done.stderr


def test_variables_by_a_pattern_count(kept: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (kept.folder / "in.txt").write_text("x")
    check = {"run": 'test "$VITE_X" != prod', "inputs": ["in.txt"], "env_inputs": ["VITE_*"]}
    monkeypatch.setenv("VITE_X", "dev")
    assert [one(kept, check) for _ in "12"] == ["passed", "cached"]
    monkeypatch.setenv("VITE_X", "prod")
    assert one(kept, check) == "failed"


@pytest.mark.parametrize("pattern", ["src/*.{ts,js}", "src/[id]/page.js", "src/[id]/**", "{src,lib}/**"])
def test_braces_and_names_in_brackets_are_inputs(kept: Project, pattern: str) -> None:
    (kept.folder / "src/[id]").mkdir(parents=True)
    for name in ("src/a.js", "src/[id]/page.js"):
        (kept.folder / name).write_text("ok")
    check = {"run": "! grep -rq BAD src", "inputs": [pattern]}
    assert [one(kept, check) for _ in "12"] == ["passed", "cached"]
    for name in ("src/a.js", "src/[id]/page.js"):
        (kept.folder / name).write_text("BAD")
    assert one(kept, check) == "failed"


def test_check_warns_of_a_pattern_like_no_file(kept: Project) -> None:
    (kept.folder / "src.txt").write_text("x")
    (kept.folder / "i.txt").write_text("x")
    later = {"run": "true", "inputs": ["dist/**"]}
    typo = {"run": "true", "inputs": ["sorce/**"]}
    stages = {"s": {"checks": {"b": BUILD, "later": {**later, "needs": ["b"]}, "typo": typo}}}
    kept.write("pipeline.json", {"pipeline": {"stages": stages}})
    done = kept.seatrial("check", "pipeline.json")
    assert done.returncode == 0
    assert "'sorce/**' matches no file" in done.stderr
    assert "dist" not in done.stderr


def test_of_two_runs_at_once_one_waits_for_the_other(kept: Project) -> None:
    """Otherwise one would keep the files that the other is just writing."""
    (kept.folder / "src.txt").write_text("whole")
    (kept.folder / "go").unlink(missing_ok=True)
    wait = "n=0; while [ ! -e go ] && [ $n -lt 6000 ]; do sleep 0.05; n=$((n+1)); done"
    run = f"mkdir -p out; : >out/f; touch began; {wait}; cp src.txt out/f"
    stages = {"s": {"checks": {"b": {"run": run, "inputs": ["src.txt"], "artifacts": ["out/**"]}}}}
    kept.write("pipeline.json", {"pipeline": {"stages": stages}})
    done: dict[str, Any] = {}
    first = threading.Thread(target=lambda: done.update(first=kept.seatrial("preflight")))
    first.start()
    until(lambda: (kept.folder / "began").exists(), "the first run")
    second = threading.Thread(target=lambda: done.update(second=kept.seatrial("preflight", "--no-cache")))
    second.start()
    until(
        lambda: any(b"it waits for" in log for name, log in contents_below(kept.folder) if name.name == "events.jsonl"),
        "the wait",
    )
    (kept.folder / "go").touch()
    first.join()
    second.join()
    assert "s/b is running already in this source, in run r" in done["second"].stdout
    assert (done["first"].returncode, done["second"].returncode) == (0, 0)
    (kept.folder / "out/f").unlink()
    assert statuses(kept, stages) == {"s/b": "cached"}
    assert Path(kept.folder / "out/f").read_text() == "whole"


@pytest.mark.parametrize("name", ["$CI", "A=1", "my-name", "1st", ""])
def test_a_name_that_no_variable_has_is_refused(kept: Project, name: str) -> None:
    kept.write(
        "pipeline.json", {"pipeline": {"stages": {"s": {"checks": {"c": {"run": "true", "env_inputs": [name]}}}}}}
    )
    done = kept.seatrial("check", "pipeline.json")
    assert done.returncode == 2
    assert f"no environment variable can have the name {name!r}" in done.stderr


@pytest.mark.parametrize("target", ["outside", "folder"])
def test_an_artifact_behind_a_link_out_of_the_source_fails(kept: Project, target: str) -> None:
    (kept.folder / "outside").mkdir()
    (kept.folder / "outside/file").write_text("x")
    (kept.folder / "src").mkdir()
    link, pattern = ("src/out.txt", "out.txt") if target == "outside" else ("src/dist", "dist/*")
    (kept.folder / link).symlink_to("../outside/file" if target == "outside" else "../outside")
    checks = {"a": {"run": ["true"], "artifacts": [pattern]}}
    kept.write("pipeline.json", {"pipeline": {"source": "src", "stages": {"s": {"checks": checks}}}})
    done = kept.seatrial("preflight")
    assert done.returncode == 1
    assert "leads out of the source by a link" in done.stdout


def test_a_pipe_that_hides_a_failure_is_told_and_pipefail_is_obeyed(kept: Project) -> None:
    hidden = "false | cat"
    checks = {"hidden": {"run": hidden}, "fine": {"run": f"set -o pipefail; {hidden}"}, "quoted": {"run": "echo '|'"},
              "or": {"run": "false || true"}}  # fmt: skip
    assert statuses(kept, {"s": {"checks": checks}}) == {
        "s/hidden": "passed", "s/fine": "failed", "s/quoted": "passed", "s/or": "passed",
    }  # fmt: skip
    for command in ("check", "preflight"):
        done = kept.seatrial(command, "pipeline.json")
        assert (done.stdout + done.stderr).count("the pipe hides a failure of `false`") == 1
