from __future__ import annotations

from typing import Any

import pytest
from tests.checks.fakes import FakeContext, look, verdict
from tests.checks.http.site import Site

from seatrial.checks.http import Http
from seatrial.checks.http.then import Then
from seatrial.checks.http.uploads import Upload, digest
from seatrial.model.values import Duration, Expression

PHOTO: dict[str, Any] = {"method": "POST", "files": {"photo": Upload(size=65536, seed="1")}, "status": 201}


@pytest.mark.parametrize("url_from", ["json.url", "headers.location"])
def test_what_was_uploaded_is_read_back_byte_for_byte(site: Site, url_from: str) -> None:
    then = Then(url_from=url_from, same_as="photo")  # type: ignore[arg-type]
    seen = look(Http(url=f"{site.url}/upload", then=then, **PHOTO), FakeContext())
    (content,) = site.files.values()
    assert (seen.verdict, seen.seen) == ("passed", {"bytes": 65536, "sha256": digest(content)})
    assert site.seen[-1][2]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "spoil, why",
    [
        (lambda content: content[:4096], "only the first 4096 of 65536 bytes came back"),
        (lambda content: content + b"\n", "all 65536 bytes came back, followed by 1 more"),
        (lambda content: content[:99] + bytes([content[99] ^ 1]) + content[100:], "they differ from byte 99 on"),
    ],
)
def test_what_comes_back_spoiled_fails_and_says_how(site: Site, spoil: Any, why: str) -> None:
    site.spoil = spoil
    then = Then(url_from="json.url", same_as="photo")  # type: ignore[arg-type]
    seen = look(Http(url=f"{site.url}/upload", then=(then,), **PHOTO), FakeContext())
    assert seen.verdict == "failed"
    assert why in seen.why
    assert seen.why.startswith(f"then GET {site.url}/files/")


def test_an_answer_may_be_held_against_what_was_sent(site: Site) -> None:
    check = Http(url=f"{site.url}/upload", that="json.size == uploads.photo.size", **PHOTO)  # type: ignore[arg-type]
    assert verdict(check, FakeContext()) == "passed"


def test_what_follows_is_the_same_visitor_and_stops_where_it_went_wrong(site: Site) -> None:
    known = Then(url="/echo", that=Expression('json.headers.Cookie == "known=1"'))
    seen = look(Http(url=f"{site.url}/welcome", redirects="follow", then=known), FakeContext())
    assert seen.verdict == "passed", seen
    then = (known, Then(url="/echo", status=201), Then(url="/never"))
    seen = look(Http(url=f"{site.url}/welcome", then=then), FakeContext())
    assert (seen.verdict, seen.seen, seen.expected) == ("failed", 200, 201)
    assert seen.why.startswith(f"then GET {site.url}/echo: ")
    assert "/never" not in [path for _, path, _ in site.seen]


def test_what_comes_late_is_looked_for_again_within_its_time(site: Site) -> None:
    site.late = 4
    then = Then(url="/lines", contains="ahoy", within=Duration(30.0))
    assert verdict(Http(url=f"{site.url}/notes/", submit={"text": "ahoy"}, then=then), FakeContext()) == "passed"
    assert (site.looks, len(site.posted)) == (5, 1), "only what follows is asked again"


def test_what_does_not_come_in_time_fails_with_what_was_seen_last(site: Site) -> None:
    site.late = 10**9
    check = Http(url=f"{site.url}/lines", then=Then(url="/lines", that="json.ready", within=2))  # type: ignore[arg-type]
    seen = look(check, FakeContext())
    assert (seen.verdict, seen.seen) == ("failed", {"lines": [], "ready": False})
    assert "within 2 s: `json.ready` is false" in seen.why
    assert site.looks > 3


@pytest.mark.parametrize(
    "url_from, path, expected",
    [("json.gone", "/lines", "unknown"), ("1", "/lines", "unknown"), ("json.url", "/hop/0", "failed")],
)
def test_an_answer_that_leads_nowhere_is_no_pass(site: Site, url_from: str, path: str, expected: str) -> None:
    check = Http(url=site.url + path, then=Then(url_from=url_from))  # type: ignore[arg-type]
    assert verdict(check, FakeContext()) == expected
