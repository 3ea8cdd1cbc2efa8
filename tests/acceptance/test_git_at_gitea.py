"""A repository for each trial at a real Gitea: made, written to, looked at, and removed, also after a SIGKILL."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from tests.acceptance.harness import Document, Project, kill_at_records
from tests.backends.gitea import USER, Gitea, gitea

from seatrial.errors import CannotTell
from seatrial.links.gitea import Gitea as Client
from seatrial.links.gitea import Mark, making

pytestmark = pytest.mark.backend("gitea")

SYSTEM = {"kind": "command", "deploy": "true", "destroy": "true"}
AT = {"server": "${{ env.GITEA_URL }}", "token": "${{ secrets.GITEA_TOKEN }}"}
MAKE = {"step": "git_repository", "id": "repo", **AT}
REPO = "${{ steps.repo.outputs.full_name }}"
HTTP = {
    "url": "${{ steps.repo.outputs.clone_url }}",
    "user": "${{ steps.repo.outputs.user }}",
    "token": "${{ steps.repo.outputs.token }}",
}


@pytest.fixture(scope="module")
def server(tool: Callable[[str], Path]) -> Iterator[Gitea]:
    with gitea(tool("gitea")) as server:
        for name in ("run-e2e-s", "run-e2e-s-t1", "notes"):
            server.api("POST", "user/repos", json.dumps({"name": name, "auto_init": True}).encode())
        server.api("POST", "orgs", json.dumps({"username": "acme"}).encode())
        yield server


@pytest.fixture
def receiver() -> Iterator[ThreadingHTTPServer]:
    """Receives webhooks: `/good` answers 200, everything else 500."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200 if self.path == "/good" else 500)
            self.end_headers()
            self.wfile.write(b"no room" if self.path != "/good" else b"thanks")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def environment(project: Project, server: Gitea, **more: str) -> dict[str, str]:
    return {**project.environment, "GITEA_URL": server.url, "GITEA_TOKEN": server.token, **more}


def document(*steps: Document) -> Document:
    return {"system": SYSTEM, "test_suites": {"s": {"workflow": list(steps)}}}


def there(server: Gitea) -> dict[str, list[str]]:
    """The repositories and users of the server."""
    repositories = json.loads(server.api("GET", "repos/search?limit=50"))["data"]
    users = json.loads(server.api("GET", "admin/users?limit=50"))
    return {
        "repositories": sorted(row["full_name"] for row in repositories),
        "users": sorted(row["login"] for row in users),
    }


