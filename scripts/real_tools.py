"""Build or install the tools that tests drive for real: `python3 -m scripts.real_tools [--force] [NAME …]`.

Their names and versions are in `real_tools.toml`. Each is kept in the user's cache folder by its name and version, with
its programs in `bin/`. Those in Go modules need Go; without it they are left out. Standard library only; no root.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__" and not __package__:
    sys.path[0] = str(ROOT)

from scripts.images import cache  # noqa: E402 - found by the line above
from scripts.images.cache import Failed  # noqa: E402
from scripts.images.programs import need_room, run  # noqa: E402

KIND = "tools"
OLDEST_GO = (1, 21)
"""From here on Go fetches the newer version of itself that a module asks for."""
NEEDS = f"it needs Go {'.'.join(map(str, OLDEST_GO))} or newer (https://go.dev/doc/install)"


class LeftOut(Exception):
    """A tool cannot be made on this machine, which is no error; the text says what is missing."""


@dataclass(frozen=True, kw_only=True)
class GoModule:
    """Programs in a Go module."""

    module: str
    packages: Sequence[str]
    """Their folders in the module; one gets the name of the tool's program, of several each keeps its own."""
    variables: Sequence[str] = ()
    """What the linker sets, so that the program says its version."""
    tags: Sequence[str] = ()
    """Build tags."""
    c: bool = False
    """Whether it has parts in C, so that it needs gcc."""
    folders: Sequence[str] = ()
    """Folders of the module that the program reads: they are beside `bin/`."""
    siblings: str | None = None
    """The version of the modules from the same repository, where its go.mod requires them as v0.0.0."""
    toolchain: str = ""
    """The version of Go that builds it, where newer ones cannot."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool at one version."""

    name: str
    version: str
    program: str
    """The one that a test starts to see whether the tool works."""
    go: GoModule | None = None
    pypi: Sequence[str] = ()
    peer: bool = False
    """Whether only a benchmark asks for it, by its name."""

    @property
    def key(self) -> str:
        """The version, and for Python's tools the interpreter that they are made with."""
        return f"{self.version}-py{sys.version_info[0]}.{sys.version_info[1]}" if self.pypi else self.version

    @property
    def folder(self) -> Path:
        """Where it is kept; the folder is there once the tool is whole."""
        return cache.folder_of(KIND) / f"{self.name}-{self.key}"

    @property
    def path(self) -> Path:
        """Where its program is, once made."""
        return self.folder / "bin" / self.program


