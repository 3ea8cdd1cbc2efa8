"""Deployers in a folder: a command line with verbs, a pair of scripts, or the targets of a Makefile."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from seatrial.spi import Recognised
from seatrial.systems.machines.recognition import container_verbs

LARGEST = 512 * 1024
"""Bytes of a file that is read for its verbs."""

VERBS = {
    "init": ("init",),
    "deploy": ("deploy", "up"),
    "destroy": ("destroy", "teardown", "undeploy", "uninstall", "down", "remove", "delete", "cleanup"),
    "stop_node": ("stop-node", "stop_node"),
    "start_node": ("start-node", "start_node"),
    "crash_node": ("crash-node", "crash_node", "kill-node", "kill_node"),
    "restart_node": ("restart-node", "restart_node"),
}
"""Seatrial's verb to the words for it in deployers, the likeliest first."""

OF_NODE = {"stop": "stop_node", "start": "start_node", "crash": "crash_node", "kill": "crash_node"}
"""A verb for one node where it takes a second word."""

WITH_NODE = ("stop_node", "start_node", "crash_node", "restart_node")
LOOKING = ("status", "health")
FOLDERS = ("", "bin", "scripts")
ENDINGS = ("", ".sh", ".bash", ".py")
INVENTORY = re.compile(r"(?<![\w./-])(?:\./)?((?:[\w-]+/)*(?:inventory|hosts)[\w-]*\.(?:ini|ya?ml|json|cfg))(?![\w-])")
"""The name of an inventory, as scripts write it."""

PORT = re.compile(r"\bSEATRIAL_PORT_([A-Z0-9_]+)")
"""A port that the deployer takes from Seatrial."""

PORT_OF_NODE = re.compile(r"(?<![\w-])([a-z][a-z0-9_]*)_port[\"']?\s*[=:]")
"""The variable of a node with a port, in an inventory or in what writes it."""

JSON_STATE = re.compile(r"""\\?["'](?:state|status)\\?["']\s*:""")
"""A key that JSON of a status has."""

PROBE = "# how your service on a node is asked: `http`, `tcp` or `command`"
NO_DESTROY = "the command that removes everything, and succeeds when there is nothing left, as `destroy:`"
NO_INVENTORY = "what names the machines after `deploy`, as `inventory: {file: …}` or `inventory: {command: [...]}`"

_Has = Callable[[str], bool]


def recognise(folder: Path, way: str) -> Recognised | None:
    """The deployer of a folder; None: there is none."""
    for find in (_command_line, _makefile, _taskfile, _scripts, _package):
        found = find(folder)
        if found is not None:
            files, verbs, looking = found
            return _told(folder, way, files, verbs, looking)
    return None


_Found = tuple[tuple[str, ...], dict[str, str], dict[str, str]]
"""The files, Seatrial's verbs with their commands, and the verbs that may print JSON with theirs."""


def _command_line(folder: Path) -> _Found | None:
    """One program with at least `deploy` and a verb that removes."""
    for name in _programs(folder):
        text = _text(folder / name)
        verbs = _verbs(lambda word, text=text: bool(_case(word).search(text)))  # type: ignore[misc]
        for word, verb in OF_NODE.items():
            if verb not in verbs and _second_word(word).search(text):
                verbs[verb] = word
        if {"deploy", "destroy"} <= set(verbs):
            looking = {verb: f"./{name} {verb}" for verb in LOOKING if _case(verb).search(text)}
            return (name,), {verb: f"./{name} {word}" for verb, word in verbs.items()}, looking
    return None


def _taskfile(folder: Path) -> _Found | None:
    """The tasks of Task."""
    names = (f"{stem}{ending}" for stem in ("Taskfile", "taskfile") for ending in (".yml", ".yaml", ".dist.yml"))
    name = next((name for name in names if (folder / name).is_file()), "")
    return _by_runner(name, _keys(folder / name, "tasks"), "task") if name else None


def _package(folder: Path) -> _Found | None:
    """The scripts of npm."""
    name = "package.json"
    return _by_runner(name, _keys(folder / name, "scripts"), "npm run --silent") if (folder / name).is_file() else None


def _keys(file: Path, key: str) -> set[str]:
    """The names in a mapping of a YAML or JSON file; none if it cannot be read."""
    try:
        found = yaml.safe_load(_text(file))
    except yaml.YAMLError:
        return set()
    names = found.get(key) if isinstance(found, dict) else None
    return set(map(str, names)) if isinstance(names, dict) else set()


def _by_runner(name: str, there: Collection[str], runner: str) -> _Found | None:
    """The verbs among the targets of a file, each started by its runner."""
    verbs = _verbs(there.__contains__)
    if "deploy" not in verbs:
        return None
    # How a target takes the name of a node is the file's own matter.
    made = {verb: f"{runner} {word}" for verb, word in verbs.items() if verb not in WITH_NODE}
    return (name,), made, {verb: f"{runner} {verb}" for verb in LOOKING if verb in there}


def _makefile(folder: Path) -> _Found | None:
    name = next((name for name in ("GNUmakefile", "makefile", "Makefile") if (folder / name).is_file()), "")
    targets = set(re.findall(r"^([\w-]+)\s*::?(?!=)", _text(folder / name), re.MULTILINE)) if name else set()
    return _by_runner(name, targets, "make")


