"""`git_repository`: a repository for this trial at a server of Gitea or Forgejo, removed at its end."""

from __future__ import annotations

import asyncio
import os
import secrets
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, cast
from urllib.parse import urlsplit

from seatrial.errors import CannotTell, UsageError
from seatrial.expressions import late
from seatrial.links.git.keys import KeyPair, make_key
from seatrial.links.gitea import Gitea, Mark, Taken
from seatrial.links.gitea.making import (
    Detail,
    make_account,
    make_repository,
    remove_account,
    remove_repository,
    server_gone,
    token_for,
)
from seatrial.links.gitea.place import NAME, AtGitea
from seatrial.links.gitea.state import deliveries_page, repository_page
from seatrial.model.resource import Resource
from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context

KIND = "git-repository"
ACCOUNT = "git-account"
OWNER = "step:git_repository"

UNDO = 10.0
"""Seconds to remove a repository whose step did not end; after that it is left to the sweep."""


@dataclass(frozen=True, kw_only=True)
class RepositoryWebhook:
    """A webhook of the repository."""

    url: str
    """The URL that the server calls. Gitea must be allowed to call it: `ALLOWED_HOST_LIST` in its `[webhook]`."""
    events: tuple[str, ...] = ("push",)
    """The events to call it for, such as `push`, `create`, `pull_request`."""
    secret: str = ""
    """The key by which the server signs the calls, such as `${{ secrets.HOOK }}`."""
    branches: str = "*"
    """Only for branches of this glob."""
    content_type: Literal["json", "form"] = "json"
    """The form of the body."""
    authorization: str = ""
    """The header `Authorization` of the calls."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """The URL must be one of HTTP."""
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            yield "url", "invalid URL; allowed: http://HOST[:PORT]/PATH, https://HOST[:PORT]/PATH"
        if not self.events:
            yield "events", "a webhook needs an event, such as `push`"

    def body(self) -> dict[str, object]:
        """The request that registers it."""
        config = {"url": self.url, "content_type": self.content_type, "secret": self.secret}
        return {
            "type": "gitea", "active": True, "events": list(self.events), "branch_filter": self.branches,
            "config": config, "authorization_header": self.authorization,
        }  # fmt: skip


@step("git_repository")
@dataclass(frozen=True, kw_only=True)
class GitRepository(AtGitea):
    """Make a repository for this trial at a server of Gitea or Forgejo; it is removed at the trial's end."""

    decides: ClassVar[bool] = False

    owner: str = ""
    """The organisation or user for the repository; default: the user with this token."""
    name: str = ""
    """Its name; default: $E2E_TEST_NAMESPACE, which has the trial's id. An existing repository is refused."""
    description: str = ""
    """Its description. The trial's mark follows it: by it the repository is recognised."""
    private: bool = True
    """Whether only its owner and collaborators see it."""
    default_branch: str = "main"
    """Its default branch."""
    empty: bool = False
    """Make it without a first commit."""
    webhooks: tuple[RepositoryWebhook, ...] = ()
    """Webhooks to register."""
    deploy_key: Literal["", "read", "write"] = ""
    """Register a new SSH key of this trial as a deploy key, with this right."""
    account: Literal["", "read", "write", "admin"] = ""
    """Make a user of this trial with this right on this repository, no other rights, and a token. The `token` must be
    an administrator's."""
    collaborators: Mapping[str, Literal["read", "write", "admin"]] = field(default_factory=dict)
    """Existing users and their rights on the repository."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        yield from self.wrong_place()
        for key in ("name", "owner"):
            text = getattr(self, key)
            if text and (not NAME.fullmatch(text) or text in (".", "..") or text.endswith((".git", ".wiki"))):
                yield key, "invalid name; allowed: letters, digits, `-`, `_`, `.`, at most 100, not ending in .git"
        for name in self.collaborators:
            if not NAME.fullmatch(name):
                yield "collaborators", f"invalid user name {name!r}"

    async def run(self, ctx: Context) -> Outputs:
        """CannotTell when the server does not answer, refuses the login, or has a repository of this name.

        Outputs: `url` (its page), `clone_url` (over `server`), `ssh_url`, `advertised_url` (in the server's own words,
        which may lead elsewhere), `name`, `owner`, `full_name`, `id`, `default_branch`, `server`, `hooks` (ids); with
        `account` `user`, `token`, `password`; with `deploy_key` `ssh_key` and `signers` (files) and `public_key`.
        """
        for hook in self.webhooks:
            for secret in (hook.secret, hook.authorization):
                ctx.secret(secret)
        async with self.gitea(ctx) as gitea:
            detail = await self._detail(ctx, gitea)
            full_name = f"{detail['owner']}/{detail['name']}"
            entry = f"{gitea.place}/{full_name}"
            if await gitea.repository(full_name) is not None:
                ours = ctx.holds(KIND, entry, owner=OWNER)
                whose = "this trial made it" if ours else "this trial did not make it, so it is left alone"
                raise Taken(f"{gitea.place} has a repository {full_name} already: {whose}; give another `name`", 409)
            text = f"{self.description} ({detail['mark']})" if self.description else detail["mark"]
            body = {
                "name": detail["name"], "description": text, "private": self.private, "auto_init": not self.empty,
                "default_branch": self.default_branch,
            }  # fmt: skip
            if ctx.trial_id not in detail["name"]:
                text = (
                    f"the name {detail['name']} has no `${{{{ trial.id }}}}`: of two trials at a time, one is refused"
                )
                ctx.log(text, "warning")
            try:
                made = await ctx.make(
                    KIND, entry, lambda: make_repository(gitea, detail, body), owner=OWNER, detail=detail,
                    outlives_host=True,
                )  # fmt: skip
                outputs = self._outputs(gitea, made)
                return {**outputs, **await self._prepared(ctx, gitea, full_name, detail)}
            except BaseException:
                await self._undo(ctx, entry)
                raise

    async def _undo(self, ctx: Context, entry: str) -> None:
        """A step that did not end leaves no half of a repository: a second attempt finds its name free."""
        for kind in (ACCOUNT, KIND):
            try:
                async with asyncio.timeout(UNDO):
                    await ctx.give_back(kind, entry)
            except Exception as error:  # noqa: BLE001  the first error is the one to tell; the sweep tries again
                ctx.log(f"{kind} {entry} is not removed yet: {error}", "warning")

    async def _detail(self, ctx: Context, gitea: Gitea) -> Detail:
        """What the ledger has of it, before it is made."""
        me = await gitea.me()
        owner = self.owner or me
        if not owner:
            raise CannotTell(f"{gitea.place} does not say whose token this is (right read:user): give an `owner`")
        detail: Detail = {
            "server": gitea.server, "user": self.user, "me": me, "owner": owner,
            "name": self.name or ctx.environment()["E2E_TEST_NAMESPACE"], "mark": str(Mark(ctx.trial_id, ctx.run_id)),
            **_kept_token(ctx, self.token), **_service_of(ctx, gitea.server),
        }  # fmt: skip
        return detail

    def _outputs(self, gitea: Gitea, made: Mapping[str, Any]) -> dict[str, object]:
        owner, name = str(made["full_name"]).split("/", 1)
        return {
            # Behind a port-forward the server's own URLs lead elsewhere.
            "url": f"{gitea.server}/{owner}/{name}", "clone_url": f"{gitea.server}/{owner}/{name}.git",
            "advertised_url": made["clone_url"], "ssh_url": made["ssh_url"], "name": name, "owner": owner,
            "full_name": made["full_name"], "id": made["id"], "server": gitea.server,
            "default_branch": made["default_branch"], "hooks": [], "user": "", "token": "", "password": "",
            "ssh_key": "", "public_key": "", "signers": "",
        }  # fmt: skip

    async def _prepared(self, ctx: Context, gitea: Gitea, full_name: str, detail: Detail) -> dict[str, object]:
        """Its hooks, keys and collaborators; returns their outputs."""
        home, made = f"/repos/{full_name}", dict[str, object]()
        if self.deploy_key:
            key = await _key(ctx, gitea.place, full_name)
            body = {"title": f"seatrial {ctx.trial_id}", "key": key.public, "read_only": self.deploy_key == "read"}
            await gitea.change("POST", f"{home}/keys", body)
            made |= {"ssh_key": str(key.private), "public_key": key.public, "signers": str(key.signers)}
        for user, right in self.collaborators.items():
            await gitea.change("PUT", f"{home}/collaborators/{user}", {"permission": right})
        if self.account:
            made |= await self._account(ctx, gitea, full_name, detail)
        made["hooks"] = [await _hook(gitea, home, hook) for hook in self.webhooks]
        return made

    async def _account(self, ctx: Context, gitea: Gitea, full_name: str, detail: Detail) -> dict[str, object]:
        """A user of the trial, with its right on this repository."""
        login = f"e2e-{ctx.trial_id}-{zlib.crc32(full_name.encode()):08x}"
        password = secrets.token_urlsafe(24)
        ctx.secret(password)
        own = {key: value for key, value in detail.items() if key not in ("id", "created", "owner")}
        own |= {"name": login, "repository": full_name}
        if self.account == "admin":
            own |= {"password_file": _private(ctx, password)}
        entry = f"{gitea.place}/{full_name}"
        await ctx.make(
            ACCOUNT, entry, lambda: make_account(gitea, own, password), owner=OWNER, detail=own, outlives_host=True
        )
        await gitea.change("PUT", f"/repos/{full_name}/collaborators/{login}", {"permission": self.account})
        token = await token_for(gitea, login, password)
        ctx.secret(token)
        return {"user": login, "token": token, "password": password}

    async def give_back(self, resource: Resource) -> None:
        """Remove what the run made, from the ledger's record alone (called on a bare instance)."""
        detail = resource.detail
        if server_gone(detail):
            return
        async with Gitea(str(detail["server"]), _token_of(detail), str(detail["user"])) as gitea:
            await (remove_account if resource.kind == ACCOUNT else remove_repository)(gitea, detail)

    async def show(self, resource: Resource) -> str:
        """The state of the repository, and the deliveries where a password is known (called on a bare instance)."""
        detail = resource.detail
        async with Gitea(str(detail["server"]), _token_of(detail), str(detail["user"])) as gitea:
            if resource.kind == ACCOUNT:
                return await self._show_deliveries(gitea, detail)
            name = f"{detail['owner']}/{detail['name']}"
            page = await repository_page(gitea, int(str(detail.get("id") or 0)), name)
            if not gitea.user:
                return page
            head, _, rest = page.partition("\n\n")
            seen, _, more = (await deliveries_page(gitea, gitea.user, gitea.token, name)).partition("\n\n")
            return f"{head}\n{seen}\n\n{rest}{more}" if seen else page

    async def _show_deliveries(self, gitea: Gitea, detail: Mapping[str, Any]) -> str:
        """With the password of the trial's own user, if it may see them."""
        file = Path(str(detail.get("password_file") or ""))
        if gitea.user or not file.is_file():
            return ""
        return await deliveries_page(gitea, str(detail["name"]), file.read_text(), str(detail["repository"]))


