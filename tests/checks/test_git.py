"""The check `git` with real repositories: in a folder, over HTTP with a password, over `ssh`."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import until
from tests.checks.fakes import FakeContext, look, verdict

from seatrial.checks.git import Git
from seatrial.errors import ToolMissing
from seatrial.links.process import process_start
from seatrial.model.values import Expression, Timeout

HOME = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


def git(folder: Path, *words: str) -> str:
    argv = ["git", "-c", "user.name=Anna", "-c", "user.email=anna@example.org", *words]
    return subprocess.run(
        argv, cwd=folder, env={**os.environ, **HOME}, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two branches; the newest commit of `main` is signed."""
    folder = tmp_path_factory.mktemp("git")
    for name in ("key", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        public = (folder / f"{name}.pub").read_text()
        (folder / f"{name}.signers").write_text(f"anna@example.org {public}")
    git(folder, "init", "-q", "-b", "main", "work")
    work = folder / "work"
    (work / "app.json").write_text('{"replicas": 3}\n')
    git(work, "add", "."), git(work, "commit", "-q", "-m", "First"), git(work, "branch", "unsigned")
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={folder / 'key'}")
    git(work, *signing, "commit", "-q", "--allow-empty", "-S", "-m", "Signed")
    git(folder, "clone", "-q", "--bare", "work", "notes.git")
    return folder


@pytest.fixture
def check(repository: Path) -> Git:
    return Git(url=str(repository / "notes.git"))


def test_a_branch_and_a_file_are_as_expected(check: Git, repository: Path) -> None:
    ctx = FakeContext(repository)
    assert look(check, ctx).verdict == "passed"
    file = replace(check, branch="main", path="app.json")
    assert look(replace(file, contains='"replicas": 3'), ctx).verdict == "passed"
    assert look(replace(file, contains='"replicas": 4'), ctx).verdict == "failed"
    assert look(replace(file, lacks="replicas"), ctx).verdict == "failed"
    assert (
        look(replace(file, that=Expression("json.replicas == 3 && commit.author == 'Anna'")), ctx).verdict == "passed"
    )
    assert look(replace(file, that=Expression("commit.message == 'First'")), ctx).verdict == "failed"


def test_what_is_missing_fails_unless_it_must_be_missing(check: Git) -> None:
    ctx = FakeContext()
    gone = look(replace(check, branch="gone"), ctx)
    assert (gone.verdict, "has no branch gone" in gone.why) == ("failed", True)
    assert look(replace(check, branch="gone", exists=False), ctx).verdict == "passed"
    assert look(replace(check, branch="main", exists=False), ctx).verdict == "failed"
    assert look(replace(check, path="gone.json"), ctx).verdict == "failed"
    assert look(replace(check, path="gone.json", exists=False), ctx).verdict == "passed"
    assert look(replace(check, path="app.json", exists=False), ctx).verdict == "failed"
    assert look(replace(check, branch="gone", path="app.json", exists=False), ctx).verdict == "failed"


def test_a_commit_is_signed_by_one_of_the_signers(check: Git, repository: Path) -> None:
    ctx = FakeContext(repository)
    assert look(replace(check, signers="key.signers"), ctx).verdict == "passed"
    other = look(replace(check, signers="other.signers"), ctx)
    assert (other.verdict, other.seen) == ("failed", "another signature")
    unsigned = look(replace(check, branch="unsigned", signers="key.signers"), ctx)
    assert (unsigned.verdict, "is not signed" in unsigned.why) == ("failed", True)
    assert look(replace(check, signers="nowhere"), ctx).verdict == "unknown"


ADVERTISED = b"001e# service=git-upload-pack\n0000000eversion 2\n000cls-refs\n000afetch\n0000"
PGP = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----"
TRUSTING = """#!/bin/sh
cat >/dev/null
for line in NEWSIG "GOODSIG 0123456789ABCDEF Eve" "VALIDSIG 0 0" "TRUST_ULTIMATE 0 pgp"; do echo "[GNUPG:] $line"; done
"""


def test_a_signature_by_openpgp_is_not_of_one_of_the_signers(
    check: Git, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpg").write_text(TRUSTING)
    (tmp_path / "gpg").chmod(0o755)
    head, _, text = git(repository / "notes.git", "cat-file", "commit", "unsigned").partition("\n\n")
    (tmp_path / "commit").write_text(f"{head}\n{PGP}\n\n{text}\n")
    sha = git(repository / "notes.git", "hash-object", "-t", "commit", "-w", str(tmp_path / "commit"))
    git(repository / "notes.git", "branch", "-f", "pgp", sha)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    seen = look(replace(check, branch="pgp", signers="key.signers"), FakeContext(repository))
    assert (seen.verdict, seen.why[-33:]) == ("failed", " is signed, but not by an SSH key")


def test_without_the_program_for_signatures_nothing_is_said_of_one(
    check: Git, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "git").symlink_to(shutil.which("git") or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="ssh-keygen is not installed"):
        look(replace(check, signers="key.signers"), FakeContext(repository))


def test_only_a_file_of_exactly_this_path_is_judged(check: Git, repository: Path) -> None:
    work = repository / "work"
    (work / "deploy").mkdir(exist_ok=True)
    (work / "deploy" / "one.json").write_text("ready")
    git(work, "checkout", "-q", "-B", "folders", "unsigned")
    git(work, "add", "."), git(work, "commit", "-q", "-m", "A folder")
    git(work, "push", "-q", "-f", str(repository / "notes.git"), "folders")
    git(work, "checkout", "-q", "main")
    assert verdict(replace(check, branch="folders", path="deploy/", contains="ready"), FakeContext()) == "unknown"
    for path in ("deploy/", "/deploy/one.json", "./deploy/one.json", "deploy/../one.json", "deploy//one.json"):
        assert [key for key, _ in replace(check, path=path).check_fields()] == ["path"]
        assert verdict(replace(check, branch="folders", path=path, exists=False), FakeContext()) == "unknown"


def test_a_password_follows_no_redirect(check: Git) -> None:
    sent: list[str] = []

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.append(self.headers.get("authorization", ""))
            self.send_response(200)
            self.send_header("content-type", "application/x-git-upload-pack-advertisement")
            self.send_header("content-length", str(len(ADVERTISED)))
            self.end_headers()
            self.wfile.write(ADVERTISED)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None: ...

    class Redirecting(Other):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("location", f"http://localhost:{other.server_port}{self.path}")
            self.send_header("content-length", "0")
            self.end_headers()

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Other) as other,
        ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as first,
    ):
        for server in (other, first):
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{first.server_port}/notes.git"
        assert verdict(replace(check, url=url, token="s3cret"), FakeContext()) == "unknown"
        for server in (other, first):
            server.shutdown()
    assert [text for text in sent if text] == []


