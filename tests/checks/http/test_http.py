from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.checks.fakes import FakeContext, look, verdict
from tests.links.test_tcp import closed_port
from tests.links.web_server import Server, serving

from seatrial.checks.http import Http


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.mark.parametrize(
    "path, fields, expected",
    [
        ("/", {}, "passed"),
        ("/status/302", {}, "passed"),
        ("/status/404", {}, "failed"),
        ("/status/500", {}, "failed"),
        ("/status/404", {"status": 404}, "passed"),
        ("/", {"status": 404}, "failed"),
        ("/status/204", {"status": (200, 204)}, "passed"),
        ("/", {"contains": "from the ship"}, "passed"),
        ("/", {"contains": ("hello", "ship")}, "passed"),
        ("/", {"contains": ("hello", "whale")}, "failed"),
        ("/", {"lacks": "whale"}, "passed"),
        ("/", {"lacks": "ship"}, "failed"),
        ("/", {"answer_headers": {"Content-Type": "text/plain"}}, "passed"),
        ("/", {"answer_headers": {"Content-Type": "text/html"}}, "failed"),
        ("/", {"answer_headers": {"x-gone": "1"}}, "failed"),
        ("/json", {"that": "json.items.size() == 3"}, "passed"),
        ("/json", {"that": "json.items.size() == 4"}, "failed"),
        ("/json", {"that": 'headers["content-type"] == "application/json" && status == 200'}, "passed"),
        ("/", {"that": 'body.startsWith("hello")'}, "passed"),
        ("/", {"that": "json.items.size() == 3"}, "failed"),
        ("/json", {"that": "json.gone.size() == 3"}, "unknown"),
        ("/json", {"that": "json.name"}, "unknown"),
        ("/broken", {}, "failed"),
        ("/", {"closed": True}, "failed"),
    ],
)
def test_the_answer_decides(server: Server, path: str, fields: dict[str, Any], expected: str) -> None:
    assert verdict(Http(url=server.url + path, **fields), FakeContext()) == expected


def test_it_says_what_was_seen_and_expected(server: Server) -> None:
    seen = look(Http(url=f"{server.url}/status/503", status=200), FakeContext())
    assert (seen.seen, seen.expected) == (503, 200)
    assert "as asked" in seen.why
    seen = look(Http(url=f"{server.url}/json", that="json.items.size() == 4"), FakeContext())  # type: ignore[arg-type]
    assert seen.seen == {"items": [1, 2, 3], "name": "ship"}
    assert seen.expected == "json.items.size() == 4"


def test_a_refused_connection_fails_and_is_what_a_closed_port_must_give() -> None:
    url = f"http://127.0.0.1:{closed_port()}/"
    seen = look(Http(url=url), FakeContext())
    assert (seen.verdict, seen.seen) == ("failed", "no answer")
    assert "refused" in seen.why
    assert look(Http(url=url, closed=True), FakeContext()).verdict == "passed"


def test_a_slow_answer_fails_as_a_matter_of_time(server: Server) -> None:
    seen = look(Http(url=f"{server.url}/slow", timeout=0.2), FakeContext())  # type: ignore[arg-type]
    assert (seen.verdict, seen.category) == ("failed", "timeout")


@pytest.mark.parametrize("fields", [{}, {"closed": True}])
def test_a_name_that_does_not_resolve_is_unknown(fields: dict[str, Any]) -> None:
    assert verdict(Http(url="http://no-such-host.invalid/", **fields), FakeContext()) == "unknown"


def test_a_file_to_upload_that_is_not_there_is_unknown(server: Server, tmp_path: Path) -> None:
    assert verdict(Http(url=server.url, files={"f": "gone"}), FakeContext(tmp_path)) == "unknown"


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"method": "PUT", "body": "ahoy"}, 'json.method == "PUT" && json.body == "ahoy"'),
        ({"method": "POST", "json": {"a": [1]}}, 'json.type == "application/json" && json.body == "{\\"a\\":[1]}"'),
        ({"method": "POST", "form": {"a": "1 2"}}, 'json.type.endsWith("urlencoded") && json.body == "a=1+2"'),
        ({"headers": {"content-type": "text/ship"}}, 'json.type == "text/ship"'),
        (
            {"method": "POST", "form": {"a": "1"}, "files": {"f": "cargo.txt"}},
            'json.type.startsWith("multipart/") && json.body.contains("crates") && json.body.contains("cargo.txt")',
        ),
    ],
)
def test_what_is_to_be_sent_is_sent(server: Server, tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    (tmp_path / "cargo.txt").write_text("crates")
    seen = look(Http(url=f"{server.url}/echo", that=said, **fields), FakeContext(tmp_path))  # type: ignore[arg-type]
    assert seen.verdict == "passed", seen


def test_a_bad_certificate_fails_and_a_trusted_one_with_the_right_name_passes(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("ship.example").configure_cert(tls)
    ctx = FakeContext(tmp_path)
    with serving(tls) as server:
        seen = look(Http(url=server.url), ctx)
        assert seen.verdict == "failed"
        assert "certificate" in seen.why
        assert look(Http(url=server.url, ca="ca.pem", tls_name="other.example"), ctx).verdict == "failed"
        assert look(Http(url=server.url, ca="ca.pem", tls_name="ship.example"), ctx).verdict == "passed"
        assert look(Http(url=server.url, verify=False), ctx).verdict == "passed"
        assert verdict(Http(url=server.url, ca="gone.pem"), ctx) == "unknown"


@pytest.mark.parametrize(
    "fields, key",
    [
        ({"url": "127.0.0.1:80"}, "url"),
        ({"url": "http://127.0.0.1:99999"}, "url"),
        ({"url": "http://x", "body": "a", "json": 1}, "json"),
        ({"url": "http://x", "body": "a", "files": {"f": "g"}}, "files"),
    ],
)
def test_wrong_fields_are_found_before_anything_runs(fields: dict[str, Any], key: str) -> None:
    assert [name for name, _ in Http(**fields).check_fields()] == [key]
    assert not list(Http(url="http://x", form={"a": "b"}, files={"f": "g"}).check_fields())


def test_text_is_a_url() -> None:
    assert Http.from_text(":http://127.0.0.1:80/x") == {"url": "http://127.0.0.1:80/x"}
    with pytest.raises(ValueError, match="http:URL"):
        Http.from_text(":127.0.0.1")
