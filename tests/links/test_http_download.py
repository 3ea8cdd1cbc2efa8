from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import CannotTell, LinkLost
from seatrial.links.http import Answer, Web, bare, download


class Handler(BaseHTTPRequestHandler):
    """Redirects, files, and files that are cut off."""

    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("authorization")))
        path, _, query = self.path.partition("?")
        if path == "/to":
            self.send_response(302)
            self.send_header("location", query)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        body = b"x" * 1000
        self.send_response(200)
        self.send_header("content-length", str(len(body) * (2 if path == "/cut" else 1)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = path == "/cut"

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def servers() -> Iterator[list[Any]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving()) for _ in range(2)]


def fetched(url: str, into: Path, limit: int = 10_000) -> Answer:
    async def main() -> Answer:
        async with Web() as web:
            return await download(
                web, url, into, headers={}, private={"authorization": "Bearer s3cr3t"}, timeout=10, limit=limit
            )

    return asyncio.run(main())


def test_a_redirect_is_followed_and_another_host_is_not_told_the_token(servers: list[Any], tmp_path: Path) -> None:
    ours, storage = servers
    answer = fetched(f"{ours.url}/to?{ours.url}/to?{storage.url}/file?sig=abc", tmp_path / "file")
    assert (answer.status, answer.body) == (200, b"")
    assert (tmp_path / "file").read_bytes() == b"x" * 1000
    assert [token for _, token in ours.seen] == ["Bearer s3cr3t", "Bearer s3cr3t"]
    assert storage.seen == [("/file?sig=abc", None)]


def test_what_is_too_large_or_cut_off_leaves_no_file_and_no_signature_in_the_error(
    servers: list[Any], tmp_path: Path
) -> None:
    ours, storage = servers
    with pytest.raises(CannotTell, match="with more than 999 bytes") as caught:
        fetched(f"{ours.url}/to?{storage.url}/file?sig=abc", tmp_path / "file", limit=999)
    assert "sig=abc" not in str(caught.value)
    with pytest.raises(LinkLost, match="/cut broke off") as lost:
        fetched(f"{ours.url}/to?{storage.url}/cut?sig=abc", tmp_path / "file")
    assert "sig=abc" not in str(lost.value)
    assert list(tmp_path.iterdir()) == []


def test_a_circle_of_redirects_ends(servers: list[Any], tmp_path: Path) -> None:
    ours, _ = servers
    with pytest.raises(CannotTell, match="does not follow it"):
        fetched(f"{ours.url}/to?", tmp_path / "file")
    assert len(ours.seen) == 1


def test_an_url_is_shown_without_what_is_nobodys_business() -> None:
    assert bare("https://user:pass@host:8/path?sig=1#x") == "https://host:8/path"
