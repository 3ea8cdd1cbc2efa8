"""The deployer's command line: a verb of the settings becomes a call, which runs under the trial's ledger."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from seatrial.errors import CannotTell, NotSupported, StepFailed
from seatrial.expressions import late
from seatrial.links.output import BoundedOutput
from seatrial.links.process import process_start
from seatrial.links.process.spawned import record, supervised, warn_of_secrets
from seatrial.model.resource import Node
from seatrial.model.values import Argv, argv_of, words_of
from seatrial.spi import Context, Finished
from seatrial.spi.output import LOG, Output
from seatrial.systems.command import verbs
from seatrial.systems.command.settings import CommandSettings, Verb
from seatrial.systems.machines import roots_of
from seatrial.systems.settings import fill, run_variables, secrets_of

LOOK_SECONDS = 120.0
"""Default time limit of `status`, `health` and the inventory's command, in seconds."""

DEADLINES = {"init": "deploy", "deploy": "deploy", "start": "start", "stop": "stop", "destroy": "destroy",
             "start_node": "start", "stop_node": "stop", "crash_node": "stop", "restart_node": "restart"}  # fmt: skip
"""Verb to the deadline of the suite that limits it."""


class Calls:
    """The calls of one trial."""

    def __init__(self, settings: CommandSettings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._number = 0
        self.ports: dict[str, str] = {}
        """Environment variable to leased port."""
        self._said: dict[str, str] = {}
        """Looking verb to its last output: only a changed one is kept again."""

    def call(self, ctx: Context, verb: str, node: Node | None = None, *, later: bool = False) -> verbs.Call:
        """A verb, ready to run; `later`: for the ledger, with secrets as templates and only its own environment."""
        declared = self._settings.verb(verb)
        if declared is None:
            raise NotSupported(f"the deployer has no command for {verb!r}; add one to the system's settings")
        roots, command = roots_of(node) if node else {}, declared.run
        if isinstance(command, str) and (plain := words_of(command)):
            command = plain  # text without any syntax of a shell means the same as a list
        flags = self._flags(ctx, verb, command)
        if isinstance(command, str) and flags:
            flags = [shlex.join(flags)]
        if isinstance(command, str):
            command = self._beside_document(command)
        program, *words = argv_of(command)
        named = fill(ctx, program, roots)
        beside = self.program(named)
        if later:
            names, hidden = {**ctx.names(), **roots}, secrets_of(ctx)
            first = late.keep(program, names, hidden) if beside == named else late.quote(beside, hidden)
            words, flags = late.keep(words, names, hidden), [str(late.quote(flag, hidden)) for flag in flags]
            env = {name: str(value) for name, value in late.keep(dict(declared.env), names, hidden).items()}
        else:
            first, words, env = beside, fill(ctx, words, roots), fill(ctx, dict(declared.env), roots)
        if isinstance(command, str):
            words, flags = [*words[:-1], " ".join([str(words[-1]), *flags])], []
        argv = tuple(str(word) for word in (first, *words, *flags))
        return verbs.Call(
            verb=verb,
            argv=argv,
            cwd=self.cwd(ctx, declared),
            env={**self.ports, **env} if later else {**ctx.environment(), **self.ports, **env},
            timeout=_timeout(ctx, verb) if declared.timeout is None else declared.timeout,
            accept=declared.exit_codes,
            grace=self._settings.grace,
        )

    async def lease_ports(self, ctx: Context) -> None:
        """Lease the declared ports that are not leased yet."""
        for name in self._settings.ports:
            variable = f"SEATRIAL_PORT_{name.upper().replace('-', '_')}"
            if variable not in self.ports:
                self.ports[variable] = str(await ctx.lease_port())

    def _flags(self, ctx: Context, verb: str, command: Argv) -> list[str]:
        """The suite's parameters as flags, for a verb that wants them."""
        flagged = self._settings.parameters_as_flags
        if flagged is None and ctx.suite.older_form and not isinstance(command, str):
            flagged = ("init",) if self._settings.init else ("deploy",)
        if verb not in (flagged or ()):
            return []
        unflagged = ctx.suite.unflagged
        return verbs.flags_of({name: value for name, value in ctx.suite.parameters.items() if name not in unflagged})

    def inventory(self, ctx: Context, argv: Sequence[str]) -> verbs.Call:
        """The command that prints the inventory, in the folder and environment of every verb."""
        env = {**ctx.environment(), **self.ports, **fill(ctx, dict(self._settings.env), {})}
        program = (self.program(argv[0]), *argv[1:])
        return verbs.Call(verb="inventory", argv=program, cwd=self.cwd(ctx), env=env, timeout=LOOK_SECONDS)

    def record(self, ctx: Context, verb: str) -> dict[str, object]:
        """A verb for the ledger."""
        call, hidden = self.call(ctx, verb, later=True), secrets_of(ctx)
        ours = run_variables(ctx)
        return {
            "argv": list(call.argv),
            "cwd": call.cwd,
            "env": {**{name: late.quote(value, hidden) for name, value in ours.items()}, **call.env},
            "timeout": call.timeout,
            "accept": list(call.accept),
            "grace": call.grace,
        }

    def program(self, program: str) -> str:
        """Look for a program with a path beside the document first."""
        beside = self._folder / program
        return str(beside) if "/" in program and beside.is_file() else program

    def _beside_document(self, text: str) -> str:
        """A text for a shell, with its first word as in a list: a program with a path is beside the document first."""
        first, space, rest = text.partition(" ")
        program = self.program(first)
        return text if program == first else f"{shlex.quote(program)}{space}{rest}"

    def cwd(self, ctx: Context, verb: Verb | None = None) -> str:
        """The working folder of a verb, or of all."""
        given = (verb or self._settings).cwd
        if not given and ctx.suite.older_form:
            return str(ctx.deploy_dir)
        return str((self._folder / fill(ctx, given, {})).resolve())

    async def run(self, ctx: Context, call: verbs.Call) -> Finished:
        """Run a call; its process is in the ledger while it runs. Processes it leaves running are the product."""
        warn_of_secrets(ctx, call.argv)
        supervisor = await supervised(ctx)
        self._number += 1
        name = f"{ctx.trial_id}-{call.verb}-{self._number}"
        call = replace(call, env={**call.env, "SEATRIAL_PYTHON": sys.executable})

        async def known(pid: int) -> None:
            await record(ctx, name, pid, process_start(pid, zombie=True))

        looking = call.verb in verbs.LOOKING
        with self._changed_answer(ctx, call.verb) if looking else ctx.keeping(call.verb) as output:
            try:
                return await verbs.run(call, supervisor, output, known)
            finally:
                await ctx.give_back("process", name)

    async def ask(self, ctx: Context, call: verbs.Call) -> Finished:
        """Run a call that only looks: CannotTell, and never StepFailed, when it ends badly."""
        try:
            return await self.run(ctx, call)
        except StepFailed as error:
            raise CannotTell(str(error), evidence=error.evidence) from error

    @contextmanager
    def _changed_answer(self, ctx: Context, verb: str) -> Iterator[Output]:
        """Keep the output of a looking verb when it has ended, unless it is the same as before."""
        answer = _Answer(ctx)
        try:
            yield answer
        finally:
            if (text := answer.kept.text()) != self._said.get(verb):
                self._said[verb] = text
                ctx.output(verb, text)


def _timeout(ctx: Context, verb: str) -> float:
    return ctx.deadline(DEADLINES[verb]) if verb in DEADLINES else LOOK_SECONDS


class _Answer:
    """The output of a looking verb; see spi.Output."""

    def __init__(self, ctx: Context) -> None:
        self.file = ctx.folder / LOG
        self.masked = ctx.masked
        self.kept = BoundedOutput(verbs.ANSWER)
        self.add = self.kept.add