def test_a_repository_that_cannot_be_read_is_unknown(check: Git, repository: Path) -> None:
    for url in (str(repository / "nowhere.git"), "http://127.0.0.1:1/x.git", "ext::touch /tmp/x"):
        for exists in (True, False):
            assert verdict(replace(check, url=url, branch="main", exists=exists), FakeContext()) == "unknown"


@contextmanager
def served(folder: Path, password: str) -> Iterator[str]:
    """Git's own program for HTTP, behind a login."""
    wanted = "Basic " + base64.b64encode(f"anna:{password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("authorization") != wanted:
                self.send_response(401)
                self.send_header("www-authenticate", 'Basic realm="notes"')
                self.send_header("content-length", "0")
                self.end_headers()
                return
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            environment = {
                **os.environ, **HOME, "GIT_PROJECT_ROOT": str(folder), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
                "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_USER": "anna",
                "CONTENT_TYPE": self.headers.get("content-type", ""), "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
                "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            }  # fmt: skip
            out = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=False)
            head, _, rest = out.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}/notes.git"
    finally:
        server.shutdown()
        server.server_close()


def test_a_password_goes_with_http_and_into_no_message(check: Git, repository: Path) -> None:
    with served(repository, "s3cret/?") as place:
        good = replace(check, url=f"http://{place}", user="anna", token="s3cret/?", path="app.json", contains="3")
        assert look(good, FakeContext()).verdict == "passed"
        assert (
            look(replace(good, url=f"http://anna:s3cret%2F%3F@{place}", user="", token=""), FakeContext()).verdict
            == "passed"
        )
        with pytest.raises(Exception, match="git ls-remote of") as refused:
            look(replace(good, token="wr0ng"), FakeContext())
        assert "wr0ng" not in str(refused.value)
        absent = replace(good, url=f"http://{place.replace('notes', 'other')}")
        assert verdict(absent, FakeContext()) == "unknown"


def test_ssh_is_the_users_own(check: Git, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ssh").write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/said\nfor last; do :; done\nexec sh -c "$last"\n')
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert look(replace(check, url=f"git@ship.example:{repository}/notes.git"), FakeContext()).verdict == "passed"
    said = (tmp_path / "said").read_text()
    assert said.startswith("-o BatchMode=yes ")
    assert "git@ship.example git-upload-pack" in said


def test_a_server_that_hangs_is_unknown_and_leaves_no_process(check: Git, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "ssh").write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec sleep 1000\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert verdict(replace(check, url="ssh://ship.example/x.git", timeout=Timeout(5.0)), FakeContext()) == "unknown"
    pid = int((tmp_path / "pid").read_text())
    until(lambda: process_start(pid) == "", "the end of ssh")


def test_what_can_never_tell_is_refused(check: Git) -> None:
    assert list(check.check_fields()) == []
    for keys in ({"url": "notes"}, {"url": "--upload-pack=x"}, {"branch": "-x"}, {"contains": "x"},
                 {"path": "a", "exists": False, "contains": "x"},
                 {"url": "ssh://git:s3cret@ship.example/x.git"}):  # fmt: skip
        assert list(replace(check, **keys).check_fields())
