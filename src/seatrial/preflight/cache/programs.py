"""The programs of a command as a part of its key: each by its content, with its scripts and installed packages.

The file of a program is often a launcher, and an upgrade does not change it. What it starts is known by the installed
packages of its environment: `RECORD` in Python's `*.dist-info`, the lists of a `node_modules`, the versions below a
folder of shims.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from seatrial.errors import CannotTell
from seatrial.links.paths import home
from seatrial.model.values import Argv
from seatrial.preflight.cache.hashes import Hashes, described, digest
from seatrial.preflight.cache.launchers import (
    BESIDE,
    ENVIRONMENTS,
    FETCHING,
    MODULES,
    SHELLS,
    UNKNOWN,
    included,
    run_by_go,
    shell_text,
    texts_behind,
)
from seatrial.preflight.shell import commands_of, needs_bash

INTERPRETER = re.compile(
    r"(?:ba|da|z|k|a)?sh|python[\d.]*|pypy[\d.]*|node|deno|bun|tsx|ts-node|ruby|perl|php|Rscript|source|\."
)
"""Programs with a script among their arguments."""

_PYTHON = re.compile(r"(?:python|pypy)[\d.]*")
_SHEBANG = re.compile(rb"#!\s*(?:/usr/bin/env\s+(?:-S\s+)?)?(\S+)")
_LONG_SHEBANG = re.compile(rb"""'''exec' "?([^"\n]+?)"? "\$0\"""")

MODULE_LISTS = (".package-lock.json", ".modules.yaml", ".pnpm/lock.yaml", ".yarn-state.yml")
"""Files of a `node_modules` with the installed versions."""

_VERSIONS = (".python-version", ".tool-versions", ".node-version", ".ruby-version", "mise.toml", ".mise.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The programs as one check finds them."""

    folder: Path
    """The folder it runs in."""
    source: Path
    path: str
    """PATH; empty in a container: its own programs are part of its image."""
    env: Mapping[str, str]
    hashes: Hashes
    versions_known: bool = False
    """Whether the check names its versions by `tools`."""

    def of(self, run: Argv) -> dict[str, str]:
        """Names with digests. CannotTell when the program of a list does not exist, or a version is unknown."""
        found: dict[str, str] = {}
        if self.path:
            first = run[0] if not isinstance(run, str) else "bash" if needs_bash(run) else "/bin/sh"
            if self._found(first) is None:
                raise CannotTell(f"the program {first!r} does not exist")
            found |= self._program(first)
        for program, words, folder in self._started(run):
            found |= self._program(program, folder)
            found |= self._scripts(program, words, folder)
            found |= self._beside(PurePath(program).name, words, folder)
        return found

    def own_files(self, run: Argv) -> Iterator[str]:
        """The programs and scripts in the source, by their paths in it."""
        for program, words, folder in self._started(run):
            for name in (*([program] if "/" in program else []), *_script(program, words, folder)):
                path = os.path.relpath(folder / name, self.source)
                if "${{" not in path and not path.startswith("../"):
                    yield path

    def _started(self, run: Argv) -> Iterator[tuple[str, Sequence[str], Path]]:
        """Each started program, its arguments, and its folder: a `cd FOLDER` before it counts."""
        todo: list[tuple[Argv, Path]] = [(run, self.folder)]
        seen: set[tuple[str, Path]] = set()
        while todo:
            text, folder = todo.pop(0)
            for command in commands_of(text):
                for program, words in command.programs:
                    if program == "cd" and words:
                        folder = folder / words[0]
                        continue
                    yield program, words, folder
                    inner = {*texts_behind(PurePath(program).name, words, folder), *self._texts(program, words, folder)}
                    inner -= seen
                    seen |= inner
                    todo += sorted(inner)

    def _texts(self, program: str, words: Sequence[str], folder: Path) -> Iterator[tuple[str, Path]]:
        """The texts of a program that is a shell script, and of a shell's script: a wrapper starts the real tool."""
        if path := self._found(program, folder):
            yield from ((text, folder) for text in [shell_text(Path(path))] if text)
        if program.rpartition("/")[2] in SHELLS:
            for name in _script(program, words, folder):
                yield from ((text, folder) for text in [shell_text(folder / name, named=True)] if text)

    def _found(self, program: str, folder: Path | None = None) -> str | None:
        if "/" in program:
            path = (folder or self.folder) / program
            return str(path) if path.is_file() and (self.path or path.is_relative_to(self.source)) else None
        return shutil.which(program, path=self.path) if self.path else None

    def _program(self, name: str, folder: Path | None = None) -> dict[str, str]:
        path = self._found(name, folder)
        if path is None:
            return {}
        real = os.path.realpath(path)
        found = self._file(path, real)
        for at in dict.fromkeys((path, real)):
            parts = PurePath(at).parts
            if MODULES in parts:
                found |= self._modules(Path(*parts[: parts.index(MODULES) + 1]), Path(real))
            if "shims" in parts:
                found |= self._shims(Path(*parts[: len(parts) - 1 - parts[::-1].index("shims")]))
        if PurePath(real).name == "rustup":
            found |= self._toolchains(Path(self.env.get("RUSTUP_HOME") or home() / ".rustup"))
        if python := _python_of(path, real):
            found |= self._packages(python)
        return found

    def _scripts(self, program: str, words: Sequence[str], folder: Path) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in _script(program, words, folder):
            found |= self._file(str(folder / name), str(folder / name))
        return found

    def _beside(self, name: str, words: Sequence[str], folder: Path) -> dict[str, str]:
        if name in UNKNOWN and not self.versions_known:
            raise CannotTell(f"the version of the tool that `{name}` starts is unknown; name it in `tools`")
        if name in FETCHING and not self.versions_known:
            tool = next((word for word in words if not word.startswith("-")), "")
            if not any((up / MODULES / ".bin" / tool).exists() for up in (folder, *folder.parents)):
                raise CannotTell(f"`{name}` downloads {tool!r}, in an unknown version; install it, or use `tools`")
        found: dict[str, str] = {}
        for beside in BESIDE.get(name, ()):
            place = next((up / beside for up in (folder, *folder.parents) if (up / beside).exists()), None)
            if place is None:
                continue
            if beside == MODULES:
                found |= self._modules(place, place)
            elif name == "make":
                for file in (place, *included(place)):
                    found |= self._file(str(file), str(file))
                break  # make reads the first one only
            elif place.is_dir():
                found |= self._packages(place)
            else:
                found |= self._file(str(place), str(place))
        if name == "go":
            found |= self._go(words, folder)
        return found | self._environments(name)

    def _go(self, words: Sequence[str], folder: Path) -> dict[str, str]:
        files, version = run_by_go(words, folder)
        if version and not self.versions_known:
            raise CannotTell(f"`go run` takes the version {version!r}, which may change; pin it, or use `tools`")
        return {f"the Go files of {self._near(str(folder))}": self._listed(files)} if files else {}

    def _environments(self, name: str) -> dict[str, str]:
        """The packages in the environments that a program keeps outside the project."""
        if name not in ENVIRONMENTS or not self.path:
            return {}
        variable, below, pattern = ENVIRONMENTS[name]
        top = Path(self.env.get(variable) or home() / below)
        lists = list(top.glob(f"{pattern}/lib/python*/site-packages/*-info"))
        return {f"the packages of {name}": self._listed(lists, "RECORD")} if lists else {}

    def _file(self, name: str, path: str) -> dict[str, str]:
        with suppress(OSError):
            return {f"the program {self._near(name)}": described(path, self.hashes)}
        return {}

    def _near(self, path: str) -> str:
        return path.removeprefix(f"{self.source}/")

    def _packages(self, prefix: Path) -> dict[str, str]:
        """The packages of a Python environment: a virtual one, or an installation with those of the user."""
        tops = [prefix] if (prefix / "pyvenv.cfg").exists() else [prefix, Path("/usr/local"), home() / ".local"]
        lists = [
            info
            for top in tops
            for info in (*top.glob("lib/python*/site-packages/*-info"), *top.glob("lib/python*/dist-packages/*-info"))
        ]
        return {f"the packages of {self._near(str(prefix))}": self._listed(lists, "RECORD")} if lists else {}

    def _modules(self, folder: Path, real: Path) -> dict[str, str]:
        lists = [folder / name for name in MODULE_LISTS if (folder / name).is_file()]
        lists += [up / "package.json" for up in real.parents if MODULES in up.parts and (up / "package.json").is_file()]
        return {f"the packages of {self._near(str(folder))}": self._listed(lists)} if lists else {}

    def _shims(self, top: Path) -> dict[str, str]:
        """The versions installed for shims (pyenv, asdf, mise), and the files that choose one."""
        names = [*top.glob("versions/*"), *top.glob("installs/*/*"),
                 *top.glob("versions/*/lib/python*/site-packages/*-info")]  # fmt: skip
        chosen = [up / name for up in (self.folder, *self.folder.parents, home()) for name in _VERSIONS]
        chosen = [file for file in (*chosen, top / "version") if file.is_file()]
        said = [self.env.get(name, "") for name in ("PYENV_VERSION", "RBENV_VERSION", "NODENV_VERSION")]
        told = [*said, self._listed(names, "RECORD"), self._listed(chosen)]
        return {f"the list of versions in {top}": digest(repr(told).encode())}

    def _toolchains(self, top: Path) -> dict[str, str]:
        lists = [*top.glob("update-hashes/*"), top / "settings.toml"]
        return {
            f"the list of versions in {top}": digest(
                (repr(self.env.get("RUSTUP_TOOLCHAIN")) + self._listed(lists)).encode()
            )
        }

    def _listed(self, places: Sequence[Path], inner: str = "") -> str:
        """A digest of files, or of folders by the file `inner` in them: of their names and content."""
        told: list[tuple[str, str]] = []
        for place in sorted(places):
            content = ""
            with suppress(OSError):
                content = described(os.path.realpath(place / inner if inner else place), self.hashes)
            told.append((self._near(str(place)), content))
        return digest(repr(told).encode())


def _script(program: str, words: Sequence[str], folder: Path) -> Iterator[str]:
    """The script of an interpreter: the first file among its arguments, or the module after `-m` in its folder."""
    if not INTERPRETER.fullmatch(program.rpartition("/")[2]):
        return
    for before, word in zip(("", *words), words, strict=False):
        module = word.replace(".", "/")
        names = (f"{module}.py", f"{module}/__main__.py") if before == "-m" else (word,)
        for name in names:
            with suppress(OSError, ValueError):
                if (folder / name).is_file():
                    yield name
                    return


def _python_of(path: str, real: str) -> Path | None:
    """The environment of a program in Python: a folder with `lib/pythonX.Y`."""
    for at in dict.fromkeys((path, real)):
        if (Path(at).parent.parent / "pyvenv.cfg").exists():
            return Path(at).parent.parent
    if _PYTHON.fullmatch(PurePath(path).name):
        return Path(real).parent.parent
    with suppress(OSError), Path(real).open("rb") as content:
        head = content.read(512)
        found = _LONG_SHEBANG.search(head) or _SHEBANG.match(head)
        name = os.fsdecode(found[1]) if found else ""
        if _PYTHON.fullmatch(PurePath(name).name):
            python = name if "/" in name else shutil.which(name) or "/usr/bin/python3"
            virtual = Path(python).parent.parent
            return virtual if (virtual / "pyvenv.cfg").exists() else Path(os.path.realpath(python)).parent.parent
    return None