def _scripts(folder: Path) -> _Found | None:
    """One script for each verb."""
    there = set(_programs(folder))

    def script(word: str) -> str:
        names = (f"{below}/{word}{ending}".lstrip("/") for below in FOLDERS for ending in ENDINGS)
        return next((name for name in names if name in there), "")

    verbs = _verbs(lambda word: bool(script(word)))
    if "deploy" not in verbs:
        return None
    scripts = {verb: script(word) for verb, word in verbs.items()}
    looking = {verb: f"./{name}" for verb in LOOKING if (name := script(verb))}
    return tuple(scripts.values()), {verb: f"./{name}" for verb, name in scripts.items()}, looking


def _verbs(has: _Has) -> dict[str, str]:
    """Each of Seatrial's verbs with the deployer's word for it."""
    found = {verb: next(filter(has, words), "") for verb, words in VERBS.items()}
    return {verb: word for verb, word in found.items() if word}


def _case(word: str) -> re.Pattern[str]:
    """A verb in a program: a label of `case`, a quoted word, or a function."""
    label = rf"(?:^|\bin\b|;;)\s*(?:[\w|* -]+\|\s*)?{word}(?:\s*\|[\w|* -]+)?\)"
    function = rf"^\s*(?:def|function)\s+(?:cmd_)?{word}\b"
    return re.compile(rf"""{label}|["']{word}["']|{function}""", re.MULTILINE)


def _second_word(verb: str) -> re.Pattern[str]:
    """A verb of a shell script that reads a second word: the node."""
    return re.compile(rf"(?:^|\bin\b|;;)\s*{verb}\)(?:(?!;;).)*\$\{{?2\b", re.MULTILINE | re.DOTALL)


def _programs(folder: Path) -> Iterator[str]:
    """The executable text files of a folder, and of those below it where scripts are."""
    for below in FOLDERS:
        for file in sorted((folder / below).glob("*")) if (folder / below).is_dir() else ():
            if file.is_file() and os.access(file, os.X_OK) and _text(file):
                yield f"{below}/{file.name}".lstrip("/")


def _text(file: Path) -> str:
    """The text of a file; empty for others than small text files."""
    try:
        return file.read_text("utf-8") if file.stat().st_size <= LARGEST else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _told(
    folder: Path, way: str, files: Sequence[str], verbs: Mapping[str, str], looking: Mapping[str, str]
) -> Recognised:
    lines = [f"cwd: {way} # the folder of {', '.join(files)}"]
    for verb, command in verbs.items():
        node = ', "${{ node.name }}"' if verb in WITH_NODE else ""
        lines.append(f"{verb}: [{', '.join(command.split())}{node}]")
    if "destroy" not in verbs:
        lines.append(f"# needed: {NO_DESTROY}")
    texts = [_text(folder / name) for name in files]
    inventory, listed = _inventory(folder, files, texts)
    if not set(WITH_NODE) & set(verbs):
        lines += container_verbs([*texts, listed])
    if ports := dict.fromkeys(name.lower() for text in texts for name in PORT.findall(text)):
        lines.append(f"ports: [{', '.join(ports)}]")
    lines.append(f"inventory: {inventory}" if inventory else f"# needed: {NO_INVENTORY}")
    probe = _port_name([*texts, listed])
    lines.append(f"health: {{tcp: {probe}}} {PROBE}" if probe else f"# health: {{tcp: 5432}} {PROBE}")
    lines += [_look(folder, verb, command) for verb, command in looking.items()]
    return Recognised(files=tuple(files), settings="\n".join(lines) + "\n", prepare="init" in verbs)


def _look(folder: Path, verb: str, command: str) -> str:
    """The setting for `status` or `health`: a comment, unless its program shows that `status` prints JSON."""
    words = command.split()
    setting = f"{verb}: [{', '.join(words)}]"
    text = _text(folder / words[0]) if words[0].startswith("./") else ""
    if verb == "status" and _status_is_json(text, verb if len(words) > 1 else ""):
        return f"{setting} # it prints JSON"
    return f"# {setting} # if it prints JSON, it can tell more"


def _port_name(texts: Iterable[str]) -> str:
    """The first named port that an inventory gives to its nodes: `redis` for `redis_port`."""
    lines = (line for text in texts for line in text.splitlines() if "ansible_host" in line)
    named = (name for line in lines for name in PORT_OF_NODE.findall(line) if name != "ansible")
    return next(named, "")


def _status_is_json(text: str, verb: str) -> bool:
    """Whether a program prints JSON with a state: in the branch of this verb, where it is a shell script."""
    branch = re.search(rf"(?:^|\bin\b|;;)\s*{verb}\)(.*?);;", text, re.MULTILINE | re.DOTALL) if verb else None
    return bool(JSON_STATE.search(branch[1] if branch else text))


def _inventory(folder: Path, files: Sequence[str], texts: Sequence[str]) -> tuple[str, str]:
    """The settings for the inventory (in the folder, or written or printed by the deployer), and its present text."""
    names = [f"{name}{ending}" for name in ("inventory", "hosts") for ending in (".ini", ".yml", ".yaml", ".json", "")]
    there = next((name for name in names if (folder / name).is_file()), "")
    name = there or next((name for text in texts for name in INVENTORY.findall(text)), "")
    if name:
        return f"{{file: {name}}}", _text(folder / name)
    prints = len(files) == 1 and _case("inventory").search(texts[0])
    return (f"{{command: [./{files[0]}, inventory]}}" if prints else ""), ""
