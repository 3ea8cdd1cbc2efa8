from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.checks.http.site import Site, serving

from seatrial.errors import LinkLost
from seatrial.links.http import Web
from seatrial.links.http.session import HttpSession, SessionAnswer


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


def visited(url: str, method: str = "GET", *, options: Any = None, follow: int = 5, **more: Any) -> SessionAnswer:
    async def main() -> SessionAnswer:
        async with Web() as web:
            return await HttpSession(web, options or {}).ask(method, url, follow=follow, **more)

    return asyncio.run(main())


def test_redirects_are_followed_to_their_end_and_told(site: Site) -> None:
    seen = visited(f"{site.url}/hop/2#top")
    assert (seen.answer.text, seen.url, seen.astray) == ("landed", f"{site.url}/hop/0", "")
    assert [hop.location for hop in seen.hops] == [f"{site.url}/hop/1", f"{site.url}/hop/0"]


def test_a_redirect_that_is_not_followed_is_the_answer(site: Site) -> None:
    seen = visited(f"{site.url}/hop/2", follow=0)
    assert (seen.answer.status, seen.location, seen.hops) == (302, f"{site.url}/hop/1", ())


def test_more_redirects_than_allowed_lead_astray(site: Site) -> None:
    assert visited(f"{site.url}/hop/5").astray == ""
    assert "more than 5 redirects" in visited(f"{site.url}/hop/6").astray


def test_a_circle_is_found_at_once_and_named(site: Site) -> None:
    seen = visited(f"{site.url}/circle/a", follow=50)
    assert seen.astray == f"redirects go in a circle: {site.url}/circle/a → {site.url}/circle/b → {site.url}/circle/a"
    assert len(site.seen) == 2


def test_a_redirect_to_itself_with_a_new_cookie_is_no_circle(site: Site) -> None:
    assert visited(f"{site.url}/welcome").answer.text == "welcome back"


@pytest.mark.parametrize(
    "method, status, then, keeps",
    [
        ("POST", 301, "GET", False),
        ("POST", 302, "GET", False),
        ("POST", 303, "GET", False),
        ("PUT", 303, "GET", False),
        ("PUT", 302, "PUT", True),
        ("POST", 307, "POST", True),
        ("POST", 308, "POST", True),
        ("HEAD", 303, "HEAD", False),
    ],
)
def test_methods_and_bodies_change_as_in_browsers(site: Site, method: str, status: int, then: str, keeps: bool) -> None:
    body: dict[str, Any] = {} if method == "HEAD" else {"content": b"cargo", "headers": {"Content-Type": "text/x"}}
    seen = visited(f"{site.url}/to?{status}:/end", method, **body)
    assert (seen.answer.status, [one[0] for one in site.seen]) == (200, [method, then])
    headers = site.seen[-1][2]
    assert (headers.get("Content-Length"), headers.get("Content-Type")) == (("5", "text/x") if keeps else (None, None))


@pytest.mark.parametrize("to", ["ftp://127.0.0.1/", "http://[bad/", "http://127.0.0.1:99999/", "ssh://x"])
def test_a_redirect_to_what_is_no_url_leads_astray(site: Site, to: str) -> None:
    assert "not an HTTP URL" in visited(f"{site.url}/to?302:{to}").astray


def test_a_redirect_that_cannot_even_be_read_is_the_servers_doing(site: Site) -> None:
    with pytest.raises(LinkLost, match="invalid URL"):
        visited(f"{site.url}/to?302:mailto:x")


def test_what_was_meant_for_one_host_is_not_told_to_another(site: Site) -> None:
    sent = {"Authorization": "Bearer tide", "X-Key": "tide", "Accept": "text/html"}
    with serving() as other:
        elsewhere = f"http://other.127-0-0-1.nip.io:{other.server_port}/end"
        assert visited(f"{site.url}/to?302:{elsewhere}", headers=sent).answer.status == 200
        visited(f"{site.url}/to?302:{other.url}/end", headers=sent)
        assert [one[2].get("X-Key") for one in site.seen] == ["tide", "tide"]
        assert [one[2].get("Accept") for one in other.seen] == ["text/html", "text/html"]
        assert "tide" not in str(other.seen[0][2])
        assert other.seen[1][2]["X-Key"] == "tide", "another port of the same host is no other host"


def test_cookies_are_kept_by_the_host_of_the_url_and_not_by_where_it_was_connected_to(site: Site) -> None:
    async def main() -> list[str]:
        async with Web() as web:
            session = HttpSession(web, {"connect_to": {"one.example": site.url[7:], "two.example": site.url[7:]}})
            seen = [await session.ask("GET", f"http://{host}.example/welcome", follow=3) for host in ("one", "two")]
            await session.ask("GET", "http://one.example/welcome", follow=0)
            return [one.answer.text for one in seen]

    assert asyncio.run(main()) == ["welcome back", "welcome back"]
    told = [(headers["Host"], headers.get("Cookie")) for _, _, headers in site.seen]
    one = [("one.example", None), ("one.example", "known=1")]
    assert told == [*one, ("two.example", None), ("two.example", "known=1"), ("one.example", "known=1")]
