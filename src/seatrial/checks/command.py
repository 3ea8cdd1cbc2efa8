"""Whether a command ends as expected, on this host or on nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from seatrial.checks.content import held, holds, shown, unreadable
from seatrial.checks.per_node import OnNodes, on_each, text_of
from seatrial.expressions.text import uses
from seatrial.model import json_text
from seatrial.model.resource import Node
from seatrial.model.result import Category, Observation, failed, passed, unknown
from seatrial.model.values import Argv, Expression, Timeout, argv_of
from seatrial.registry import check
from seatrial.spi import Context, Finished
from seatrial.spi.link import NOT_FOUND, shell_complaint, untold


@check("command")
@dataclass(frozen=True, kw_only=True)
class Command(OnNodes):
    """A command ends with the right exit code and output: `command:test -f /etc/motd`."""

    expression_names: ClassVar[tuple[str, ...]] = ("exit_code", "stdout", "stderr", "json", "node")
    may_be_empty: ClassVar[tuple[str, ...]] = ("command", "input", "env")

    command: Argv
    """A list of arguments, or text for a shell: it ends at the first line that fails."""
    shell: str = ""
    """The shell of the text, with its options, such as `bash -eo pipefail`; default: `/bin/sh -e`, with `pipefail`
    where it has that."""
    on: str = ""
    """Nodes to run it on (a selector); by default it runs on this host."""
    exit_code: int = 0
    """The expected exit code."""
    contains: str | tuple[str, ...] = ()
    """Text required in its standard output."""
    lacks: str | tuple[str, ...] = ()
    """Text forbidden in its standard output. An output that is not readable as text is unknown."""
    that: Expression = Expression("")
    """CEL over `exit_code`, `stdout`, `stderr` (without the last line end), `json` (its output, if it is JSON),
    `node`."""
    input: str = ""
    """Text for its standard input."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Additional environment variables."""
    timeout: Timeout = Timeout(60.0)
    """Time limit."""

    text_pattern: ClassVar[str] = ":.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        return {"command": text_of(rest, "command", "command:test -f /etc/motd")}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if not self.command or (not isinstance(self.command, str) and not self.command[0]):
            yield "command", "the command is empty"

    def asks_others(self, ctx: Context) -> bool:
        return not self.on

    async def observe(self, ctx: Context) -> Observation:
        if not self.on:
            return await self._on_host(ctx)

        async def look(node: Node) -> Observation:
            argv = argv_of(self.command, shell=self.shell)
            run = ctx.link(node).run(argv, timeout=self.timeout, input=self.input, env=self.env or None)
            try:
                return await self._judge(ctx, await run, node.name)
            except TimeoutError as error:
                return self._late(error)

        return await on_each(ctx, self.on, look, self.exit_code)

    async def _on_host(self, ctx: Context) -> Observation:
        from seatrial.links.process.spawned import spawn

        argv, cwd = argv_of(self.command, shell=self.shell), ctx.document_folder
        try:
            done = await spawn(ctx, argv, cwd=cwd, env=self.env, timeout=self.timeout, input=self.input)
        except TimeoutError as error:
            return self._late(error)
        return await self._judge(ctx, done, "")

    def _late(self, error: TimeoutError) -> Observation:
        return failed("no end", f"an end within {self.timeout:g} s", str(error), Category.TIMEOUT)

    async def _judge(self, ctx: Context, done: Finished, node: str) -> Observation:
        said = shown(ctx, done.stderr or done.stdout)
        if done.exit_code == NOT_FOUND != self.exit_code:
            return unknown(f"program not found (exit code {NOT_FOUND}): {said}", self.exit_code)
        argv = argv_of(self.command, shell=self.shell) if isinstance(self.command, str) else ()
        complaint = "" if done.exit_code == NOT_FOUND else (untold if done.ok else shell_complaint)(argv, done.stderr)
        if complaint:
            return unknown(f"the shell could not run the command: {complaint}", self.exit_code)
        if done.exit_code != self.exit_code and done.accident:
            return unknown(f"exit code {done.exit_code}: {done.accident}: {said}", self.exit_code)
        if done.exit_code != self.exit_code:
            return failed(done.exit_code, self.exit_code, f"exit code {done.exit_code}: {said}")
        wrong = held(ctx, done.stdout, () if done.dropped else self.contains, self.lacks, "the output")
        if wrong is not None:
            return wrong
        if done.dropped and (self.contains or self.lacks or self.that):
            why = f"{done.dropped} bytes from the middle of the output were not kept: print less, or write a file"
            return unknown(why, self.exit_code, said)
        if not self.that:
            return passed(done.exit_code, self.exit_code)
        parsed: object = None
        try:
            parsed = json_text.loads(done.stdout)
        except ValueError as error:
            if uses(self.that, "json"):  # even `json != …` would be true
                return unknown(f"the output is not JSON ({error}), and `that` uses it", self.that, said)
        read = " ".join(
            text for name, text in (("stdout", done.stdout), ("stderr", done.stderr)) if uses(self.that, name)
        )
        if why := unreadable(read):
            return unknown(f"the output cannot be read: {why}", self.that)
        # As in the outputs of `custom_command`, so that the two can be compared.
        out, err = done.stdout.rstrip("\n"), done.stderr.rstrip("\n")
        names = {"exit_code": done.exit_code, "stdout": out, "stderr": err, "json": parsed}
        return await holds(ctx, self.that, shown(ctx, done.stdout), node=node, **names)
