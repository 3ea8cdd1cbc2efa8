"""The repository, its branches, refs, commits and files; users, limits, and facts about the server."""

from __future__ import annotations

import base64
from urllib.parse import unquote

from seatrial_stand_ins.github.answer import Answer
from seatrial_stand_ins.github.asked import Asked, Endpoint, Refused, not_found
from seatrial_stand_ins.github.shapes import Json

HERE = "/repos/{owner}/{repo}"


async def meta(asked: Asked) -> Answer:
    """The first request of `gh` to an Enterprise server."""
    known: Json = {"verifiable_password_authentication": True, "hooks": [], "git": [], "actions": []}
    if asked.enterprise:
        known["installed_version"] = asked.forge.enterprise_version
    return Answer(json=known)


async def rate_limit(asked: Asked) -> Answer:
    """How much is left; asking costs nothing."""
    core = asked.forge.limits.of(asked.login)
    others = {"search": {**core, "limit": 30, "used": 0, "remaining": 30}, "graphql": {**core, "used": 0}}
    others["graphql"]["remaining"] = core["limit"]
    said: Json = {"resources": {"core": core, **others}}
    if asked.version == "2022-11-28":
        said["rate"] = core
    return Answer(json=said)


async def user(asked: Asked) -> Answer:
    """Who asks."""
    if asked.token is None:
        raise Refused(401, "Requires authentication")
    if asked.token.kind == "integration":
        raise Refused(403, "Resource not accessible by integration")
    return Answer(json=asked.shapes.own_user(asked.login))


async def named_user(asked: Asked) -> Answer:
    """Somebody."""
    return Answer(json=asked.shapes.whole_user(asked.variables["username"]))


async def repository(asked: Asked) -> Answer:
    """The repository, with the token's permissions."""
    may = asked.token is not None
    pushes = asked.token is not None and asked.token.may("contents", "write")
    permissions = {"admin": pushes, "maintain": pushes, "push": pushes, "triage": pushes, "pull": may}
    return Answer(json=asked.shapes.whole_repository(asked.repository, permissions))


async def branches(asked: Asked) -> Answer:
    """Every branch."""
    refs = await asked.repository.refs()
    listed = sorted(name for name in refs if name.startswith("refs/heads/"))
    return asked.page(listed, lambda name: _branch(asked, name, refs[name]))


def _branch(asked: Asked, name: str, sha: str) -> Json:
    url = f"{asked.shapes.repository_url(asked.repository.name)}/commits/{sha}"
    return {"name": name.removeprefix("refs/heads/"), "commit": {"sha": sha, "url": url}, "protected": False}


async def branch(asked: Asked) -> Answer:
    """One branch, with its commit."""
    name = unquote(asked.variables["branch"])
    sha = (await asked.repository.refs()).get(f"refs/heads/{name}")
    if sha is None:
        raise Refused(404, "Branch not found", documented="/branches/branches#get-a-branch")
    url = f"{asked.shapes.repository_url(asked.repository.name)}/branches/{asked.variables['branch']}"
    page = f"{asked.shapes.site}/{asked.repository.name}/tree/{name}"
    return Answer(
        json={
            **_branch(asked, f"refs/heads/{name}", sha),
            "commit": asked.shapes.commit(asked.repository.name, await asked.repository.about(sha)),
            "_links": {"self": url, "html": page},
            "protection": {"enabled": False},
            "protection_url": f"{url}/protection",
        }
    )


async def ref(asked: Asked) -> Answer:
    """One ref by its whole name without `refs/`."""
    name = f"refs/{unquote(asked.variables['ref'])}"
    sha = (await asked.repository.refs()).get(name)
    if sha is None:
        raise not_found()
    return Answer(json=asked.shapes.ref(asked.repository.name, name, sha))


async def matching_refs(asked: Asked) -> Answer:
    """Refs with this prefix."""
    start = f"refs/{unquote(asked.variables['ref'])}"
    refs = await asked.repository.refs()
    found = [asked.shapes.ref(asked.repository.name, name, sha) for name, sha in refs.items() if name.startswith(start)]
    return Answer(json=found)


async def commits(asked: Asked) -> Answer:
    """The history of a branch or commit, of a path if it is named."""
    sha = await asked.repository.resolve(asked.query.get("sha") or asked.repository.default_branch)
    if sha is None:
        raise not_found()
    history = await asked.repository.history(sha, asked.query.get("path", ""))
    answer = asked.page(history, lambda one: one)
    known = [await asked.repository.about(one) for one in answer.json]
    answer.json = [asked.shapes.commit(asked.repository.name, one) for one in known]
    return answer


async def commit(asked: Asked) -> Answer:
    """One commit, by its sha, a branch or a tag."""
    wanted = unquote(asked.variables["ref"])
    sha = await asked.repository.resolve(wanted)
    if sha is None:
        raise Refused(422, f"No commit found for SHA: {wanted}", documented="/commits/commits#get-a-commit")
    if "sha" in asked.headers.get("accept", ""):
        return Answer(content=sha.encode(), headers={"content-type": "application/vnd.github.sha; charset=utf-8"})
    return Answer(json=asked.shapes.commit(asked.repository.name, await asked.repository.about(sha)))


async def contents(asked: Asked) -> Answer:
    """A file with its content, or the entries of a folder, at `ref`."""
    path = unquote(asked.variables["path"]).strip("/")
    named = asked.query.get("ref") or asked.repository.default_branch
    sha = await asked.repository.resolve(named)
    if sha is None:
        raise Refused(404, f"No commit found for the ref {named}", documented="/repos/contents#get-repository-content")
    text = await asked.repository.read(sha, path) if path else None
    if text is not None and "raw" in asked.headers.get("accept", ""):
        return Answer(content=text, headers={"content-type": "application/vnd.github.raw; charset=utf-8"})
    found = await asked.repository.entries(sha, path)
    if found is None:
        raise not_found()
    shown = [asked.shapes.content(asked.repository.name, named, entry) for entry in found]
    if text is None:
        return Answer(json=shown)
    return Answer(json={**shown[0], "content": base64.encodebytes(text).decode(), "encoding": "base64"})


ENDPOINTS = (
    Endpoint("GET", "/meta", meta),
    Endpoint("GET", "/rate_limit", rate_limit),
    Endpoint("GET", "/user", user),
    Endpoint("GET", "/users/{username}", named_user),
    Endpoint("GET", HERE, repository),
    Endpoint("GET", f"{HERE}/branches", branches, "contents:read"),
    Endpoint("GET", f"{HERE}/branches/{{branch}}", branch, "contents:read"),
    Endpoint("GET", f"{HERE}/git/ref/{{ref}}", ref, "contents:read"),
    Endpoint("GET", f"{HERE}/git/matching-refs/{{ref}}", matching_refs, "contents:read"),
    Endpoint("GET", f"{HERE}/commits", commits, "contents:read"),
    Endpoint("GET", f"{HERE}/commits/{{ref}}", commit, "contents:read"),
    Endpoint("GET", f"{HERE}/contents/{{path}}", contents, "contents:read"),
)
