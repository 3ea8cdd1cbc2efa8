from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.checks.fakes import NOT_OK, UNKNOWN, FakeContext, look, well
from tests.links.test_tcp import closed_port
from tests.links.web_server import Server, serving

from seatrial.checks.admin_ui_accessible import AdminUi


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def declaring(ctx: FakeContext, **urls: str) -> FakeContext:
    async def admin_url(_: object) -> dict[str, str]:
        return urls

    ctx.system.admin_url = admin_url
    return ctx


def gone() -> str:
    return f"http://127.0.0.1:{closed_port()}/"


@pytest.mark.parametrize("path", ["/", "/status/204", "/status/302"])
def test_an_answer_of_one_healthy_node_is_enough(server: Server, path: str) -> None:
    ctx = declaring(FakeContext(n11=well(), n12=well()), n11=gone(), n12=server.url + path)
    assert look(AdminUi(), ctx).verdict == "passed"


def test_an_admin_ui_that_is_gone_everywhere_fails_and_says_where() -> None:
    seen = look(AdminUi(), declaring(FakeContext(n11=well(), n12=well()), n11=gone(), n12=gone()))
    assert seen.verdict == "failed"
    assert seen.seen == {"n11": "no answer", "n12": "no answer"}
    assert "n12" in seen.why


@pytest.mark.parametrize("status", [404, 500])
def test_an_error_page_is_no_admin_ui(server: Server, status: int) -> None:
    seen = look(AdminUi(), declaring(FakeContext(n11=well()), n11=f"{server.url}/status/{status}"))
    assert (seen.verdict, seen.seen) == ("failed", {"n11": status})


def test_a_slow_admin_ui_fails(server: Server) -> None:
    check = AdminUi(timeout=0.2)  # type: ignore[arg-type]
    assert look(check, declaring(FakeContext(n11=well()), n11=f"{server.url}/slow")).verdict == "failed"


def test_an_answer_of_an_unhealthy_node_does_not_count(server: Server) -> None:
    ctx = declaring(FakeContext(n11=well(service=NOT_OK), n12=well()), n11=server.url, n12=gone())
    assert look(AdminUi(), ctx).verdict == "failed"
    ctx = declaring(FakeContext(n11=well(service=NOT_OK)), n11=server.url)
    assert look(AdminUi(), ctx).verdict == "failed"
    assert server.seen == []


def test_an_answer_of_a_node_of_unknown_health_is_unknown(server: Server) -> None:
    ctx = declaring(FakeContext(n11=well(service=UNKNOWN)), n11=server.url)
    assert look(AdminUi(), ctx).verdict == "unknown"


def test_a_system_without_an_admin_ui_is_unknown() -> None:
    for ctx in (FakeContext(n11=well()), declaring(FakeContext(n11=well()))):
        seen = look(AdminUi(), ctx)
        assert (seen.verdict, seen.why) == ("unknown", "the system declares no admin UI")


def test_a_url_that_cannot_be_asked_is_unknown() -> None:
    assert look(AdminUi(), declaring(FakeContext(n11=well()), n11="ftp://x/")).verdict == "unknown"
