"""Repositories and users of a run: made with its mark, and removed only where they are its own.

Each is known by its id and the time of its creation, as the server said when it was made. Where a crash came before
that answer, it is known by the mark, which is in the request that makes it. A name alone proves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from seatrial.errors import CannotTell
from seatrial.links.gitea import Denied, Gitea, GiteaRefused, Mark, Taken

Detail = MutableMapping[str, Any]
"""What the ledger has of a repository or a user: enough to remove it."""

LOOKS, PAUSE = 7, 0.5
"""Looks for a thing whose making had no answer, and the seconds between them."""

T = TypeVar("T")

SCOPES = ("write:repository", "write:issue", "read:user")
"""The rights of a run's own token, within the only repository that its user has."""


async def make_repository(gitea: Gitea, detail: Detail, body: Mapping[str, object]) -> Mapping[str, Any]:
    """Make it, and add to the detail by what it is known. The detail has its `owner` and `name`, and `me`: whose login
    this is."""
    mine = detail["owner"].lower() == str(detail["me"]).lower()
    paths = ["/user/repos"] if mine else [f"/orgs/{detail['owner']}/repos", f"/admin/users/{detail['owner']}/repos"]
    try:
        made: Mapping[str, Any] = await _first(gitea, paths, body)
    except GiteaRefused as error:
        _note_refusal(detail, error)
        if isinstance(error, Taken):
            what = f"{gitea.place} has a repository {detail['owner']}/{detail['name']} already"
            raise Taken(what, error.status) from None
        raise
    detail.update(id=int(made["id"]), created=str(made["created_at"]))
    return made


async def _first(gitea: Gitea, paths: Sequence[str], body: Mapping[str, object]) -> Any:
    """The answer of the first path that there is: an owner is the user itself, an organisation, or another user."""
    for path in paths[:-1]:
        answer = await gitea.ask("POST", path, json=body)
        if answer.status < 300:
            return answer.json()
    try:
        return await gitea.change("POST", paths[-1], body)
    except GiteaRefused as error:
        if len(paths) == 1 or error.status not in (403, 404):
            raise
        why = f"this login sees no organisation of the name in `owner`, and cannot write for another user: {error}"
        raise GiteaRefused(why, error.status) from None


def _note_refusal(detail: Detail, error: GiteaRefused) -> None:
    """A refused request has made nothing, for certain; one without an answer may have."""
    if 400 <= error.status < 500:
        detail["refused"] = True


async def remove_repository(gitea: Gitea, detail: Mapping[str, Any]) -> None:
    """Remove it, whatever its name is now; already gone is success. A repository that the run did not make stays."""
    if detail.get("refused"):
        return
    await _require_login(gitea, detail)
    if id := detail.get("id"):
        there = await gitea.repository_by_id(id)
        # A server that was set up again gives the same ids to others.
        ours = there is not None and (
            str(there["created_at"]) == detail["created"] or _marked(there.get("description"), detail)
        )
    else:
        there = await _appeared(lambda: gitea.repository(f"{detail['owner']}/{detail['name']}"))
        ours = there is not None and _marked(there.get("description"), detail)
    if there is not None and ours:
        await gitea.ask("DELETE", f"/repos/{quote(str(there['full_name']))}")


async def make_account(gitea: Gitea, detail: Detail, password: str) -> None:
    """Make a user that sees nothing but what it is given, and add to the detail by what it is known."""
    login = str(detail["name"])
    body = {
        "username": login, "email": f"{login}@seatrial.invalid", "password": password, "full_name": detail["mark"],
        "must_change_password": False, "send_notify": False, "restricted": True, "visibility": "private",
    }  # fmt: skip
    try:
        made = await gitea.change("POST", "/admin/users", body)
    except GiteaRefused as error:
        _note_refusal(detail, error)
        if not isinstance(error, Denied):
            raise
        why = f"a user of the run's own (`account`) needs the token of an administrator: {error}"
        raise Denied(why, error.status) from None
    detail.update(id=int(made["id"]), created=str(made["created"]))


async def remove_account(gitea: Gitea, detail: Mapping[str, Any]) -> None:
    """Remove it with all that it has; already gone is success. A user that the run did not make stays."""
    if detail.get("refused"):
        return
    await _require_login(gitea, detail)
    path = f"/users/{quote(str(detail['name']))}"
    there = await (gitea.get(path) if detail.get("id") else _appeared(lambda: gitea.get(path)))
    if there is None:
        return
    ours = _marked(there.get("full_name"), detail)
    if ours or (int(there["id"]) == detail.get("id") and str(there["created"]) == detail["created"]):
        await gitea.ask("DELETE", f"/admin/users/{quote(str(there['login']))}?purge=true")


async def _appeared(look: Callable[[], Awaitable[T | None]]) -> T | None:
    """What a server has that may still be at work on a request whose sender died."""
    for turn in range(LOOKS):
        if turn:
            await asyncio.sleep(PAUSE)
        if (there := await look()) is not None:
            return there
    return None


async def token_for(gitea: Gitea, login: str, password: str) -> str:
    """A token of a user of the run's own."""
    own = Gitea(gitea.server, password, login, gitea.timeout, gitea.web)
    made = await own.change("POST", f"/users/{quote(login)}/tokens", {"name": "seatrial", "scopes": list(SCOPES)})
    return str(made["sha1"])


def server_gone(detail: Mapping[str, Any]) -> bool:
    """Whether the server was a shared service of this machine whose data were removed: all of it is gone with them."""
    folder = str(detail.get("folder") or "")
    if not folder:
        return False
    try:
        return Path(folder).stat().st_ino != int(detail["inode"])
    except FileNotFoundError:
        return True


async def _require_login(gitea: Gitea, detail: Mapping[str, Any]) -> None:
    """A private repository is missing to a stranger's login: only with the first one's is a 404 an answer."""
    me = await gitea.me()
    if str(detail.get("me") or "").lower() != me.lower():
        raise CannotTell(
            f"{detail['name']} at {gitea.place} was made by {detail.get('me') or 'an unknown user'}, and this token is "
            f"of {me or 'an unknown user'}: set the first one's, and run `seatrial clean`"
        )


def _marked(text: object, detail: Mapping[str, Any]) -> bool:
    mark = Mark.of(text)
    return mark is not None and str(mark) == str(detail["mark"])
