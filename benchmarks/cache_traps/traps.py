"""The traps: each is a small project, a change, and what must or must not happen then."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.cache_traps.place import PATIENCE, Place, Unsaid
from benchmarks.cache_traps.tools import Task

Trap = Callable[[Place], None]

TRAPS: dict[str, Trap] = {}
"""By the name of the row."""

UNKNOWABLE: set[str] = set()
"""Rows without a right answer: nothing that a tool can see names the cause."""


def trap(name: str, *, unknowable: bool = False) -> Callable[[Trap], Trap]:
    def added(function: Trap) -> Trap:
        TRAPS[name] = function
        if unknowable:
            UNKNOWABLE.add(name)
        return function

    return added


NOT_BAD = "! grep -q BAD src.txt"
SOURCE = {"src.txt": "ok\n"}


def one(place: Place, run: str, *inputs: str, files: Mapping[str, str] = SOURCE, makes: tuple[str, ...] = (),
        env: tuple[str, ...] = ()) -> None:  # fmt: skip
    """A project of one task `c`."""
    place.begin([Task(name="c", run=run, inputs=inputs or ("src.txt",), makes=makes, env=env)], files)


# What must run again


@trap("a file of the inputs changed")
def _(place: Place) -> None:
    one(place, NOT_BAD)
    place.expect("c", passes=True)
    place.write("src.txt", "BAD\n")
    place.expect("c", passes=False)


@trap("same size, time of the change set back")
def _(place: Place) -> None:
    one(place, "! grep -q BAD src.txt", files={"src.txt": "GOOD\n"})
    file = place.folder / "src.txt"
    place.expect("c", passes=True)
    before = file.stat()
    place.write("src.txt", "BAD!\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    place.expect("c", passes=False)


@trap("a file of the inputs is gone")
def _(place: Place) -> None:
    one(place, "test -f src/b.txt", "src/**", files={"src/a.txt": "a", "src/b.txt": "b"})
    place.expect("c", passes=True)
    (place.folder / "src/b.txt").unlink()
    place.expect("c", passes=False)


@trap("a new file like the inputs")
def _(place: Place) -> None:
    one(place, "! grep -qr BAD src", "src/**", files={"src/a.txt": "a"})
    place.expect("c", passes=True)
    place.write("src/deep/b.txt", "BAD")
    place.expect("c", passes=False)


@trap("only the mode changed")
def _(place: Place) -> None:
    one(place, "test -x src.txt")
    (place.folder / "src.txt").chmod(0o755)
    place.expect("c", passes=True)
    (place.folder / "src.txt").chmod(0o644)
    place.expect("c", passes=False)


@trap("a link leads elsewhere")
def _(place: Place) -> None:
    one(place, "! grep -q BAD src/link", "src/**", files={"src/x": "x", "good.txt": "ok", "bad.txt": "BAD"})
    link = place.folder / "src/link"
    link.symlink_to("../good.txt")
    place.expect("c", passes=True)
    link.unlink()
    link.symlink_to("../bad.txt")
    place.expect("c", passes=False)


@trap("the file behind a link changed")
def _(place: Place) -> None:
    one(place, "! grep -q BAD src/link", "src/**", files={"src/x": "x", "outside.txt": "ok"})
    (place.folder / "src/link").symlink_to("../outside.txt")
    place.expect("c", passes=True)
    place.write("outside.txt", "BAD")
    place.expect("c", passes=False)


@trap("braces: src/*.{ts,js}")
def _(place: Place) -> None:
    one(place, "! grep -qr BAD src", "src/*.{ts,js}", files={"src/a.ts": "ok", "src/b.js": "ok"})
    place.expect("c", passes=True)
    place.write("src/b.js", "BAD")
    place.expect("c", passes=False)


@trap("a name with brackets: app/[id]/page.tsx")
def _(place: Place) -> None:
    one(place, "! grep -qr BAD app", "app/[id]/page.tsx", "src.txt", files={"app/[id]/page.tsx": "ok", **SOURCE})
    place.expect("c", passes=True)
    place.write("app/[id]/page.tsx", "BAD")
    place.expect("c", passes=False)


@trap(".env* with an ignored .env")
def _(place: Place) -> None:
    files = {".env": "ok", ".env.example": "example", ".gitignore": ".env\n", **SOURCE}
    one(place, "! grep -q BAD .env", "src.txt", ".env*", files=files)
    place.expect("c", passes=True)
    place.write(".env", "BAD")
    place.expect("c", passes=False)


@trap("variables by pattern: VITE_*")
def _(place: Place) -> None:
    if place.tool.name == "task":
        raise Unsaid
    one(place, 'test "$VITE_X" != prod', env=("VITE_*",))
    place.expect("c", passes=True, env={"VITE_X": "dev"})
    place.expect("c", passes=False, env={"VITE_X": "prod"})


@trap("a variable that the text names")
def _(place: Place) -> None:
    one(place, 'test "$MODE" != prod')
    place.expect("c", passes=True, env={"MODE": "dev"})
    place.expect("c", passes=False, env={"MODE": "prod"})


@trap("CI, which every tool reads")
def _(place: Place) -> None:
    one(place, "! env | grep -q ^CI=")
    place.expect("c", passes=True)
    place.expect("c", passes=False, env={"CI": "true"})


@trap("the command changed")
def _(place: Place) -> None:
    one(place, "true")
    place.expect("c", passes=True)
    # As a person does: in the document of the tool.
    for path in place.folder.iterdir():
        if path.is_file() and "echo run" in (text := path.read_text()):
            path.write_text(text.replace("; true", "; false"))
    place.expect("c", passes=False)


@trap("the script that the text names changed")
def _(place: Place) -> None:
    one(place, "sh scripts/check.sh", files={"scripts/check.sh": "true\n", **SOURCE})
    place.expect("c", passes=True)
    place.write("scripts/check.sh", "false\n")
    place.expect("c", passes=False)


@trap("a script of package.json changed")
def _(place: Place) -> None:
    def package(script: str) -> str:
        return json.dumps({"name": "app", "version": "1.0.0", "private": True, "packageManager": "npm@10.0.0",
                           "scripts": {"inner": script}})  # fmt: skip

    one(place, "npm run --silent inner", files={"package.json": package("true"), **SOURCE})
    place.expect("c", passes=True)
    path = place.folder / "package.json"
    path.write_text(path.read_text().replace('"inner": "true"', '"inner": "false"'))
    place.expect("c", passes=False)


@trap("a tool behind make changed")
def _(place: Place) -> None:
    one(place, "make -s lint", files={"Makefile": "lint:\n\ttrue\n", **SOURCE})
    place.expect("c", passes=True)
    place.write("Makefile", "lint:\n\tfalse\n")
    place.expect("c", passes=False)


@trap("a tool behind go run changed")
def _(place: Place) -> None:
    if not shutil.which("go"):
        raise Unsaid
    program = 'package main\n\nimport "os"\n\nfunc main() { os.Exit(%d) }\n'
    one(place, "go run ./tool", files={"go.mod": "module m\n\ngo 1.21\n", "tool/main.go": program % 0, **SOURCE})
    go = {"GOFLAGS": "-mod=mod", "GOCACHE": f"{place.folder}.go", "GOTELEMETRY": "off"}
    place.expect("c", passes=True, env=go)
    place.write("tool/main.go", program % 1)
    place.expect("c", passes=False, env=go)


@trap("an upgrade behind a launcher of pip")
def _(place: Place) -> None:
    one(place, "venv/bin/tool src.txt", files={".gitignore": "venv\n", **SOURCE})
    venv = place.folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    (venv / "bin/tool").write_text(f"#!{venv}/bin/python\nimport tool\ntool.main()\n")
    (venv / "bin/tool").chmod(0o755)
    _as_pip(packages, "1.0", "pass")
    place.expect("c", passes=True)
    _as_pip(packages, "2.0", "raise SystemExit('now it is an error')")
    place.expect("c", passes=False)


def _as_pip(packages: Path, version: str, body: str) -> None:
    """What an upgrade changes: the module, and the folder with the list of its files; the launcher stays."""
    for old in packages.glob("tool-*.dist-info"):
        shutil.rmtree(old)
    (packages / "tool.py").write_text(f"def main():\n    {body}\n")
    info = packages / f"tool-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tool\nVersion: {version}\n")
    (info / "RECORD").write_text(f"tool.py,sha256={version},{len(body)}\n")


@trap("an upgrade behind npx")
def _(place: Place) -> None:
    one(place, "npx --no-install tool src.txt", files={".gitignore": "node_modules\n", **SOURCE})
    modules = place.folder / "node_modules"
    (modules / ".bin").mkdir(parents=True, exist_ok=True)
    _as_npm(modules, "1.0.0", "0")
    (modules / ".bin/tool").symlink_to("../tool/cli.js")
    place.expect("c", passes=True)
    _as_npm(modules, "2.0.0", "1")
    place.expect("c", passes=False)


def _as_npm(modules: Path, version: str, code: str) -> None:
    """What an upgrade changes: the module and the list of packages; the launcher stays."""
    folder = modules / "tool"
    folder.mkdir(exist_ok=True)
    (folder / "cli.js").write_text("#!/usr/bin/env node\nrequire('./index.js')\n")
    (folder / "cli.js").chmod(0o755)
    (folder / "index.js").write_text(f"process.exit({code})\n")
    (folder / "package.json").write_text(json.dumps({"name": "tool", "version": version, "bin": "cli.js"}))
    packages = {"node_modules/tool": {"version": version, "bin": {"tool": "cli.js"}}}
    (modules / ".package-lock.json").write_text(json.dumps({"lockfileVersion": 3, "packages": packages}))


@trap("the lock file of npm changed")
def _(place: Place) -> None:
    def lock(version: str) -> str:
        return json.dumps({"name": "app", "lockfileVersion": 3, "packages": {"node_modules/x": {"version": version}}})

    one(place, "npm --version && ! grep -q 6.6.6 package-lock.json", files={"package-lock.json": lock("1.0.0"),
                                                                           **SOURCE})  # fmt: skip
    place.expect("c", passes=True)
    place.write("package-lock.json", lock("6.6.6"))
    place.expect("c", passes=False)


BUILT = [
    Task(name="bundle", run="mkdir -p dist && cp src.txt dist/b", inputs=["src.txt"], makes=["dist/**"]),
    Task(name="use", run="! grep -q BAD dist/b", inputs=["i.txt"], needs=["bundle"]),
]
BUILD_FILES = {"i.txt": "i\n", ".gitignore": "dist\n", **SOURCE}


@trap("the artifact of a needed task changed")
def _(place: Place) -> None:
    place.begin(BUILT, BUILD_FILES)
    place.expect("use", passes=True)
    place.write("src.txt", "BAD\n")
    place.expect("use", passes=False)


@trap("the same, run alone, as after a failure")
def _(place: Place) -> None:
    if place.tool.name == "task":
        raise Unsaid
    place.begin(BUILT, BUILD_FILES)
    place.expect("use", passes=True)
    place.expect("use", passes=True, alone=True)
    place.write("src.txt", "BAD\n")
    place.expect("use", passes=False)
    place.expect("use", passes=False, alone=True)


@trap("a failure is not kept")
def _(place: Place) -> None:
    one(place, f"test -e {place.marks}/cause-is-gone")
    place.expect("c", passes=False)
    place.expect("c", passes=False)
    place.mark("cause-is-gone")
    place.expect("c", passes=True)


@trap("it rewrites its input; broken again the same way")
def _(place: Place) -> None:
    one(place, "tr a-z A-Z <src.txt >new.txt && mv new.txt src.txt", files={"src.txt": "small\n"})
    for _turn in range(3):
        place.write("src.txt", "small\n")
        place.again("c")
        place.must((place.folder / "src.txt").read_text() == "SMALL\n", "did not run")


def _gate(place: Place, name: str) -> str:
    """Shell words of a task that waits for the mark `NAME.go`, once it has made the mark `NAME`."""
    mark = place.marks / name
    return f"touch {mark}; while ! test -e {mark}.go; do sleep 0.05; done"


@trap("an input mended while it runs, then broken again")
def _(place: Place) -> None:
    one(place, f"{_gate(place, 'began')}; {NOT_BAD}", files={"src.txt": "BAD\n"})
    with place.running("c") as process:
        place.must(place.until_marked("began"), "did not start")
        place.write("src.txt", "ok\n")
        place.mark("began.go")
        process.wait(NOTICE_OF_END)
    place.write("src.txt", "BAD\n")
    place.expect("c", passes=False)


NOTICE_OF_END = 120.0


@trap("an input changed and back while it runs")
def _(place: Place) -> None:
    read = f"{_gate(place, 'began')}; {NOT_BAD}; read=$?; {_gate(place, 'read')}; test $read = 0"
    one(place, read, files={"src.txt": "BAD\n"})
    with place.running("c") as process:
        place.must(place.until_marked("began"), "did not start")
        place.write("src.txt", "ok\n")
        place.mark("began.go")
        place.must(place.until_marked("read"), "did not start")
        place.write("src.txt", "BAD\n")
        place.mark("read.go")
        process.wait(NOTICE_OF_END)
    place.expect("c", passes=False)


@trap("two runs at once write one artifact")
def _(place: Place) -> None:
    turn = f"if mkdir {place.marks}/first 2>/dev/null; then me=a; else me=b; fi"
    write = "mkdir -p out; : >out/f; touch {0}/$me.cut; while ! test -e {0}/$me.write; do sleep 0.05; done"
    end = "cp src.txt out/f; touch {0}/$me.written; while ! test -e {0}/$me.end; do sleep 0.05; done"
    one(place, "; ".join((turn, write, end)).replace("{0}", str(place.marks)), makes=("out/**",),
        files={"src.txt": "whole\n", ".gitignore": "out\n"})  # fmt: skip
    with place.running("c") as first:
        place.must(place.until_marked("a.cut"), "did not start")
        place.mark("a.write")
        place.must(place.until_marked("a.written"), "did not start")
        with place.running("c", fresh=True) as second:
            # A tool with a lock for it never gets there before the first one ends.
            place.until_marked("b.cut", PATIENCE)
            place.mark("a.end")
            first.wait(NOTICE_OF_END)
            place.mark("b.write")
            place.mark("b.end")
            second.wait(NOTICE_OF_END)
    shutil.rmtree(place.folder / "out", ignore_errors=True)
    place.expect("c", passes=True)
    place.must((place.folder / "out/f").exists() and (place.folder / "out/f").read_text() == "whole\n",
               "half an artifact")  # fmt: skip


# What must come back


def _dist(place: Place) -> Path:
    place.begin(BUILT[:1], BUILD_FILES)
    place.expect("bundle", passes=True)
    return place.folder / "dist"


@trap("the artifact was deleted")
def _(place: Place) -> None:
    dist = _dist(place)
    shutil.rmtree(dist)
    place.expect("bundle", passes=True)
    place.must((dist / "b").exists(), "stays away")


@trap("one file of the artifact was deleted")
def _(place: Place) -> None:
    task = Task(name="bundle", run="mkdir -p dist && cp src.txt dist/a && cp src.txt dist/b", inputs=["src.txt"],
                makes=["dist/**"])  # fmt: skip
    place.begin([task], BUILD_FILES)
    place.expect("bundle", passes=True)
    (place.folder / "dist/a").unlink()
    place.expect("bundle", passes=True)
    place.must((place.folder / "dist/a").exists(), "stays away")


@trap("the artifact was tampered with")
def _(place: Place) -> None:
    dist = _dist(place)
    (dist / "b").write_text("tampered\n")
    place.expect("bundle", passes=True)
    place.must((dist / "b").read_text() == "ok\n", "stays tampered")


@trap("an older result leaves no newer file behind")
def _(place: Place) -> None:
    run = "rm -rf dist; mkdir dist; for name in $(cat src.txt); do echo $name >dist/$name; done"
    one(place, run, makes=("dist/**",), files={"src.txt": "a\n", ".gitignore": "dist\n"})
    place.expect("c", passes=True)
    place.write("src.txt", "a b\n")
    place.expect("c", passes=True)
    place.write("src.txt", "a\n")
    place.expect("c", passes=True)
    place.must(sorted(os.listdir(place.folder / "dist")) == ["a"], "a stale file stays")


# What must not run again


@trap("nothing changed")
def _(place: Place) -> None:
    one(place, NOT_BAD)
    place.expect("c", passes=True)
    place.still("c")
    # The comparison rests on it: without the cache the command runs.
    before = place.count("c")
    place.run("c", fresh=True)
    place.must(place.count("c") > before, "no run without the cache")


@trap("only times changed")
def _(place: Place) -> None:
    one(place, NOT_BAD)
    place.expect("c", passes=True)
    os.utime(place.folder / "src.txt", (1, 1))
    place.still("c")


@trap("a file outside of the inputs changed")
def _(place: Place) -> None:
    one(place, NOT_BAD, files={"other.txt": "a", **SOURCE})
    place.expect("c", passes=True)
    place.write("other.txt", "b")
    place.still("c")


@trap("back to an earlier state")
def _(place: Place) -> None:
    one(place, NOT_BAD)
    place.expect("c", passes=True)
    place.write("src.txt", "other\n")
    place.expect("c", passes=True)
    place.write("src.txt", "ok\n")
    place.still("c")


@trap("another work tree of the repository")
def _(place: Place) -> None:
    one(place, NOT_BAD)
    place.expect("c", passes=True)
    other = place.worktree()
    other.still("c")


# What nobody can know


@trap("a variable that only the program reads", unknowable=True)
def _(place: Place) -> None:
    one(place, "env | grep -q ^MODE=prod && exit 1; true")
    place.expect("c", passes=True, env={"MODE": "dev"})
    place.expect("c", passes=False, env={"MODE": "prod"})


@trap("a new file outside of the inputs", unknowable=True)
def _(place: Place) -> None:
    one(place, "! test -e .toolrc")
    place.expect("c", passes=True)
    place.write(".toolrc", "strict")
    place.expect("c", passes=False)
