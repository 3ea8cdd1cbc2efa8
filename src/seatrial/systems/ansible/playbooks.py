"""The user's playbooks as they are written, read before a run: what Ansible would refuse, and what is odd.

Only Ansible understands them whole. What may be right, such as the module of a collection, is left to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from seatrial.links.ansible import keywords, modules

LISTS = ("pre_tasks", "tasks", "post_tasks", "handlers")
"""Keys of a play with tasks."""

SECTIONS = ("block", "rescue", "always")
ACTIONS = frozenset({"action", "local_action"})
MERGED = "<<"
"""The key for what another mapping of the file has: only Ansible's own reader puts the two together."""

Keys = Mapping[str, tuple[int, yaml.Node]]
"""The keys of a mapping, each with its line and its value."""


def unusable(playbook: Path) -> str:
    """Line and reason why a playbook cannot be run; empty: nothing is known."""
    try:
        plays = yaml.compose(playbook.read_text(encoding="utf-8"), yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return f"{mark.line + 1 if mark else 1}: it is not YAML: {error.problem or error}"
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        return f"1: it cannot be read: {error}"
    if not isinstance(plays, yaml.SequenceNode):
        return "1: it is not a list of plays: begin with `- hosts: GROUP`"
    return next((wrong for play in plays.value for wrong in _wrong_in_play(play)), "")


def _wrong_in_play(play: yaml.Node) -> Iterator[str]:
    keys = _keys(play)
    if any(key.rpartition(".")[2] == "import_playbook" for key in keys):
        return
    if "hosts" not in keys and not any(keywords.meant(key, "play") == "hosts" for key in keys):
        line = play.start_mark.line + 1
        yield f"{line}: a play needs `hosts`: write `- hosts: GROUP`, with its tasks below `tasks:`"
        return
    for key, (line, _) in keys.items():
        if key in keywords.KEYWORDS["play"]:
            continue
        if near := keywords.meant(key, "play"):
            yield f"{line}: a play has no key {key!r}; did you mean {near!r}?"
        elif of := keywords.misplaced(key):
            yield f"{line}: a play has no key {key!r}: it belongs to {of}, below `tasks:`"
    for key in LISTS:
        if key in keys:
            yield from _wrong_in_tasks(key, *keys[key])


def _wrong_in_tasks(key: str, line: int, tasks: yaml.Node) -> Iterator[str]:
    if isinstance(tasks, yaml.MappingNode):
        yield f"{line}: `{key}` is a list: write `- ` before each task below it"
    for task in tasks.value if isinstance(tasks, yaml.SequenceNode) else ():
        keys = _keys(task)
        if not keys or MERGED in keys:
            continue
        sections = [section for section in SECTIONS if section in keys]
        yield from _wrong_in_block(keys) if sections else _wrong_in_task(keys)
        for section in sections:
            yield from _wrong_in_tasks(section, *keys[section])


def _wrong_in_block(keys: Keys) -> Iterator[str]:
    for key, (line, _) in keys.items():
        if near := keywords.meant(key, "block"):
            yield f"{line}: a block has no key {key!r}; did you mean {near!r}?"


def _wrong_in_task(keys: Keys) -> Iterator[str]:
    """A task has one module; another key without a meaning is misspelt, or an argument in the wrong column."""
    unknown = [key for key in keys if key not in keywords.KEYWORDS["task"] and not key.startswith("with_")]
    named = [key for key in unknown if "." in key or key in modules.NAMES]
    if len(unknown) + len(ACTIONS & keys.keys()) < 2:
        return
    for key in (key for key in unknown if key not in named):
        line = keys[key][0]
        if near := keywords.meant(key, "task"):
            yield f"{line}: a task has no key {key!r}; did you mean {near!r}?"
        elif len(named) == 1 and not keys[named[0]][1].value:
            yield f"{line}: a task has no key {key!r}: indent the arguments of the module below `{named[0]}:`"
    if len(named) > 1:
        first, second, *_ = named
        yield f"{keys[second][0]}: a task has one module, and this one has {first!r} and {second!r}: begin another `- `"


def _keys(node: yaml.Node) -> Keys:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return {str(key.value): (key.start_mark.line + 1, value) for key, value in pairs}


def oddities(playbook: Path) -> Iterator[tuple[int, str]]:
    """Line and words for what is probably wrong in a playbook that can be read."""
    text = playbook.read_text(encoding="utf-8")
    for event in yaml.parse(text, yaml.SafeLoader):
        name = event.value if isinstance(event, yaml.ScalarEvent) else ""
        if name.startswith(modules.COLLECTION) and (near := modules.meant(name)):
            line = event.start_mark.line + 1 if event.start_mark else 1
            yield line, f"Ansible has no module {name!r}; did you mean {near!r}?"
    for keys in _plays(text):
        for key, (line, _) in keys.items() if "hosts" in keys else ():
            if key not in keywords.KEYWORDS["play"] and key != MERGED:
                yield line, f"the plays of ansible-core 2.20 have no key {key!r}"


def patterns(playbook: Path) -> Iterator[tuple[int, str]]:
    """Line and pattern of each play's `hosts`, unless it is a template."""
    for keys in _plays(playbook.read_text(encoding="utf-8")):
        line, value = keys.get("hosts", (0, None))
        words = value.value if isinstance(value, yaml.SequenceNode) else [value]
        pattern = ":".join(str(word.value) for word in words if isinstance(word, yaml.ScalarNode))
        if pattern and "{{" not in pattern:
            yield line, pattern


def _plays(text: str) -> Iterator[Keys]:
    plays = yaml.compose(text, yaml.SafeLoader)
    for play in plays.value if isinstance(plays, yaml.SequenceNode) else ():
        yield _keys(play)
