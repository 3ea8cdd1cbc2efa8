"""Repositories at a server, by git's own program: branches, commits and files, in a folder that is removed afterwards.

No configuration of the user or the machine has a say, and none is changed. A password or token is handed over in git's
environment: it is never an argument of a process, and never part of a URL.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shlex
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from seatrial.errors import CannotTell, ToolMissing

HEADS = "refs/heads/"

LIMIT = 16 * 1024 * 1024
"""Bytes of a file read at most."""


SSH = b" -----BEGIN SSH SIGNATURE-----"


_NO_BRANCH = re.compile(r"[\s~^:?*\[\\]|@\{|/$|\.lock$")


class GitRefused(CannotTell):
    """Git has ended with a complaint."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said
        """All of the complaint."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit."""

    sha: str
    author: str
    email: str
    time: str
    """ISO 8601, of the committer."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A repository at a URL. Methods raise CannotTell if git cannot read it."""

    url: str
    token: str = ""
    """Sent as the password of HTTP."""
    user: str = ""
    ssh_key: str = ""
    """The file of a private key for SSH; empty: your own `ssh` chooses."""
    host_keys: str = ""
    """A file of host keys for SSH: a new server's first key is trusted and written there; empty: your own ones."""
    timeout: float = 30.0
    """Seconds for each call of git."""

    async def head(self, branch: str) -> str:
        """The commit of a branch (empty: the default branch); empty: there is no such branch."""
        ref = f"{HEADS}{branch}" if branch else "HEAD"
        told = await self.git(None, "ls-remote", "--", self.bare_url, ref)
        found = [line.split("\t") for line in told.decode(errors="replace").splitlines()]
        return next((parts[0] for parts in found if parts[-1] == ref), "")

    @asynccontextmanager
    async def fetched(self, branch: str) -> AsyncIterator[Fetched]:
        """The newest commit of a branch, without its history."""
        with tempfile.TemporaryDirectory(prefix="seatrial-git-") as name:
            folder = Path(name)
            await self.git(folder, "init", "--quiet", "--bare", ".")
            ref = f"{HEADS}{branch}" if branch else "HEAD"
            await self.git(folder, "fetch", "--quiet", "--no-tags", "--depth=1", "--", self.bare_url, ref)
            yield Fetched(self, folder)

    @property
    def bare_url(self) -> str:
        """The URL without a user's name and password."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
            return self.url
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def secrets(self) -> list[str]:
        """The texts to mask."""
        return [text for text in (self.token, unquote(urlsplit(self.url).password or "")) if text]

    def _settings(self) -> dict[str, str]:
        """Settings of each command."""
        settings = {"credential.helper": "", "core.askPass": "", "protocol.ext.allow": "never", "gc.auto": "0"}
        parts = urlsplit(self.url)
        if parts.scheme in ("http", "https"):
            settings["http.followRedirects"] = "initial"
            password = self.token or unquote(parts.password or "")
            user = self.user or unquote(parts.username or "") or ("seatrial" if password else "")
            if user or password:
                both = base64.b64encode(f"{user}:{password}".encode()).decode()
                settings[f"http.{self.bare_url}.extraHeader"] = f"Authorization: Basic {both}"
                settings["http.followRedirects"] = "false"  # git sends the header to any server it is led to
        return settings

    def _ssh(self) -> str:
        """The command for SSH, for a shell: git wants it so."""
        key = ["-i", self.ssh_key, "-o", "IdentitiesOnly=yes"] if self.ssh_key else []
        hosts = [f'UserKnownHostsFile="{self.host_keys}"', "StrictHostKeyChecking=accept-new"] if self.host_keys else []
        return shlex.join(["ssh", "-o", "BatchMode=yes", *key, *(word for one in hosts for word in ("-o", one))])

    async def git(
        self, folder: Path | None, *arguments: str, more: Mapping[str, str] | None = None, given: bytes | None = None
    ) -> bytes:
        """The output of git with these settings and this input; GitRefused with its complaint, CannotTell when it does
        not end."""
        settings = {**self._settings(), **(more or {})}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        env = {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS_REQUIRE": "never",
               "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
               "GIT_CONFIG_COUNT": str(len(settings)), "GIT_SSH_COMMAND": self._ssh()}  # fmt: skip
        for at, (name, value) in enumerate(settings.items()):
            env |= {f"GIT_CONFIG_KEY_{at}": name, f"GIT_CONFIG_VALUE_{at}": value}
        try:
            git = await asyncio.create_subprocess_exec(
                "git", *arguments, cwd=folder or "/", env=env,
                stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise ToolMissing("git is not installed; install the package git") from error
        try:
            async with asyncio.timeout(self.timeout):
                out, err = await git.communicate(given)
        except TimeoutError as error:
            raise CannotTell(f"git {arguments[0]} of {self.bare_url} took more than {self.timeout:g} s") from error
        finally:
            if git.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(git.pid, signal.SIGKILL)
                await git.wait()
        if git.returncode:
            lines = [line for line in err.decode(errors="replace").splitlines() if line.strip()]
            said = "; ".join(lines[-3:]).removeprefix("fatal: ") or f"exit code {git.returncode}"
            raise GitRefused(f"git {arguments[0]} of {self.bare_url}: {said}", "\n".join(lines))
        return out


@dataclass(frozen=True, slots=True)
class Fetched:
    """A fetched commit."""

    remote: Remote
    folder: Path

    async def commit(self) -> Commit:
        """The commit itself."""
        told = await self.remote.git(self.folder, "log", "-1", "--format=%H%x00%an%x00%ae%x00%cI%x00%B", "FETCH_HEAD")
        return Commit(*told.decode(errors="replace").rstrip("\n").split("\0"))

    async def file(self, path: str) -> bytes | None:
        """The content of a file; None: the commit has none at this path. CannotTell for a path that git reads as
        another one."""
        if not is_path(path):
            raise CannotTell(f"{path!r} is not the path of a file in a repository: write it as `git ls-files` does")
        listed = await self.remote.git(
            self.folder, "--literal-pathspecs", "ls-tree", "-z", "--long", "--full-tree", "FETCH_HEAD", "--", path
        )
        entries = [entry for entry in listed.decode(errors="replace").split("\0") if entry]
        if not entries:
            return None
        _, kind, sha, size = entries[0].partition("\t")[0].split()
        if kind != "blob":
            raise CannotTell(f"{path} is not a file in the repository but a {kind}")
        if int(size) > LIMIT:
            raise CannotTell(f"{path} has {size} bytes, read are {LIMIT} at most")
        return await self.remote.git(self.folder, "cat-file", "blob", sha)

    async def signature(self) -> Literal["", "ssh", "other"]:
        """The kind of the commit's signature, valid or not; empty: it has none."""
        raw = await self.remote.git(self.folder, "cat-file", "commit", "FETCH_HEAD")
        lines = raw.partition(b"\n\n")[0].splitlines()
        signed = next((line for line in lines if line.startswith((b"gpgsig ", b"gpgsig-"))), b"")
        return "ssh" if signed.endswith(SSH) else "other" if signed else ""

    async def distrust(self, signers: Path) -> str:
        """Why the SSH signature is not of one of these signers (git's `allowedSignersFile`); empty: it is."""
        if shutil.which("ssh-keygen") is None:
            raise ToolMissing("ssh-keygen is not installed; install the package openssh-client")
        try:
            settings = {"gpg.ssh.allowedSignersFile": str(signers)}
            await self.remote.git(self.folder, "verify-commit", "FETCH_HEAD", more=settings)
        except GitRefused as error:
            return str(error).partition(": ")[2]
        return ""


def is_path(path: str) -> bool:
    """Whether a path is written as git does: from the top of the repository, to a file."""
    return not {"", ".", ".."} & set(path.split("/"))


def is_branch(name: str) -> bool:
    """Whether git takes it for a branch; it says so itself, too."""
    return not (name.startswith(("-", "/", "refs/")) or ".." in name or _NO_BRANCH.search(name))
