from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from tests.checks.fakes import FakeContext, well
from tests.links.ssh_server import Server, serving
from tests.links.test_tcp import closed_port

from seatrial.checks.ssh_key import SshKey
from seatrial.errors import CannotTell
from seatrial.links.ssh import SSHLink
from seatrial.model.resource import Node
from seatrial.model.result import Observation


def key(folder: Path, name: str = "old") -> str:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(folder / name))
    return name


def seen(folder: Path, fields: dict[str, Any], *, ssh: Any = None, **node: object) -> Observation:
    """What the check sees of one node with a real SSH server in this process."""

    async def main() -> Observation:
        async with serving(folder) as server:
            ctx = FakeContext(folder, n11=well())
            ctx._nodes["n11"] = Node(name="n11", ssh=ssh(server)) if ssh else server.node(**node)
            return await SshKey(**fields).observe(ctx)  # type: ignore[arg-type]

    return asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize(
    "name, login, verdict",
    [
        ("key", "accepted", "passed"),
        ("key", "refused", "failed"),
        ("old", "refused", "passed"),
        ("old", "accepted", "failed"),
    ],
)
def test_the_servers_word_decides(tmp_path: Path, name: str, login: str, verdict: str) -> None:
    key(tmp_path)
    one = seen(tmp_path, {"key": name, "login": login})
    assert (one.verdict, one.seen) == (verdict, {"n11": "accepted" if name == "key" else "refused"})
    if verdict == "failed":
        assert one.why == f"n11: a login with the key {name} is {one.seen['n11']}, expected {login}"  # type: ignore[index]


def test_another_user_may_be_tried(tmp_path: Path) -> None:
    one = seen(tmp_path, {"key": "key", "login": "accepted", "user": "deploy"}, port=closed_port())
    assert "deploy@127.0.0.1" in one.why


@pytest.mark.parametrize("login, verdict", [("refused", "unknown"), ("accepted", "failed")])
def test_no_answer_is_no_refusal(tmp_path: Path, login: str, verdict: str) -> None:
    one = seen(tmp_path, {"key": key(tmp_path), "login": login}, port=closed_port())
    assert one.verdict == verdict
    assert "connection refused" in one.why


@pytest.mark.parametrize(
    "name, node, why",
    [
        ("gone", {}, "cannot be used"),
        ("text", {}, "cannot be used"),
        (
            "old",
            {"known_host": asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()},
            "another host key",
        ),
        ("old", {"known_host": ""}, "no host key is recorded"),
    ],
)
def test_what_says_nothing_of_the_key_is_unknown(tmp_path: Path, name: str, node: dict[str, Any], why: str) -> None:
    key(tmp_path)
    (tmp_path / "text").write_text("no key")
    one = seen(tmp_path, {"key": name, "login": "refused"}, **node)
    assert (one.verdict, why in one.why) == ("unknown", True), one.why


def test_the_identity_that_the_nodes_own_link_has_seen_first_has_to_stay(tmp_path: Path) -> None:
    async def main() -> tuple[Observation, Observation]:
        async with serving(tmp_path) as server:
            ctx, node = FakeContext(tmp_path, n11=well()), server.node(known_host="", accept=True)
            link = SSHLink(node)
            ctx._nodes["n11"], ctx.links["n11"] = node, link  # type: ignore[assignment]
            await link.run("true")
            await link.close()
            before = await SshKey(key="old", login="refused").observe(ctx)  # type: ignore[arg-type]
            await server.crash()
            server.host_key = asyncssh.generate_private_key("ssh-ed25519")
            await server.start()
            return before, await SshKey(key="old", login="refused").observe(ctx)  # type: ignore[arg-type]

    key(tmp_path)
    before, after = asyncio.run(asyncio.wait_for(main(), 30))
    assert before.verdict == "passed"
    assert (after.verdict, "another host key" in after.why) == ("unknown", True), after


def test_a_machine_to_go_through_that_refuses_us_has_not_refused_the_key(tmp_path: Path) -> None:
    def behind(server: Server) -> dict[str, object]:
        door = dict(server.node().ssh)
        return {**door, "jump": {**door, "key": str(tmp_path / "old")}}

    key(tmp_path)
    one = seen(tmp_path, {"key": "key", "login": "refused"}, ssh=behind)
    assert one.verdict == "unknown"
    assert "jump host" in one.why


def test_a_node_without_ssh_is_unknown(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path, n11=well())
    one = asyncio.run(SshKey(key="x", login="refused").observe(ctx))  # type: ignore[arg-type]
    assert (one.verdict, "has no SSH" in one.why) == ("unknown", True)


def test_without_nodes_nothing_can_be_told(tmp_path: Path) -> None:
    with pytest.raises(CannotTell, match="no nodes"):
        asyncio.run(SshKey(key="x", login="refused").observe(FakeContext(tmp_path, state="initialized")))  # type: ignore[arg-type]


def test_text_is_a_key_and_what_becomes_of_it() -> None:
    assert SshKey.from_text(":keys/old==refused") == {"key": "keys/old", "login": "refused"}
    assert SshKey.from_text("[n11,n12]:new == accepted") == {"on": "n11,n12", "key": "new", "login": "accepted"}
    for wrong in ("", ":keys/old", ":keys/old==gone", "keys/old==refused"):
        with pytest.raises(ValueError, match="ssh_key:keys/old==refused"):
            SshKey.from_text(wrong)
