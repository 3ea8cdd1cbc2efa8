"""`custom_command`: the user's program, on this host or on nodes."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, Overrun, StepFailed, ToolMissing
from seatrial.expressions.evaluate import OURS
from seatrial.links.output import beginning
from seatrial.links.paths import project_of, shown
from seatrial.links.process import TimedOut
from seatrial.links.process.spawned import spawn
from seatrial.model import json_text
from seatrial.model.frozen import frozen
from seatrial.model.resource import Node
from seatrial.model.result import Category
from seatrial.model.scenario import Outputs
from seatrial.model.values import Argv, CutText, Timeout, argv_of
from seatrial.registry import step
from seatrial.spi import Context, Finished, FollowsOutput
from seatrial.spi.link import NO_PROGRAM, NOT_FOUND, shell_complaint, untold
from seatrial.spi.output import Output
from seatrial.steps.targets import by_node

SHOWN = 20
"""Maximum number of lines of output in a failure."""

KEPT = 65536
"""Maximum number of characters of each stream in the outputs, from its end; the suite's log has all. An expression
cannot judge a stream without its beginning."""

ENDLESS = 7 * 86400.0
"""Time limit in seconds for a command on a node if the step has no timeout: the link requires a number."""

FOLDER = "custom_commands"
"""The folder of scripts, beside the document or upward to the project's folder."""


