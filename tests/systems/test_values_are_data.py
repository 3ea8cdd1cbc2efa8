"""What a node or a workflow says of itself is never filled in, wherever a system's settings name it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.systems.fakes import Bare, FakeContext, settings

from seatrial import expressions
from seatrial.errors import UsageError
from seatrial.expressions import late
from seatrial.links.process.server_programs import argv_of
from seatrial.model.resource import Node
from seatrial.systems import probes
from seatrial.systems.github_actions.machines import Measure, machines
from seatrial.systems.github_actions.settings import GithubActionsSettings
from seatrial.systems.probes import Answer, look
from seatrial.systems.processes import Processes, holders
from seatrial.systems.processes.settings import ProcessSettings
from seatrial.systems.settings import fill, node_root

EVIL = "${{ env.SHIP_SECRET }}${{ secrets.SHIP_SECRET }}${{ 1 + 1 }}$deployment_dir;${provider}"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was sent to whom by HTTP; every answer is a template."""
    monkeypatch.setenv("SHIP_SECRET", "hunter2secret")
    sent: list[Any] = []

    async def send(method: str, url: str, *, headers: Any, body: str, timeout: float) -> Answer:
        sent.append((url, dict(headers), body))
        return Answer(200, EVIL, {"told": EVIL}, True)

    monkeypatch.setattr(probes, "send", send)
    return sent


def context(tmp_path: Path, system: Any = None) -> Any:
    return FakeContext(tmp_path / "suite", system, Bare(tmp_path / "nodes"))


REQUEST = {"headers": {"X-Is": "${{ node.address }}"}, "body": "<${{ node.address }}>"}
SENT = (f"http://h/{EVIL}", {"X-Is": EVIL}, f"<{EVIL}>")


def test_probes_roles_services_and_files_of_processes(tmp_path: Path, asked: list[Any]) -> None:
    written = settings(ProcessSettings, {
        "service": {
            "command": ["run", "${{ node.address }}", "${{ cluster.peers }}", "${{ node.address + '!' }}"],
            "env": {"AT": "${{ node.address }}"},
            "files": {"conf": "/etc/${{ node.address }}"},
            "folder": "/srv/${{ node.address }}",
        },
        "peer": "${{ node.name }}=${{ node.address }}",
        "health": {"http": "http://h/${{ node.address }}", "that": "json.told == body", **REQUEST},
        "leader": {"http": "http://h/${{ node.address }}", "that": "json.told == body", **REQUEST},
        "admin": "http://h/${{ node.address }}",
    })  # fmt: skip
    system: Any = Processes(written, tmp_path)
    ctx, node = context(tmp_path, system), Node(name="n11", address=EVIL)
    system._names, system._nodes, system._stage = ("n11",), {"n11": node}, "deployed"
    system._peers = ",".join(fill(ctx, written.peer, system._roots(one)) for one in [node])
    service = system._service(ctx, node)
    assert service.argv == ("run", EVIL, f"n11={EVIL}", f"{EVIL}!")
    assert (service.env["AT"], service.folder) == (EVIL, f"/srv/{EVIL}")
    assert fill(ctx, dict(written.service.files), system._roots(node)) == {"conf": f"/etc/{EVIL}"}

    async def scenario() -> None:
        assert (await look(ctx, written.health, node, system._roots(node))).ok
        assert [one.name for one in await holders(ctx, written.leader, [node], system._roots, single=True)]
        assert await system.admin_url(ctx) == {"n11": f"http://h/{EVIL}"}

    asyncio.run(scenario())
    assert asked == [SENT, SENT]


def test_artifacts_of_workflows(tmp_path: Path, asked: list[Any]) -> None:
    written = settings(GithubActionsSettings, {
        "deploy": {"workflow": "deploy.yml"},
        "teardown": {"workflow": "teardown.yml"},
        "nodes": {"web": "${{ outputs.web }}"},
        "health": {"http": "http://h/${{ outputs.path }}", "headers": {"X-Is": "${{ node.address }}"},
                   "body": "${{ outputs.list }}"},
    })  # fmt: skip
    outputs = {"web": EVIL.replace(" ", ""), "path": EVIL, "list": [EVIL]}
    ctx = context(tmp_path)
    (node,) = machines(ctx, written.nodes, None, outputs, tmp_path)
    assert node.address == outputs["web"]
    measure = Measure(written, outputs)
    asyncio.run(look(ctx, written.health, node, measure.roots(node)))
    (sent,) = asked
    assert sent == (f"http://h/{EVIL}", {"X-Is": outputs["web"]}, expressions.as_text([EVIL]))


def test_the_ledger_of_a_teardown(tmp_path: Path, asked: list[Any]) -> None:
    ctx = context(tmp_path)
    inputs = {"to": "${{ node.address }}", "key": "${{ secrets.SHIP_SECRET }}", "n": "${{ 1 + 1 }}"}
    kept = late.keep(inputs, {**ctx.names(), "node": node_root(Node(name="n1", address=EVIL))})
    assert "hunter2secret" not in str(kept)
    assert late.fill(kept, {"SHIP_SECRET": "hunter2secret"}) == {"to": EVIL, "key": "hunter2secret", "n": 2}


def test_programs_of_a_service_on_this_host() -> None:
    assert argv_of(["true", EVIL], path="/usr/bin:/bin", user="", keys="")[1:] == [EVIL]


def test_an_error_in_a_list_of_templates_shows_the_one_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^the system's settings use '\$\{\{ node.ports.http \}\}': ") as refused:
        fill(context(tmp_path), ["serve", "--port", "${{ node.ports.http }}"], {"node": {"ports": {}}})
    assert "serve" not in str(refused.value)