def steps(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = project.results()["results"][0]["workflow_steps"]
    return found


def test_a_flow_at_a_repository_of_its_own(project: Project, server: Gitea, receiver: ThreadingHTTPServer) -> None:
    before = there(server)
    hook = {"url": f"http://127.0.0.1:{receiver.server_port}/good", "secret": "${{ secrets.HOOK }}"}
    (project.folder / "manifests").mkdir()
    (project.folder / "manifests" / "app.yaml").write_text("kind: App\n")
    admin = {"server": AT["server"], "repository": REPO, "user": HTTP["user"]}
    delivery = {
        "check": "git_webhook", **admin, "token": "${{ steps.repo.outputs.password }}", "event": "push",
        "that": "delivery.payload.after == steps.change.outputs.commit && delivery.status == 200",
    }  # fmt: skip
    file = {
        "check": "git", **HTTP, "path": "app/app.yaml", "branch": "change", "contains": "App",
        "signers": "${{ steps.repo.outputs.signers }}",
    }  # fmt: skip
    merged = {
        "check": "git_pull_request", **admin, "token": HTTP["token"], "head": "change", "state": "merged",
        "that": "pull.commit == steps.change.outputs.commit && pull.author == steps.repo.outputs.user",
    }  # fmt: skip
    gone = {
        "check": "git", "url": "${{ steps.repo.outputs.ssh_url }}", "path": "notes.txt", "exists": False,
        "ssh_key": "${{ steps.repo.outputs.ssh_key }}", "trust_first_key": True,
    }  # fmt: skip
    flow: list[Document] = [
        {**MAKE, "webhooks": [hook], "deploy_key": "write", "account": "admin"},
        {"step": "git_commit", "id": "change", **HTTP, "branch": "change", "copy": {"app": "manifests"},
         "files": {"notes.txt": "of ${{ trial.id }}"}, "sign_with": "${{ steps.repo.outputs.ssh_key }}"},
        {"step": "git_pull_request", **admin, "token": HTTP["token"], "head": "change", "merge": "merge"},
        {"step": "git_commit", "url": "${{ steps.repo.outputs.ssh_url }}", "remove": ["notes.txt"],
         "ssh_key": "${{ steps.repo.outputs.ssh_key }}", "trust_first_key": True},
        {"step": "validate", "checks": [delivery, file, merged, gone],
         "retry": {"timeout": "60s"}},
    ]  # fmt: skip
    env = environment(project, server, HOOK="a-word-for-hooks-alone")
    done = project.seatrial("run", project.write("a.json", document(*flow)), env=env, timeout=300)
    assert done.returncode == 0, done.stdout
    assert there(server) == before
    assert project.left() == []
    kept = "".join(file.read_text() for file in project.runs()[-1].rglob("*") if file.is_file())
    assert "run-e2e-s-" in kept
    assert [secret for secret in (server.token, "a-word-for-hooks-alone") if secret in kept] == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_run_leaves_nothing_and_foreign_repositories_stay(
    when: str, server: Gitea, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = there(server)
    for name, value in (("GITEA_URL", server.url), ("GITEA_TOKEN", server.token)):
        monkeypatch.setenv(name, value)
    seen = {"check": "git", "url": HTTP["url"], "user": USER, "token": AT["token"]}
    flow = document({**MAKE, "account": "write", "deploy_key": "read"}, {"step": "validate", "checks": [seen]})

    def make(project: Project) -> list[object]:
        return [project.write("a.json", flow)]

    def remains(project: Project) -> list[str]:
        return [] if there(server) == before else [str(there(server))]

    assert kill_at_records(tmp_path, make, [remains], when=when, first=1 if when == "before" else 2, step=2) >= 4


def test_a_repository_that_exists_is_refused_and_stays(project: Project, server: Gitea) -> None:
    for owner, name in (("", "notes"), (USER, "Notes")):
        step = {**MAKE, "name": name, **({"owner": owner} if owner else {})}
        done = project.seatrial("run", project.write("a.json", document(step)), env=environment(project, server))
        assert done.returncode == 3, done.stdout
        assert f"has a repository {USER}/{name} already" in steps(project)[0]["error"]
    assert f"{USER}/notes" in there(server)["repositories"]
    assert project.left() == []


def test_a_repository_of_an_organisation_is_removed_under_its_new_name(project: Project, server: Gitea) -> None:
    before = there(server)
    rename = [
        "curl", "-sf", "-X", "PATCH", "-H", "Authorization: token ${{ secrets.GITEA_TOKEN }}", "-H",
        "Content-Type: application/json", "-d", '{"name": "renamed", "description": "mine now"}',
        "${{ env.GITEA_URL }}/api/v1/repos/${{ steps.repo.outputs.full_name }}",
    ]  # fmt: skip
    look = "test -f README.md && test -z \"$(git config --local --get-regexp 'http.*')\" && git log -1 --format=%H"
    second = {**MAKE, "id": "second", "name": "second-${{ trial.id }}"}
    flow = document(
        {**MAKE, "owner": "acme"},
        {"step": "git_clone", "id": "clone", "url": HTTP["url"], "user": USER, "token": AT["token"]},
        {"step": "custom_command", "custom_command": f"cd ${{{{ steps.clone.outputs.path }}}} && {look}"},
        {"step": "custom_command", "custom_command": rename},
        second,
        {"step": "git_delete", "server": AT["server"], "repository": "${{ steps.second.outputs.full_name }}"},
        {"step": "validate", "checks": [{"check": "git_pull_request", **AT, "exists": False,
                                         "repository": "${{ steps.second.outputs.full_name }}"}],
         "allow_failure": True},
        {"step": "git_delete", "server": AT["server"], "repository": f"{USER}/notes", "allow_failure": True},
    )  # fmt: skip
    done = project.seatrial("run", project.write("a.json", flow), env=environment(project, server))
    assert done.returncode == 0, done.stdout
    looked, refused = steps(project)[-2:]
    assert "no repository anna/second-" in looked["error"]
    assert "this trial has no repository anna/notes" in refused["error"]
    assert there(server) == before


def test_no_answer_and_a_wrong_token_are_unknown(project: Project, server: Gitea) -> None:
    checks = [
        {"check": "git_pull_request", **AT, "repository": f"{USER}/notes", "exists": False},
        {"check": "git_webhook", **AT, "repository": f"{USER}/notes", "user": USER, "hook": 1, "exists": False},
    ]
    notes = {"url": "${{ env.GITEA_URL }}/" + f"{USER}/notes.git", "user": USER, "token": AT["token"], "branch": "main"}
    commit = {"step": "git_commit", **notes, "files": {"a": "b"}, "allow_failure": True}
    workflow: list[Document] = [{**MAKE, "allow_failure": True}, commit, {"step": "validate", "checks": checks}]
    flow = project.write("a.json", document(*workflow))
    for env, why in (
        (environment(project, server, GITEA_TOKEN="wrong"), "denies the login"),
        (environment(project, server, GITEA_URL="http://127.0.0.1:9"), "127.0.0.1:9"),
    ):
        done = project.seatrial("run", flow, env=env)
        assert done.returncode == 3, done.stdout
        made, pushed, validated = steps(project)
        assert (made["verdict"], why in made["error"], pushed["verdict"]) == ("unknown", True, "unknown")
        assert [row["verdict"] for row in validated["validation_results"]] == ["unknown", "unknown"]
    assert project.left() == []


def test_a_webhook_that_is_not_delivered_fails_with_the_receivers_answer(
    project: Project, server: Gitea, receiver: ThreadingHTTPServer
) -> None:
    receiver_url = f"http://127.0.0.1:{receiver.server_port}"
    hooks = [
        {"url": f"{receiver_url}/bad"},
        {"url": "http://127.0.0.1:9/"},
        {"url": f"{receiver_url}/good", "events": ["create"]},
    ]
    commit = {"step": "git_commit", "url": HTTP["url"], "user": USER, "token": AT["token"], "files": {"a": "b"}}
    checks = [
        {"check": "git_webhook", "server": AT["server"], "repository": REPO, "user": HTTP["user"],
         "token": "${{ steps.repo.outputs.password }}",
         "hook": f"${{{{ steps.repo.outputs.hooks[{at}] }}}}"}
        for at in range(3)
    ]  # fmt: skip
    settled = {**checks[1], "that": "delivery.state == 'failed'"}
    flow = document(
        {**MAKE, "webhooks": hooks, "account": "admin"}, commit,
        {"step": "validate", "checks": [{**checks[0], "that": "delivery.state == 'failed'"}, settled],
         "retry": {"timeout": "60s"}},
        {"step": "validate", "checks": checks},
    )  # fmt: skip
    done = project.seatrial("run", project.write("a.json", flow), env=environment(project, server))
    assert done.returncode == 1, done.stdout
    rows = steps(project)[-1]["validation_results"]
    assert [row["verdict"] for row in rows] == ["failed", "failed", "failed"]
    seen = {row["seen"].partition(" failed: ")[2]: row["why"].partition(" of ")[2] for row in rows}
    assert [text for text in seen if "status 500" in text or "refused" in text or not text] == list(seen)
    assert sum("was not delivered" in why for why in seen.values()) == 2, seen
    assert f"git_webhook {USER}/run-e2e-s-" in rows[0]["check"]
    page = project.seatrial("inspect").stdout
    for line in (
        "1 branch, 0 pull requests, 3 webhooks",
        "branch main: ",
        ": 1 failed",
        "the last failure: push at ",
        ": none",
    ):
        assert line in page
    (kept,) = [file for file in project.runs()[-1].rglob("resources/*.txt") if "account" in file.name]
    assert "no room" in kept.read_text()


def test_only_what_the_trial_made_is_removed(server: Gitea, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "PAUSE", 0.0)
    mark = Mark("t1", "r1")

    def make(name: str, description: str = "") -> dict[str, Any]:
        body = {"name": name, "description": description, "private": True}
        made: dict[str, Any] = json.loads(server.api("POST", "user/repos", json.dumps(body).encode()))
        return made

    theirs, ours = make("theirs", str(Mark("t2", "r1"))), make("ours", f"for t1 ({mark})")
    known = {"owner": USER, "me": USER, "mark": str(mark)}
    long_ago = {"id": theirs["id"], "created": "2001-01-01T00:00:00Z"}
    remains = {
        "an intent, the name is another's": {**known, "name": "theirs"},
        "an id of a server that was set up again": {**known, "name": "x", **long_ago},
        "a refused request": {**known, "name": "ours", "refused": True},
        "it is gone": {**known, "name": "gone"},
    }  # fmt: skip

    async def remove(detail: dict[str, Any], token: str = server.token) -> None:
        async with Client(server.url, token) as client:
            await making.remove_repository(client, detail)

    try:
        for what, detail in remains.items():
            asyncio.run(remove(detail))
            assert {f"{USER}/theirs", f"{USER}/ours"} <= set(there(server)["repositories"]), what
        with pytest.raises(CannotTell, match="was made by bob"):  # a private one is missing to another login
            asyncio.run(remove({**known, "name": "gone", "me": "bob"}))
        with pytest.raises(CannotTell, match="denies the login"):
            asyncio.run(remove({**known, "name": "ours"}, "wrong"))
        asyncio.run(remove({**known, "name": "ours"}))
        assert f"{USER}/ours" not in there(server)["repositories"]
        known_by_id = {"id": theirs["id"], "created": theirs["created_at"]}
        asyncio.run(remove({**known, "name": "before its new name", **known_by_id}))
        assert f"{USER}/theirs" not in there(server)["repositories"]
    finally:
        for name in ("theirs", "ours"):
            with suppress(HTTPError):
                server.api("DELETE", f"repos/{USER}/{name}")
    assert ours["id"] != theirs["id"]


def test_the_list_of_the_server_names_the_run_of_each_repository(server: Gitea) -> None:
    mark = Mark("t1", "r1")
    server.api("POST", "user/repos", json.dumps({"name": "marked", "description": f"For us ({mark})"}).encode())

    async def listed() -> dict[str, Mark | None]:
        async with Client(server.url + "/api/v1", server.token) as client:
            assert USER in [account.name for account in await client.accounts()]
            did = await client.activities(f"{USER}/marked")
            assert [(one.login, one.kind) for one in did][-1] == (USER, "create_repo")
            return {repository.name: repository.mark for repository in await client.repositories()}

    try:
        found = asyncio.run(listed())
    finally:
        server.api("DELETE", f"repos/{USER}/marked")
    assert (found[f"{USER}/marked"], found[f"{USER}/notes"]) == (mark, None)
