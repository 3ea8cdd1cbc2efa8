"""Git over HTTP: `git clone` and `git push` of `http://127.0.0.1:P/acme/notes.git`, by git's own CGI program."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from seatrial_stand_ins.github import git
from seatrial_stand_ins.github.answer import Answer
from seatrial_stand_ins.github.asked import Refused, not_found

if TYPE_CHECKING:
    from seatrial_stand_ins.github.asked import Asked

GIT = re.compile(r"^/([^/]+/[^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)$")


async def serve_git(asked: Asked) -> Answer:
    """Answer as `git http-backend` does."""
    found = GIT.match(asked.path)
    assert found is not None
    repository = asked.forge.repositories.get(found[1])
    pushes = "git-receive-pack" in (found[2], asked.query.get("service"))
    if asked.token is None and (pushes or repository is None or repository.private):
        raise Refused(401, "Requires authentication", www_authenticate='Basic realm="GitHub"')
    if repository is None:
        raise not_found()
    if asked.token is not None and not asked.token.may("contents", "write" if pushes else "read"):
        raise Refused(403, f"Permission to {repository.name}.git denied to {asked.login}.")
    variables = {
        **git.environment(), "GIT_PROJECT_ROOT": str(repository.bare.parent), "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{repository.bare.name}/{found[2]}", "REQUEST_METHOD": asked.method,
        "QUERY_STRING": urlencode(asked.query), "CONTENT_TYPE": asked.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(asked.content)), "REMOTE_USER": asked.login, "REMOTE_ADDR": "127.0.0.1",
        "HTTP_CONTENT_ENCODING": asked.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": asked.headers.get("git-protocol", ""),
    }  # fmt: skip
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec(
        "git", "-c", "safe.directory=*", "http-backend", stdin=pipe, stdout=pipe, stderr=pipe, env=variables
    )
    async with asyncio.timeout(git.DEADLINE):
        said, complained = await program.communicate(asked.content)
    head, parted, body = said.partition(b"\r\n\r\n")
    if program.returncode != 0 or not parted:
        raise git.GitFailed(f"git http-backend ended with {program.returncode}: {complained.decode(errors='replace')}")
    headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n"))
    status = int(headers.pop("Status", "200").split(" ")[0])
    return Answer(status=status, content=body, headers={name.lower(): value for name, value in headers.items()})
