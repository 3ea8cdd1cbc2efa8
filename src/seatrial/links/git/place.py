"""The keys of steps about a repository by its URL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from seatrial.links.git.remote import Remote
from seatrial.model.values import Timeout
from seatrial.spi import Context


@dataclass(frozen=True, kw_only=True)
class AtRepository:
    """A repository and a way to it."""

    url: str
    """The URL of the repository, over HTTP or SSH, or an absolute path. SSH takes your own `ssh` with its settings, and
    never asks."""
    user: str = ""
    """The user name for HTTP."""
    token: str = ""
    """A token or password for HTTP, such as `${{ secrets.GIT_TOKEN }}`."""
    ssh_key: str = ""
    """The file of a private key for SSH, relative to the document; by default your own `ssh` chooses."""
    trust_first_key: bool = False
    """SSH: trust the host key that the server shows first, and no other one for the rest of the trial. By default your
    `known_hosts` must have it."""
    timeout: Timeout = Timeout(60.0)
    """Time limit for each call of git."""

    def wrong_repository(self) -> Iterable[tuple[str, str]]:
        """The problems with the URL."""
        if self.url.startswith("-") or not ("://" in self.url or ":" in self.url or self.url.startswith("/")):
            yield "url", "invalid URL; allowed: https://HOST/PATH, ssh://HOST/PATH, USER@HOST:PATH, /PATH"
        elif urlsplit(self.url).password and not self.url.startswith(("http://", "https://")):
            yield "url", "only HTTP takes a password: it would be an argument of git; use an SSH key"

    def wrong_key(self, folder: Path, key: str = "ssh_key") -> Iterable[tuple[str, str]]:
        """The problem with the file of a key."""
        if (name := getattr(self, key)) and not (folder / name).is_file():
            yield key, f"{name} does not exist in {folder}"

    def remote(self, ctx: Context) -> Remote:
        """The repository; its secrets are masked from now on."""
        hosts = ""
        if self.trust_first_key:
            file = ctx.state / "git" / "known_hosts"
            file.parent.mkdir(mode=0o700, exist_ok=True)
            hosts = str(file)
        key = str(ctx.document_folder / self.ssh_key) if self.ssh_key else ""
        remote = Remote(
            url=self.url, token=self.token.strip(), user=self.user, ssh_key=key, host_keys=hosts, timeout=self.timeout
        )
        for secret in remote.secrets():
            ctx.secret(secret)
        return remote
