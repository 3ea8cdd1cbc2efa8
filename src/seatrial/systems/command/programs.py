"""The programs of a deployer: whether each exists and can begin, told before anything does."""

from __future__ import annotations

import difflib
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from seatrial.links.paths import shown
from seatrial.model.values import words_of
from seatrial.systems.command.settings import VERBS, CommandSettings, Verb

_ENV = ("/usr/bin/env", "/bin/env")
_LONGEST = 500
"""Bytes of a first line."""

_MIXED = "write the command as text, or each of its words as an item of the list"


def obstacle(program: str, cwd: str | Path, path: str, beside: Path | None = None) -> str:
    """Why a program cannot begin, with the remedy; empty: it can. `path` is the PATH; `beside`: a folder whose programs
    may be meant where one is missing."""
    folders = [Path(cwd), *([beside] if beside else [])]
    if "/" in program:
        file = Path(cwd) / program
        return _of_file(file, program, path) if file.exists() else _missing(program, cwd, folders)
    if found := shutil.which(program, path=path):
        return _of_file(Path(found), program, path)
    if here := next((folder for folder in folders if (folder / program).is_file()), None):
        return f"program {program!r} not found on the PATH; it is in {here}: write './{program}'"
    return f"program {program!r} not found on the PATH; {_mixed(program) or 'install it, or correct the command'}"


def _missing(program: str, cwd: str | Path, folders: list[Path]) -> str:
    said = f"program {program!r} not found in the folder {cwd}"
    if hint := _mixed(program):
        return f"{said}; {hint}"
    parent = Path(program).parent
    names = {
        f"./{file.name}" if parent == Path() else str(parent / file.name)
        for folder in folders
        if (folder / parent).is_dir()
        for file in (folder / parent).iterdir()
        if file.is_file() and os.access(file, os.X_OK)
    }
    near = difflib.get_close_matches(program, sorted(names), n=1)
    return f"{said}; did you mean {near[0]!r}?" if near else f"{said}; install it, or correct the command"


def _mixed(program: str) -> str:
    """A whole command line as the first word."""
    return _MIXED if " " in program.strip() else ""


def _of_file(file: Path, program: str, path: str) -> str:
    if file.is_dir():
        return f"program {program!r} is a folder; name the program in it"
    if not os.access(file, os.X_OK):
        return f"program {program!r} is not executable: `chmod +x {shlex.quote(shown(file))}`"
    try:
        with file.open("rb") as script:
            first = script.readline(_LONGEST)
    except OSError:
        return ""  # executable, but not readable
    return _of_first_line(first, file, program, path) if first.startswith(b"#!") else ""


def _of_first_line(first: bytes, file: Path, program: str, path: str) -> str:
    if first.endswith(b"\r\n"):
        mend = f"sed -i 's/\\r$//' {shlex.quote(shown(file))}"
        return f"program {program!r} has Windows line endings (CRLF), so that it cannot start: `{mend}`"
    words = first[2:].decode("utf-8", "replace").split()
    if not words:
        return ""
    interpreter = words[0]
    if not Path(interpreter).exists():
        return f"the first line of {program!r} names {interpreter!r}, which does not exist; install or correct it"
    by_env = interpreter in _ENV and len(words) > 1 and not words[1].startswith("-") and "=" not in words[1]
    if by_env and shutil.which(words[1], path=path) is None:
        return f"the first line of {program!r} names {words[1]!r}, which is not on the PATH; install or correct it"
    return ""


def warnings(settings: CommandSettings, folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A verb with a program that cannot begin as things are, or in a folder that does not exist: the verb's key, and
    why. An earlier step may still make it. The first verb stands for others with the same obstacle."""
    seen = set()
    for name, why in _warnings(settings, folder, environment):
        if why not in seen:
            seen.add(why)
            yield name, f"{name}: {why}"


def _warnings(settings: CommandSettings, folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    verbs = [(name, settings.verb(name)) for name in VERBS]
    if settings.inventory is not None and settings.inventory.command:
        verbs.append(("inventory", Verb(run=settings.inventory.command, cwd=settings.cwd, env=settings.env)))
    for name, verb in verbs:
        if verb is None or "$" in verb.cwd:
            continue
        cwd = (folder / verb.cwd).resolve()
        words = words_of(verb.run) if isinstance(verb.run, str) else verb.run
        if not cwd.is_dir():
            yield name, f"the working folder {cwd} does not exist"
        elif words and "$" not in words[0] and ("/" in words[0] or "PATH" not in verb.env):
            beside = "/" in words[0] and (folder / words[0]).is_file()
            path = environment.get("PATH", os.defpath)
            if why := obstacle(words[0], folder if beside else cwd, path, folder):
                yield name, why
