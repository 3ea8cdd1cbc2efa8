"""The link to this machine, for nodes whose inventory says `ansible_connection=local`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.links.output import end, short
from seatrial.links.process import TimedOut
from seatrial.links.process.spawned import spawn
from seatrial.spi import Context, Finished
from seatrial.spi.link import Command

FILE_SECONDS = 600.0

ABSENT, NOT_REGULAR = 44, 45
"""Exit codes of the scripts for files."""

FROM, TO = "SEATRIAL_FROM", "SEATRIAL_TO"
"""Variables with paths of files: a name can have a secret in it, and every user can read command lines."""

GET = f'[ -e "${FROM}" ] || exit {ABSENT}; [ -f "${FROM}" ] || exit {NOT_REGULAR}; exec cat <"${FROM}" >"${TO}"'
PUT = f'[ -f "${TO}" ] || ! [ -e "${TO}" ] || exit {NOT_REGULAR}; exec cat <"${FROM}" >"${TO}"'

EXEC = ("/bin/sh", "-c", 'exec "$@"', "sh")
"""A shell's exit codes for programs that are missing or not executable."""


class LocalLink:
    """A link to this machine: see spi.Link for the contract of its methods.

    Commands run in the document's folder, in the trial's environment. What they leave running ends with the trial.
    """

    def __init__(self, name: str, ctx: Context, *, become: bool = False) -> None:
        self._name, self._ctx, self._become = name, ctx, become

    def __str__(self) -> str:
        return f"{self._name} (this machine)"

    async def run(
        self, command: Command, *, timeout: float = 60.0, input: str = "", env: Mapping[str, str] | None = None
    ) -> Finished:
        """Run a command; as root, through `sudo -n`, if the node's record says so."""
        return await self._ran(command, timeout, input, env, root=self._become)

    async def sudo(
        self, command: Command, *, timeout: float = 60.0, input: str = "", env: Mapping[str, str] | None = None
    ) -> Finished:
        """Run a command as root, through `sudo -n` for other users."""
        return await self._ran(command, timeout, input, env, root=True)

    async def put(self, local: Path, remote: str) -> None:
        """Copy a file."""
        if not local.exists():
            raise FileNotFoundError(f"{local} does not exist")
        await self._copied(PUT, str(local.absolute()), remote, f"put {remote}")

    async def get(self, remote: str, local: Path) -> None:
        """Copy a regular file; FileNotFoundError when it does not exist."""
        local.touch()  # before root writes it
        try:
            await self._copied(GET, remote, str(local.absolute()), f"get {remote}")
        except BaseException:
            local.unlink(missing_ok=True)
            raise

    async def close(self) -> None:
        """Does nothing: there is no connection."""

    async def _ran(
        self, command: Command, timeout: float, input: str, env: Mapping[str, str] | None, *, root: bool
    ) -> Finished:
        words = ["/bin/sh", "-c", command] if isinstance(command, str) else [*EXEC, *command]
        shown = short(command if isinstance(command, str) else " ".join(command))
        names = ",".join(env or {})
        if root and os.geteuid() != 0:
            words = ["sudo", "-n", *([f"--preserve-env={names}"] if names else []), "--", *words]
        try:
            return await spawn(
                self._ctx, words, cwd=self._ctx.document_folder, env=env or {}, input=input, timeout=timeout
            )
        except TimedOut as error:
            text = f"{self}: `{shown}` did not end within {timeout:g} s"
            raise TimedOut(text, error.stdout, error.stderr) from None

    async def _copied(self, script: str, source: str, target: str, what: str) -> None:
        paths = {FROM: source, TO: target}
        done = await self.run(["/bin/sh", "-c", script], timeout=FILE_SECONDS, env=paths)
        if done.exit_code == ABSENT:
            raise FileNotFoundError(f"{self}: the file {source} does not exist")
        if done.exit_code == NOT_REGULAR:
            raise CannotTell(f"{self}: `{what}`: it is not a regular file")
        if not done.ok:
            raise CannotTell(f"{self}: `{what}`: {end(done.stderr.strip(), 300)}")
