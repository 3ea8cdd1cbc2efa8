"""Repositories: refs, commits and files as git has them, late visibility, and git itself over HTTP."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from github_server.workflows import FILES, REPOSITORY, Client, speaking
from seatrial_stand_ins.github import GitHubServer, LateRefs, git


def test_branches_refs_and_commits_are_those_of_git(server: GitHubServer, client: Client) -> None:
    repository = server.repositories[REPOSITORY]
    first = client.get("/commits/main")["sha"]
    sha = repository.commit({"app/main.py": "print(2)\n", "README.md": None}, message="Second\n\nmore", branch="a/b")
    assert git.run(repository.bare, "rev-parse", "a/b").decode().strip() == sha
    assert [one["name"] for one in client.get("/branches")] == ["a/b", "main"]
    whole = client.get("/branches/a/b")
    assert (whole["name"], whole["commit"]["commit"]["message"]) == ("a/b", "Second\n\nmore")
    assert client.get("/git/ref/heads/a/b")["object"]["sha"] == sha
    assert [one["ref"] for one in client.get("/git/matching-refs/heads/a")] == ["refs/heads/a/b"]
    assert [one["sha"] for one in client.get("/commits?sha=a/b")] == [sha, first]
    assert [one["sha"] for one in client.get("/commits?sha=a/b&path=.github")] == [first]
    assert client.get(f"/commits/{sha[:10]}")["parents"][0]["sha"] == first
    plain = client.ask("/commits/a%2Fb", headers={"accept": "application/vnd.github.sha"})
    assert plain.text == sha
    client.ask("/commits/nowhere", expect=422)
    client.ask("/git/ref/heads/nowhere", expect=404)
    client.ask("/branches/nowhere", expect=404)


def test_files_are_read_at_a_ref(server: GitHubServer, client: Client) -> None:
    server.repositories[REPOSITORY].commit({"app/main.py": "print(2)\n"}, branch="topic")
    file = client.get("/contents/app/main.py?ref=topic")
    assert base64.b64decode(file["content"]) == b"print(2)\n"
    assert (file["type"], file["path"], file["size"]) == ("file", "app/main.py", 9)
    raw = client.ask("/contents/app%2Fmain.py", headers={"accept": "application/vnd.github.raw+json"})
    assert raw.text == "print('notes')\n"
    assert [(one["name"], one["type"]) for one in client.get("/contents/")] == [
        (".github", "dir"),
        ("README.md", "file"),
        ("app", "dir"),
    ]
    client.ask("/contents/app/none.py", expect=404)
    client.ask("/contents/app/main.py?ref=none", expect=404)


def test_a_pushed_commit_is_seen_late_by_its_branch_and_by_its_sha(server: GitHubServer, client: Client) -> None:
    repository = server.repositories[REPOSITORY]
    before = client.get("/branches/main")["commit"]["sha"]
    planted = server.plant(LateRefs(looks=3, times=2))
    sha = repository.commit({"new.txt": "new"})
    assert client.get("/branches/main")["commit"]["sha"] == before
    client.ask(f"/commits/{sha}", expect=422)
    body = {"ref": "main", "return_run_details": True}
    client.ask("/actions/workflows/deploy.yml/dispatches", "POST", json=body)
    assert server.runs(REPOSITORY)[0].sha == before, "a dispatch sees the branch as it is shown"
    assert server.wait_for(lambda: client.http.get(f"/repos/{REPOSITORY}/commits/{sha}").status_code == 200)
    assert client.get("/branches/main")["commit"]["sha"] == sha
    fresh = repository.commit({"new.txt": "newer"}, branch="fresh")
    client.ask("/git/ref/heads/fresh", expect=404)
    server.wait_for(lambda: client.http.get(f"/repos/{REPOSITORY}/git/ref/heads/fresh").status_code == 200)
    assert client.get("/git/ref/heads/fresh")["object"]["sha"] == fresh
    assert planted.happened == 2
    assert repository.commit({"new.txt": "newest"}) == client.get("/commits/main")["sha"], "the plant is used up"


def test_a_repository_is_a_copy_of_a_folder_or_of_a_git_repository_with_all_its_refs(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "a.txt").write_text("a")
    own = tmp_path / "own"
    own.mkdir()
    git.run(own, "init", "--quiet", "--initial-branch=trunk")
    (own / "b.txt").write_text("b")
    git.run(own, "add", "--all")
    git.run(own, "commit", "--quiet", "--message", "One")
    git.run(own, "tag", "v1")
    sha = git.run(own, "rev-parse", "HEAD").decode().strip()
    with GitHubServer() as server, speaking(server) as client:
        server.add_repository("acme/plain", tmp_path / "plain")
        server.add_repository("acme/own", own, default_branch="trunk")
        assert [one["name"] for one in client.http.get("/repos/acme/plain/contents/").json()] == ["a.txt"]
        assert client.http.get("/repos/acme/own/git/ref/tags/v1").json()["object"]["sha"] == sha
        assert client.http.get("/repos/acme/own").json()["default_branch"] == "trunk"
        with pytest.raises(ValueError, match="OWNER/NAME"):
            server.add_repository("plain", files={})
        with pytest.raises(ValueError, match="either"):
            server.add_repository("acme/none")
    assert sorted(file.name for file in (tmp_path / "plain").iterdir()) == ["a.txt"], "the folder is as it was"


def test_git_clones_and_pushes_with_a_token_that_may(server: GitHubServer, client: Client, tmp_path: Path) -> None:
    address = f"{server.site.replace('://', f'://x:{server.token}@')}/{REPOSITORY}.git"
    git.run(tmp_path, "clone", "--quiet", address, "clone")
    clone = tmp_path / "clone"
    assert (clone / "README.md").read_text() == FILES["README.md"]
    (clone / "README.md").write_text("more\n")
    git.run(clone, "commit", "--quiet", "--all", "--message", "Pushed")
    git.run(clone, "push", "--quiet", "origin", "HEAD:main", "HEAD:refs/heads/other")
    sha = git.run(clone, "rev-parse", "HEAD").decode().strip()
    assert client.get("/commits/main")["sha"] == client.get("/commits/other")["sha"] == sha
    reader = server.add_token("eve", permissions={"contents": "read"})
    git.run(clone, "remote", "set-url", "origin", address.replace(server.token, reader))
    git.run(clone, "fetch", "--quiet")
    with pytest.raises(git.GitFailed, match="403"):
        git.run(clone, "push", "--quiet", "origin", "HEAD:refs/heads/third")
    with pytest.raises(git.GitFailed):
        git.run(tmp_path, "clone", "--quiet", f"{server.site}/{REPOSITORY}.git", "nobody")


def test_nothing_of_the_users_git_configuration_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".gitconfig").write_text("[commit]\n\tgpgsign = true\n[user]\n\tname = Nobody\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    with GitHubServer() as server:
        repository = server.add_repository(REPOSITORY, files=FILES)
        assert git.run(repository.bare, "log", "-1", "--format=%an").decode().strip() == "Ada Shipwright"
    assert subprocess.run(["ls", str(tmp_path)], capture_output=True, check=True, text=True).stdout == ""
    assert not server.folder.exists(), "the server leaves nothing"


def test_what_a_killed_server_left_goes_with_the_next_one_and_a_living_one_keeps_its_own(
    server: GitHubServer,
) -> None:
    program = (
        "from seatrial_stand_ins.github import GitHubServer\n"
        "with GitHubServer() as server:\n    print(server.folder, flush=True)\n    input()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True) as killed:
        assert killed.stdout is not None
        left = Path(killed.stdout.readline().strip())
        killed.kill()
    assert left.is_dir()
    with GitHubServer():
        assert not left.exists()
        assert (server.folder / "git").is_dir()


def test_deployments_secrets_and_variables_are_told_as_far_as_github_tells(server: GitHubServer) -> None:
    server.add_repository(
        "acme/shop", files=FILES, secrets={"TOKEN": "hush"}, variables={"COLOUR": "blue"},
        environments={"production": {"secrets": {"KEY": "hush too"}}},
    )  # fmt: skip
    with speaking(server) as client:
        names = client.http.get("/repos/acme/shop/actions/secrets")
        assert [one["name"] for one in names.json()["secrets"]] == ["TOKEN"]
        assert "hush" not in names.text
        assert client.http.get("/repos/acme/shop/actions/variables").json()["variables"][0]["value"] == "blue"
        listed = client.http.get("/repos/acme/shop/environments").json()["environments"]
        assert [one["name"] for one in listed] == ["production"]
        assert client.http.get("/repos/acme/shop/environments/production").status_code == 200
        assert client.http.get("/repos/acme/shop/environments/mars").status_code == 404
