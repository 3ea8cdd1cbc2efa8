"""Ansible by its own programs: find them, run playbooks, and judge how these ended."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import CannotTell, Overrun, StepFailed, ToolMissing
from seatrial.links import process
from seatrial.links.ansible import keywords
from seatrial.links.ansible.events import Events
from seatrial.links.ansible.modules import meant
from seatrial.links.inventory import place_of
from seatrial.links.inventory.sources import said
from seatrial.links.output import beginning, end
from seatrial.links.paths import shown
from seatrial.links.process.supervision import Supervisor
from seatrial.spi import Finished
from seatrial.spi.output import Output

PLAYBOOK = "ansible-playbook"

OLDEST = (2, 15)
"""The oldest ansible-core that is supported."""

CALLBACKS = Path(__file__).with_name("callback")

EVENTS = "SEATRIAL_ANSIBLE_EVENTS"
"""The variable with the file for events."""

PATHS = "ANSIBLE_CALLBACK_PLUGINS"
"""The variable with the folders of callback plugins; it takes the place of the user's configuration."""

TAIL = 4000
"""Characters of output as evidence."""

ANSWERS = 60.0
"""Seconds for a question to one of the programs."""

# The program waits for a line before it begins: by then the ledger knows its process. If Seatrial dies first, it ends.
_GATE = 'read -r _ && exec "$@" </dev/null'

_VERSION = re.compile(r"(?:core |ansible-playbook )(\d+)\.(\d+)")
_NO_CONFIGURATION = "config file = None"
_VAULT = re.compile(r"vault|decrypt", re.IGNORECASE)

_NOT_INSTALLED = re.compile(r"couldn't resolve module/action(?: '(?P<module>[^']*)')?|the role '[^']*' was not found")
"""What Ansible says of a collection or a role that this machine lacks, or whose name is misspelt."""

_ATTRIBUTE = re.compile(r"'(?P<key>[^']+)' is not a valid attribute for an? (?P<of>\w+)")
_CONFLICT = re.compile(r"conflicting action statements: ([^\s,]+), ([^\s,.]+)")
"""What Ansible says of misspelt keys, in tasks as of two modules."""

REQUIREMENTS = ("requirements.yml", "collections/requirements.yml", "roles/requirements.yml")

BAD_OPTIONS = 5
"""Exit code for invalid options."""

Started = Callable[[int], Awaitable[None]]
"""Called with the process id before the program begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ansible:
    """The installed programs, and the callback plugins of the user's configuration."""

    program: str
    """The path of `ansible-playbook`."""
    callbacks: tuple[str, ...] = ()

    @property
    def inventory(self) -> str:
        """The path of `ansible-inventory`."""
        return str(Path(self.program).with_name("ansible-inventory"))


async def find(environment: Mapping[str, str], folder: Path, supervisor: Supervisor | None = None) -> Ansible:
    """The installed Ansible; ToolMissing when there is none, or one that is too old."""
    program = shutil.which(PLAYBOOK, path=environment.get("PATH"))
    if program is None:
        raise ToolMissing(f"the program {PLAYBOOK!r} does not exist: `pip install ansible-core`, or put it on PATH")

    async def ask(*words: str) -> Finished:
        try:
            return await process.run(words, cwd=folder, env=environment, timeout=ANSWERS, under=supervisor)
        except TimeoutError as error:
            raise CannotTell(f"{words[0]} did not answer within {ANSWERS:g} s") from error

    version = await ask(program, "--version")
    match = _VERSION.search(version.stdout)
    if match is None:
        raise ToolMissing(f"{program} does not say its version: {end(version.stderr.strip(), 300) or version.ended}")
    found = int(match[1]), int(match[2])
    if found < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise ToolMissing(f"{program} is {found[0]}.{found[1]}; ansible-core {needed} or newer is needed")
    if _NO_CONFIGURATION in version.stdout:
        return Ansible(program=program, callbacks=tuple(filter(None, environment.get(PATHS, "").split(":"))))
    dumped = await ask(str(Path(program).with_name("ansible-config")), "dump", "--format", "json")
    return Ansible(program=program, callbacks=tuple(_callbacks(dumped)))


def _callbacks(dumped: Finished) -> Iterable[str]:
    """The folders of callback plugins in Ansible's configuration."""
    try:
        settings = json.loads(dumped.stdout)
    except ValueError as error:
        raise CannotTell(f"ansible-config printed no JSON: {said(dumped)}", evidence=dumped.stderr) from error
    for setting in settings:
        if isinstance(setting, Mapping) and setting.get("name") == "DEFAULT_CALLBACK_PLUGIN_PATH":
            value = setting.get("value") or ()
            yield from value if isinstance(value, list) else str(value).split(":")


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbooks:
    """A run of playbooks, ready to begin."""

    verb: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    timeout: float
    sources: tuple[Path, ...] = ()
    """Its inventories."""


