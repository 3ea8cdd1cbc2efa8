from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.checks.fakes import FakeContext, look, verdict
from tests.checks.http.site import Site

from seatrial.checks.http import Http
from seatrial.checks.http.then import Then
from seatrial.checks.http.uploads import Upload


@pytest.mark.parametrize("page", ["/notes/", "/notes/?multipart"])
def test_a_protected_form_is_filled_in_and_submitted_as_a_browser_does(site: Site, page: str) -> None:
    check = Http(url=site.url + page, submit={"text": "Ahoy & <b>"}, contains="<li>Ahoy &amp; &lt;b&gt;")
    seen = look(check, FakeContext())
    assert (seen.verdict, seen.seen) == ("passed", {"status": 200, "url": f"{site.url}/notes/"}), seen
    assert site.posted == [{"colour": "blue", "pinned": "on", "save": "yes", "text": "Ahoy & <b>"}]


def test_a_form_sent_past_its_page_is_refused_as_a_forgery_so_the_page_matters(site: Site) -> None:
    seen = look(Http(url=f"{site.url}/notes/", method="POST", form={"text": "x"}), FakeContext())
    assert (seen.verdict, seen.seen) == ("failed", 403)


def test_a_note_that_was_taken_and_is_lost_fails(site: Site) -> None:
    site.forgetful = True
    seen = look(Http(url=f"{site.url}/notes/", submit={"text": "ahoy"}, contains="ahoy"), FakeContext())
    assert (seen.verdict, len(site.posted)) == ("failed", 1)
    assert "does not contain 'ahoy'" in seen.why


def test_a_form_of_another_host_gets_where_the_site_is(site: Site) -> None:
    fields: dict[str, Any] = {"submit": {"text": "x"}, "contains": "<li>x", "connect_to": site.url[7:]}
    assert verdict(Http(url="http://app.example/notes/", **fields), FakeContext()) == "passed"


def test_a_form_that_asks_is_sent_in_the_url(site: Site) -> None:
    check = Http(url=f"{site.url}/notes/", submit={"q": "a b"}, that='json.path == "/search?q=a+b"')  # type: ignore[arg-type]
    assert verdict(check, FakeContext()) == "passed"


def test_a_file_goes_with_a_form(site: Site, tmp_path: Path) -> None:
    files: dict[str, str | Upload] = {"photo": Upload(size=100)}
    check = Http(url=f"{site.url}/notes/", submit={"text": "with photo"}, files=files, contains="<li>with photo")
    assert verdict(check, FakeContext(tmp_path)) == "passed"
    sent = next(headers for method, _, headers in site.seen if method == "POST")
    assert sent["Content-Type"].startswith("multipart/form-data")


@pytest.mark.parametrize(
    "path, why", [("/notes/", "no form of the page has the fields nothing"), ("/end", "no form"), ("/to?500:", "500")]
)
def test_a_page_without_the_form_fails(site: Site, path: str, why: str) -> None:
    seen = look(Http(url=site.url + path, submit={"nothing": "x"}), FakeContext())
    assert seen.verdict == "failed"
    assert why in seen.why


def test_a_post_is_followed_to_what_it_made(site: Site) -> None:
    fields: dict[str, Any] = {"method": "POST", "json": {"a": 1}, "redirects": "follow"}
    assert verdict(Http(url=f"{site.url}/hop/2", contains="landed", **fields), FakeContext()) == "passed"


@pytest.mark.parametrize(
    "fields, key",
    [
        ({"submit": {}, "form": {"a": "b"}}, "submit"),
        ({"submit": {}, "method": "POST"}, "method"),
        ({"json": 1, "files": {"f": "g"}}, "files"),
        ({"max_redirects": 0}, "max_redirects"),
        ({"connect_to": "a b"}, "connect_to"),
        ({"connect_to": {"a": "http://b"}}, "connect_to"),
        ({"closed": True, "contains": "x"}, "contains"),
        ({"then": Then(same_as="photo")}, "then"),
    ],
)
def test_wrong_fields_are_found_before_anything_runs(fields: dict[str, Any], key: str) -> None:
    assert [name for name, _ in Http(url="http://x", **fields).check_fields()] == [key]


def test_one_place_to_ask_at() -> None:
    assert [name for name, _ in Then(url="/a", url_from="json.b").check_fields()] == ["url_from"]  # type: ignore[arg-type]
