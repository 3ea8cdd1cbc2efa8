from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from tests.checks.fakes import FakeContext, look
from tests.checks.http.site import Site
from tests.links.web_server import serving

from seatrial.checks.content import SHOWN
from seatrial.checks.http import Http


@pytest.mark.parametrize(
    "path, fields, why",
    [
        ("/hop/2", {"status": 302}, ""),
        ("/hop/2", {"location": "/hop/1"}, ""),
        ("/hop/2", {"location": "1"}, ""),
        ("/hop/2", {"location": "/hop/0"}, "leads to SITE/hop/1, expected a redirect to SITE/hop/0"),
        ("/hop/0", {"location": "/hop/0"}, "answers 200 without a redirect"),
        ("/hop/2", {"redirects": "follow", "status": 200, "contains": "landed"}, ""),
        ("/hop/2", {"redirects": "follow", "location": "/hop/1", "ends_at": "/hop/0"}, ""),
        ("/hop/2", {"redirects": "follow", "ends_at": "/hop/1"}, "redirects ended at SITE/hop/0, expected SITE/hop/1"),
        ("/hop/2", {"redirects": "follow", "status": 404}, "SITE/hop/0 answers 200 after 2 redirects"),
        ("/hop/3", {"redirects": "follow", "max_redirects": 2}, "more than 2 redirects, the last to SITE/hop/0"),
        ("/circle/a", {"redirects": "follow"}, "circle: SITE/circle/a → SITE/circle/b → SITE/circle/a"),
        ("/to?301:ftp://x/", {"redirects": "follow"}, "this is not an HTTP URL"),
        ("/hop/1", {"redirects": "follow", "that": 'url.endsWith("/hop/0")'}, ""),
    ],
)
def test_where_redirects_lead_decides(site: Site, path: str, fields: dict[str, Any], why: str) -> None:
    seen = look(Http(url=site.url + path, **fields), FakeContext())
    assert seen.verdict == ("failed" if why else "passed"), seen
    assert why.replace("SITE", site.url) in seen.why


@pytest.mark.parametrize("fields", [{"contains": "nothing"}, {"status": 404}, {"that": "body.size() == 0"}])
def test_a_secret_is_hidden_before_a_text_is_cut(site: Site, fields: dict[str, Any]) -> None:
    ctx = FakeContext()
    ctx.secret("tide-table-of-0412")
    for before in range(SHOWN - 20, SHOWN + 1):
        site.files["note"] = b"x" * before + b"tide-table-of-0412" + b"y" * 100
        seen = look(Http(url=f"{site.url}/files/note", **fields), ctx)
        assert seen.verdict == "failed"
        assert "xt" not in f"{seen.why}{seen.seen}"


PART = {"content-range": "bytes 0-4/9"}


@pytest.mark.parametrize(
    "headers, fields, verdict",
    [
        (PART, {"lacks": "ERROR"}, "unknown"),
        (PART, {"lacks": "hello"}, "failed"),
        (PART, {"contains": "hello"}, "passed"),
        (PART, {"contains": "ship"}, "unknown"),
        (PART, {"that": "!body.contains('ERROR')"}, "unknown"),
        (PART, {"that": "status == 206"}, "passed"),
        (PART, {"lacks": "ERROR", "status": 206}, "passed"),
        (PART, {"lacks": "ERROR", "status": [200, 206]}, "passed"),
        ({"content-range": "bytes 0-4/*"}, {"lacks": "ERROR"}, "unknown"),
        ({"content-range": "bytes 0-4/5"}, {"lacks": "ERROR"}, "passed"),
        ({}, {"lacks": "ERROR"}, "unknown"),
    ],
)
def test_a_part_that_nobody_asked_for_is_not_judged_as_the_whole(
    headers: dict[str, str], fields: dict[str, Any], verdict: str
) -> None:
    with serving() as server:
        asked = urlencode({"status": "206", **headers})
        seen = look(Http(url=f"{server.url}/as?{b'hello'.hex()}&{asked}", **fields), FakeContext())
    assert seen.verdict == verdict, seen
