"""Programs that start others: the files that say which, and the commands in these files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

MODULES = "node_modules"

_NODE = ("package.json", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock",
         "bun.lockb", ".pnp.cjs", MODULES)  # fmt: skip
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_JUSTFILES = ("justfile", ".justfile", "Justfile")

BESIDE: Mapping[str, Sequence[str]] = {
    "uv": ("uv.lock", ".venv"),
    "poetry": ("poetry.lock", ".venv"),
    "pdm": ("pdm.lock", ".venv"),
    "pipenv": ("Pipfile.lock", ".venv"),
    "bundle": ("Gemfile.lock",),
    "composer": ("composer.lock",),
    "make": _MAKEFILES,
    "just": _JUSTFILES,
    **dict.fromkeys(("node", "npm", "npx", "pnpm", "pnpx", "yarn", "bun", "bunx", "tsx"), _NODE),
    **dict.fromkeys(("cargo", "rustc"), ("rust-toolchain", "rust-toolchain.toml", "Cargo.lock")),
    "go": ("go.mod", "go.sum", "go.work", "go.work.sum"),
}
"""Programs, and the files and folders that say what they start: each from the nearest folder upward."""

ENVIRONMENTS: Mapping[str, tuple[str, str, str]] = {
    "poetry": ("POETRY_VIRTUALENVS_PATH", ".cache/pypoetry/virtualenvs", "*"),
    "pipenv": ("WORKON_HOME", ".local/share/virtualenvs", "*"),
    "hatch": ("HATCH_DATA_DIR", ".local/share/hatch", "env/virtual/*/*/*"),
}
"""Programs with environments outside the project: a variable with their folder, else the folder below the user's home,
and the pattern of the environments in it."""

FETCHING = frozenset({"npx", "pnpx", "bunx"})
"""Programs to start one of `node_modules`; a missing one is downloaded, in whatever version is new."""

UNKNOWN = frozenset({"uvx", "pipx"})
"""Programs to start a tool of an unknown version."""

SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "source", "."})
"""Programs whose script is a shell text."""

_LARGEST = 64 * 1024
_SHELL_SCRIPT = re.compile(r"#!\s*(?:/usr/bin/env\s+(?:-S\s+)?)?(?:\S*/)?(?:ba|da|z|k|a)?sh\b(?!\n'''exec)")
"""The first line of a shell script, and not of pip's launcher, which is Python behind a line of shell."""

_SCRIPTS_OF_PACKAGE = frozenset({"npm", "pnpm", "yarn", "bun"})
_RECIPE = re.compile(r"^[ \t]+[@+-]*([^\s#].*)$", re.MULTILINE)
_INCLUDE = re.compile(r"^[ \t]*-?s?include[ \t]+(.+)$", re.MULTILINE)
_PINNED = re.compile(r"v\d[\w.+-]*|[0-9a-f]{12,40}")


def nearest_file(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of these files in a folder, or else in the nearest one above."""
    return next((up / name for up in (folder, *folder.parents) for name in names if (up / name).is_file()), None)


def texts_behind(program: str, words: Sequence[str], folder: Path) -> Iterator[tuple[str, Path]]:
    """The shell texts that a launcher runs, each with its folder: scripts of `package.json`, recipes of a makefile."""
    if program in _SCRIPTS_OF_PACKAGE and (package := nearest_file(folder, ["package.json"])):
        scripts: Any = {}
        with suppress(OSError, ValueError, AttributeError):
            scripts = json.loads(package.read_text()).get("scripts")
        for word in words if isinstance(scripts, dict) else ():
            for name in (f"pre{word}", word, f"post{word}"):
                if isinstance(text := scripts.get(name), str):
                    yield text, package.parent
    elif program in ("make", "just") and (file := nearest_file(folder, BESIDE[program])):
        with suppress(OSError):
            for line in _RECIPE.findall(file.read_text(errors="replace")):
                yield line, file.parent


def shell_text(file: Path, *, named: bool = False) -> str:
    """The text of a shell script; empty for any other file, and for one too large to be a wrapper. `named`: a shell
    runs it, whatever its first line is."""
    with suppress(OSError), file.open("rb") as content:
        if named or content.read(2) == b"#!":
            content.seek(0)
            text = content.read(_LARGEST + 1).decode(errors="replace")
            return text if len(text) <= _LARGEST and (named or _SHELL_SCRIPT.match(text)) else ""
    return ""


def included(makefile: Path) -> Iterator[Path]:
    """The files that a makefile includes."""
    with suppress(OSError):
        for names in _INCLUDE.findall(makefile.read_text(errors="replace")):
            yield from (makefile.parent / name for name in names.split())


def run_by_go(words: Sequence[str], folder: Path) -> tuple[Sequence[Path], str]:
    """What `go run` compiles: the Go files of the module, or else the unpinned version of another one."""
    if words[:1] != ["run"]:
        return (), ""
    version = next((word.rpartition("@")[2] for word in words if "@" in word), None)
    if version is not None:
        return (), "" if _PINNED.fullmatch(version) else version
    module = nearest_file(folder, ["go.mod"])
    return sorted((module.parent if module else folder).rglob("*.go")), ""