@step("custom_command")
@frozen
class CustomCommand:
    """Run a command in the document's folder (or on nodes), and judge it by its exit code."""

    custom_command: Argv = ()
    """A list of arguments, or text for a shell: it ends at the first line that fails."""
    command: Argv = ()
    """The same, as in older documents."""
    shell: str = ""
    """The shell of the text, with its options, such as `bash -eo pipefail`; default: `/bin/sh -e`, with `pipefail`
    where it has that."""
    script: str = ""
    """A script and its arguments, in place of `custom_command`; Seatrial looks beside the document and in
    `custom_commands/` upward."""
    on: str = ""
    """Run it on these nodes, over their links. A node, or a selector: `n12`, `n12,n13`, `*`, `any` (a running one),
    `random:2`, or a role of the system (`leader`)."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Additional environment variables."""
    cwd: str = ""
    """The working folder, inside the document's folder."""
    stdin: str = ""
    """Text for its standard input."""
    expect_exit_code: int | tuple[int, ...] = 0
    """The expected exit code, or a list of them."""
    timeout: Timeout | None = None
    """Time limit for each attempt."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if [bool(self.custom_command), bool(self.command), bool(self.script)].count(True) != 1:
            yield "script" if self.script else "", "give exactly one of `custom_command` (or `command`) and `script`"
        if self.on and self.script:
            yield "script", "a script is on this host, but `on` runs on nodes: use `custom_command` with a path there"
        if self.on and self.cwd:
            yield "cwd", "`cwd` is a folder of this host, but `on` runs on nodes: begin the command with `cd`"
        if self.expect_exit_code == ():
            yield "expect_exit_code", "the list is empty: no exit code could pass"
        try:
            if self.script and not shlex.split(self.script):
                yield "script", "the script is empty"
        except ValueError as error:
            yield "script", f"cannot be split into a name and arguments: {error}"

    def check_files(self, folder: Path) -> Iterable[tuple[str, str]]:
        """Errors in the files it names, relative to the document's folder."""
        try:
            if self.script:
                find(shlex.split(self.script)[0], folder)
        except (CannotTell, ValueError, IndexError) as error:
            yield "script", str(error)
        try:
            if self.cwd and "$" not in self.cwd:
                inside(self.cwd, folder)
        except CannotTell as error:
            yield "cwd", str(error)

    @classmethod
    def check_templates(cls, fields: Mapping[str, Any], folder: Path) -> Iterable[tuple[str, str]]:
        """A script whose arguments alone have values to fill in."""
        name, *_ = str(fields.get("script") or "").split() or [""]
        if name and "$" not in name and not {'"', "'", "\\"} & set(name):
            try:
                find(name, folder)
            except CannotTell as error:
                yield "script", str(error)

    def node_names(self) -> Iterable[str]:
        return (self.on,) if self.on else ()

    def asks_others(self, ctx: Context) -> bool:
        return not self.on

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed (test) on another exit code, ToolMissing, Overrun after `timeout`.

        Outputs: `exit_code`, `stdout`, `stderr` (without the last line end), `json` (when stdout is JSON); with `on`
        the same of the first node, and `nodes` (by node).
        """
        if self.on:
            return await self._on_nodes(ctx)
        argv, cwd = self._argv(ctx), self._folder(ctx)
        with ctx.keeping("command") as output:
            try:
                done = await spawn(
                    ctx, argv, cwd=cwd, env=self.env, input=self.stdin, timeout=self.timeout, output=output.add
                )
            except TimedOut as error:
                evidence = _last(ctx, error.stdout, error.stderr, output.file)
                raise Overrun(str(error), evidence=evidence) from error
            return self._judged(ctx, done, output.file)

    def _argv(self, ctx: Context) -> Sequence[str]:
        if not self.script:
            return argv_of(self.custom_command or self.command, shell=self.shell)
        name, *arguments = shlex.split(self.script)
        return [str(find(name, ctx.document_folder)), *arguments]

    def _shell_argv(self) -> Sequence[str]:
        """The shell of a command written as text; empty: there is none."""
        text = "" if self.script else self.custom_command or self.command
        return argv_of(text, shell=self.shell) if isinstance(text, str) and text else ()

    def _folder(self, ctx: Context) -> Path:
        if not self.cwd:
            return ctx.document_folder
        # The deployer's own folder belongs to the trial, so it is allowed too.
        if Path(self.cwd).is_absolute() and Path(self.cwd).is_relative_to(ctx.folder):
            return inside(self.cwd, ctx.folder)
        return inside(self.cwd, ctx.document_folder)

    async def _on_nodes(self, ctx: Context) -> Outputs:
        nodes = await ctx.select(self.on)
        ours = {name: value for name, value in ctx.environment().items() if name.startswith(OURS)}
        env = {**ours, **self.env}

        async def one(node: Node) -> Outputs:
            with ctx.keeping(f"command on {node.name}") as output:
                done = await self._on(ctx, node, env, output)
                return self._judged(ctx, done, output.file, node.name)

        found = await by_node(nodes, one)
        return {**found[nodes[0].name], "nodes": found}

    async def _on(self, ctx: Context, node: Node, env: Mapping[str, str], output: Output) -> Finished:
        link = ctx.link(node)
        argv, limit = argv_of(self.custom_command or self.command, shell=self.shell), self.timeout or ENDLESS
        try:
            if isinstance(link, FollowsOutput):
                return await link.follow(argv, timeout=limit, input=self.stdin, env=env, output=output.add)
            done = await link.run(argv, timeout=limit, input=self.stdin, env=env)
        except TimeoutError as error:
            out, err = (error.stdout, error.stderr) if isinstance(error, TimedOut) else ("", "")
            if not isinstance(link, FollowsOutput):
                output.add((out + err).encode(errors="replace"))
            text = f"the command did not end on {node.name} within {limit:g} s"
            raise Overrun(text, evidence=_last(ctx, out, err, output.file)) from error
        output.add((done.stdout + done.stderr).encode(errors="replace"))
        return done

    def _judged(self, ctx: Context, done: Finished, log: Path, where: str = "") -> Outputs:
        expected = self.expect_exit_code if isinstance(self.expect_exit_code, tuple) else (self.expect_exit_code,)
        look = untold if done.ok else shell_complaint
        complaint = "" if done.exit_code == NOT_FOUND else look(self._shell_argv(), done.stderr)
        if complaint or done.exit_code not in expected:
            last = ctx.masked(done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
            text = beginning(last, 200)
            said = f": {text}" if text else ""
            place = f" on {where}" if where else ""
            evidence = _last(ctx, done.stdout, done.stderr, log)
            if complaint:
                raise ToolMissing(f"the shell could not run the command{place}: {complaint}", evidence=evidence)
            by_shell = where or self._shell_argv()
            if done.exit_code == NOT_FOUND and (by_shell or NO_PROGRAM.search(done.stderr)):
                raise ToolMissing(f"program not found{place}{said}", evidence=evidence)
            wanted = " or ".join(map(str, expected))
            message = f"the command {done.ended}{place}, expected {wanted}{said}"
            if done.accident:
                raise CannotTell(f"{message}: {done.accident}", evidence=evidence)
            raise StepFailed(message, category=Category.TEST, evidence=evidence)
        streams = {"stdout": _kept(done.stdout, done.dropped), "stderr": _kept(done.stderr, done.dropped)}
        parsed = None if done.dropped else _json(done.stdout)
        return {"exit_code": done.exit_code, **streams, **({} if parsed is None else {"json": parsed})}


def _kept(text: str, dropped: int) -> str:
    """A stream for the outputs; a long one is cut, and then no expression can judge it."""
    text = text.rstrip("\n")
    return text if len(text) <= KEPT else CutText.end(text, KEPT, dropped)


def _last(ctx: Context, stdout: str, stderr: str, log: Path) -> str:
    """The last lines of both streams; masked before, because a secret can go on over several lines."""
    streams = [ctx.masked(stdout).splitlines(), ctx.masked(stderr).splitlines()]
    more = [f"the whole output: {shown(log)}"] if any(len(lines) > SHOWN for lines in streams) else []
    return "\n".join([*(line for lines in streams for line in lines[-SHOWN:]), *more])


def _json(text: str) -> object | None:
    """The value, if the text is one JSON value; checking its first letter avoids parsing most texts."""
    begin = text.lstrip()[:1]
    if not begin or begin not in '{["-0123456789tf':
        return None
    try:
        value: object = json_text.loads(text, parse_constant=lambda _: None)
    except ValueError:
        return None
    return value


def find(name: str, document_folder: Path) -> Path:
    """The script's path; CannotTell if it is missing, not executable, or outside the project."""
    here = _plain(document_folder)
    root = project_of(here)
    looked = []
    for folder in [here, *(up / FOLDER for up in (here, *here.parents) if up.is_relative_to(root))]:
        path = _plain(folder / name)
        if not path.is_relative_to(root):
            raise CannotTell(f"the script {name!r} is outside the project {root}: keep it beside the document, "
                             f"or in a folder {FOLDER}/ of the project")  # fmt: skip
        if path.is_file():
            if not os.access(path, os.X_OK):
                raise CannotTell(f"the script {path} is not executable: run chmod +x on it")
            return path
        looked.append(str(path))
    raise CannotTell(f"script {name!r} does not exist; looked for: {', '.join(looked)}")


def inside(name: str, folder: Path) -> Path:
    """A path relative to a folder, or absolute in it; CannotTell if it leads out of it."""
    path = _plain(folder / name)
    if not path.is_relative_to(_plain(folder)):
        raise CannotTell(f"{name!r} leads out of {folder}")
    return path


def _plain(path: Path) -> Path:
    """Absolute and without `..`; links are kept, because a project may link to its own files."""
    return Path(os.path.normpath(path.absolute()))