async def run(
    call: Playbooks, ansible: Ansible, events: Events, under: Supervisor, output: Output, started: Started | None = None
) -> None:
    """Run playbooks to their end. StepFailed when a task failed, CannotTell when a host was unreachable, when nothing
    ran or something else ended it, Overrun when it took too long."""
    if not Path(call.cwd).is_dir():
        raise CannotTell(f"{_named(call)}: the folder {call.cwd} does not exist")
    events.file.unlink(missing_ok=True)
    events.file.touch(mode=0o600)
    env = {
        **call.env,
        EVENTS: str(events.file),
        PATHS: ":".join([*ansible.callbacks, str(CALLBACKS)]),
        "ANSIBLE_NOCOLOR": "true",
        "PYTHONUNBUFFERED": "1",
    }

    def add(data: bytes) -> None:
        output.add(data)
        events.read_on()

    argv = ["/bin/sh", "-c", _GATE, "sh", *call.argv]
    try:
        done = await process.run(
            argv, cwd=call.cwd, env=env, timeout=call.timeout, input="\n", started=started, output=add, under=under
        )
    except process.TimedOut as error:
        events.read_on()
        last = f"; it was at {events.results[-1]}" if events.results else ""
        text = f"{_named(call)} did not end within {call.timeout:g} s{last}"
        raise Overrun(text, evidence=end(error.stdout + error.stderr, TAIL)) from None
    finally:
        events.read_on()
        events.file.unlink(missing_ok=True)
    judge(call, done, events, f"; the output is in {shown(output.file)}")


def _named(call: Playbooks) -> str:
    return " ".join(_playbooks(call)) or call.argv[0]


def _playbooks(call: Playbooks) -> list[str]:
    inventories = set(map(str, call.sources))
    named = [word for word in call.argv if word.endswith((".yml", ".yaml")) and not word.startswith("@")]
    return [word for word in named if word not in inventories]


def judge(call: Playbooks, done: Finished, events: Events, where: str) -> None:
    """Return when the playbooks did their work; see `run` for the errors."""
    what, evidence = _named(call), end(done.stdout + done.stderr, TAIL)
    if done.accident:
        raise CannotTell(f"{what} {done.ended}: {done.accident}{where}", evidence=evidence)
    silent = [result for result in events.results if result.kind == "unreachable" and result.host in events.unreachable]
    if events.failures:
        failed = [result for result in events.results if result.kind == "failed" and result.host in events.failures]
        text = _first(failed, events.failures, "failed", silent)
        raise StepFailed(f"{what}: {text}{_undefined(text)}{where}", evidence=evidence)
    if events.unreachable:
        text, host = _first(silent, events.unreachable, "is unreachable", []), next(iter(events.unreachable))
        place = place_of(call.sources, Path(call.cwd, next(iter(_playbooks(call)), "")).parent, host)
        hint = f"; its way in is in the inventory ({place}): ansible_host, ansible_port, ansible_user of {host}"
        raise CannotTell(f"{what}: {text}{hint}{where}", evidence=evidence)
    if events.failures is None or not done.ok:
        text = f"{what} {done.ended}: {beginning(said(done), 500)}{where}"
        if lacks := _NOT_INSTALLED.search(said(done)):
            near = meant(lacks["module"] or "")
            listed = next((name for name in REQUIREMENTS if (Path(call.cwd) / name).is_file()), "")
            named = f"-r {listed}`" if listed else "NAME`, or `ansible-galaxy collection install NAME`"
            hint = f"did you mean {near!r}? Else: is" if near else "is"
            raise ToolMissing(f"{text}; {hint} it installed? `ansible-galaxy install {named}", evidence=evidence)
        if hint := _meant(said(done)):
            raise StepFailed(f"{text}; {hint}", evidence=evidence)
        if done.exit_code == BAD_OPTIONS or _VAULT.search(said(done)):
            raise CannotTell(text, evidence=evidence)  # it says nothing of the product
        raise StepFailed(text, evidence=evidence)
    if not events.results:
        why = "; ".join(map(str, events.unmatched)) or "it has no task for any host"
        raise CannotTell(f"{what} did nothing: {why}{where}")


def _meant(text: str) -> str:
    """A hint at the key that was meant; empty: it is another error."""
    if two := _CONFLICT.search(text):
        near = keywords.meant(two[1], "task") or keywords.meant(two[2], "task")
        return f"did you mean {near!r}?" if near else "a task has one module: indent its arguments below it"
    if (wrong := _ATTRIBUTE.search(text)) is None:
        return ""
    kind: keywords.Kind = "play" if wrong["of"] == "Play" else "block" if wrong["of"] == "Block" else "task"
    if near := keywords.meant(wrong["key"], kind):
        return f"did you mean {near!r}?"
    of = keywords.misplaced(wrong["key"]) if kind == "play" else ""
    return f"it belongs to {of}" if of else ""


def _undefined(text: str) -> str:
    """A hint at where a variable gets its value."""
    undefined = re.search(r"'(\w+)' is undefined", text)
    hint = "write `variables: {{{}: …}}` into `system:`, or the variable into `vars:`, `group_vars/` or a default"
    return f"; {hint.format(undefined[1])}" if undefined else ""


def _first(results: Sequence[object], hosts: Mapping[str, int], did: str, others: Sequence[object]) -> str:
    """The first of these results, and how many more hosts have one."""
    first = str(results[0]) if results else f"a task {did} on {next(iter(hosts))}"
    more = f"; {len(hosts)} hosts in all: {', '.join(sorted(hosts))}" if len(hosts) > 1 else ""
    return first + more + (f"; and unreachable: {others[0]}" if others else "")