async def _hook(gitea: Gitea, home: str, hook: RepositoryWebhook) -> int:
    """Register a webhook; its id. The server accepts events that it does not know, and never calls for them."""
    made = await gitea.change("POST", f"{home}/hooks", hook.body())
    if unknown := [event for event in hook.events if event not in made["events"]]:
        known = ", ".join(made["events"]) or "none"
        raise UsageError(f"{gitea.place} does not know the events {', '.join(unknown)} of a webhook; it took {known}")
    return int(made["id"])


def _kept_token(ctx: Context, token: str) -> dict[str, str]:
    """The token for the clean-up: the name of its variable; of another one, a file in the trial's state folder."""
    if template := late.template_of(token, cast("Mapping[str, str]", ctx.names()["secrets"])):
        return {"token": template}
    return {"token_file": _private(ctx, token)}


def _private(ctx: Context, text: str) -> str:
    """A file in the trial's state folder with this secret; its path."""
    file = ctx.state / "git" / f"secret-{secrets.token_hex(8)}"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())  # the ledger's record of the repository survives a power loss, too
    return str(file)


def _token_of(detail: Mapping[str, Any]) -> str:
    if "token" in detail:
        return late.fill(str(detail["token"]), os.environ)
    file = Path(str(detail["token_file"]))
    try:
        return file.read_text()
    except OSError as error:
        why = f"its token is not there any more ({file}: {error.strerror}); remove {detail['name']} yourself"
        raise CannotTell(why) from error


def _service_of(ctx: Context, server: str) -> dict[str, object]:
    """The folder of the shared service that the server is: with its data all of it is gone."""
    services: Any = ctx.names().get("services") or {}
    for seen in services.values():
        folder = Path(str(seen.get("folder") or ""))
        if str(seen.get("url") or "").rstrip("/") == server and folder.is_absolute() and folder.is_dir():
            return {"folder": str(folder), "inode": folder.stat().st_ino}
    return {}


async def _key(ctx: Context, place: str, full_name: str) -> KeyPair:
    """The trial's SSH key for a repository."""
    return await make_key(ctx.state / "git", f"key-{zlib.crc32(f'{place}/{full_name}'.encode()):08x}")