@functools.cache
def tools() -> Mapping[str, Tool]:
    """All of `real_tools.toml`, by name."""
    tables = tomllib.loads((ROOT / "scripts" / "real_tools.toml").read_text(encoding="utf-8"))
    return {
        name: Tool(name=name, **{**table, "go": GoModule(**table["go"]) if "go" in table else None})
        for name, table in tables.items()
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Make the requested tools; 0, or 1 with the reasons on standard error."""
    parser = argparse.ArgumentParser(prog="real_tools", description=(__doc__ or "").partition("\n\n")[0])
    told = f"{', '.join(tools())}; when none is named, all but those of benchmarks"
    parser.add_argument("names", nargs="*", metavar="NAME", help=told)
    parser.add_argument("--force", action="store_true", help="make them again even when they are there")
    options = parser.parse_args(argv)
    if unknown := [name for name in options.names if name not in tools()]:
        parser.error(f"{', '.join(unknown)}: no such tool; there are {', '.join(tools())}")
    failed = False
    for name in options.names or [name for name, tool in tools().items() if not tool.peer]:
        try:
            provide(tools()[name], force=options.force)
        except LeftOut as missing:
            say(f"{name}: left out, its tests are skipped: {missing}")
        except Failed as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr)
    return int(failed)


def provide(tool: Tool, *, force: bool = False) -> Path:
    """The folder of a tool, made unless it is there; Failed or LeftOut with the reason."""

    def make(folder: Path) -> None:
        (folder / "bin").mkdir()
        if tool.go:
            _build(tool, tool.go, folder)
        else:
            _install(tool, folder)

    return cache.made(tool.name, tool.key, make, force=force, say=say, kind=KIND)


def _build(tool: Tool, source: GoModule, folder: Path) -> None:
    """Build a program in a copy of its module: the module's own go.mod and go.sum decide what it is made of."""
    go = _go()
    need_room(folder, 3000)
    say(f"{tool.name}: building {source.module} {tool.version} (a minute or two)")
    origin = _module(go, f"{source.module}@v{tool.version}")
    with tempfile.TemporaryDirectory(prefix="seatrial-build-") as place:
        copy = Path(place) / "module"
        shutil.copytree(origin, copy)
        # What Go keeps is read-only, and the copy would be too.
        for path in (copy, *copy.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
        linker = " ".join(["-s", "-w", *(f"-X {variable}" for variable in source.variables)])
        log, settings = folder / "build.log", {"CGO_ENABLED": "1" if source.c else "0", "GOWORK": "off"}
        settings |= {"GOTOOLCHAIN": source.toolchain} if source.toolchain else {}
        # go.sum lacks the modules that were folders; Go compares them with its checksum database.
        mode = "-mod=mod" if _take_published(go, copy, source.siblings, log) else "-mod=readonly"
        build = [go, "-C", str(copy), "build", mode, "-trimpath", "-buildvcs=false", "-ldflags", linker]
        build += ["-tags", ",".join(source.tags)] if source.tags else []
        out = f"{folder / 'bin'}/" + (tool.program if len(source.packages) == 1 else "")
        run([*build, "-o", out, *source.packages], log, env=settings)
        for name in source.folders:
            shutil.copytree(copy / name, folder / name)


def _take_published(go: str, copy: Path, siblings: str | None, log: Path) -> bool:
    """Take the releases of modules that go.mod has in folders beside it; False: there are none."""
    edit = [go, "-C", str(copy), "mod", "edit"]
    mod = json.loads(subprocess.run([*edit, "-json"], capture_output=True, check=True).stdout)
    folders = [entry["Old"]["Path"] for entry in mod.get("Replace") or () if "Version" not in entry["New"]]
    unnumbered = [entry["Path"] for entry in mod.get("Require") or () if entry["Version"] == "v0.0.0"]
    changes = [f"-dropreplace={name}" for name in folders] + [f"-require={name}@v{siblings}" for name in unnumbered]
    if changes:
        run([*edit, *changes], log)
    return bool(changes)


def _module(go: str, name: str) -> Path:
    """The folder in which Go keeps a module, fetched and compared with Go's checksums."""
    with tempfile.TemporaryDirectory(prefix="seatrial-build-") as place:
        fetched = subprocess.run(
            [go, "mod", "download", "-json", name], cwd=place, capture_output=True, text=True, check=False
        )
    try:
        answer = json.loads(fetched.stdout)
    except ValueError:
        answer = {}
    if "Dir" not in answer:
        raise Failed(f"go did not fetch {name}: {answer.get('Error') or fetched.stderr.strip()[-500:]}")
    return Path(answer["Dir"])


def _go() -> str:
    go = shutil.which("go")
    if go is None:
        raise LeftOut(f"Go is not installed; {NEEDS}")
    version = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"go(\d+)\.(\d+)", version)
    if number is None or (int(number[1]), int(number[2])) < OLDEST_GO:
        raise LeftOut(f"{go} is too old: {version.strip() or 'it says no version'}; {NEEDS}")
    return go


def _install(tool: Tool, folder: Path) -> None:
    """Install distributions from PyPI into an environment of their own."""
    say(f"{tool.name}: installing {' '.join(tool.pypi)} from PyPI")
    log = folder / "build.log"
    environment = folder / "python"
    run([sys.executable, "-m", "venv", environment], log)
    pip: list[str | Path] = [
        environment / "bin" / "python",
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
    ]
    run([*pip, *tool.pypi], log)
    # The environment is about to get its final name, which its programs must start with.
    final = tool.folder / "python"
    for path in (environment / "bin").iterdir():
        if path.is_symlink() or not path.is_file():
            continue
        path.write_bytes(path.read_bytes().replace(os.fsencode(environment), os.fsencode(final)))
        if not path.name.startswith(("python", "pip", "activate", "Activate")):
            (folder / "bin" / path.name).symlink_to(Path("..", "python", "bin", path.name))


def say(text: str) -> None:
    """Print one line of progress at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
