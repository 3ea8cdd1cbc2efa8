"""Kubeconfigs: which cluster, as whom; and no secret in what Seatrial says."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from tests.links.kubernetes.api_server import TOKEN, api_server, kubeconfig

from seatrial.errors import CannotTell
from seatrial.links.kubernetes import Access, ApiAway, NoSuchKind, connect, shared
from seatrial.links.kubernetes.answers import refusal


def message(access):
    with pytest.raises(CannotTell) as caught:
        asyncio.run(connect(access))
    return str(caught.value)


def test_a_missing_kubeconfig_is_named(tmp_path):
    assert "there is no kubeconfig" in message(Access(kubeconfig=str(tmp_path / "none")))


def test_an_unknown_context_names_the_nearest(tmp_path):
    text = message(Access(kubeconfig=kubeconfig(tmp_path, 1), context="her"))
    assert "has no context 'her'; did you mean 'here'? contexts: here" in text


@pytest.mark.parametrize("content", ["- : [", f"users: [{TOKEN}", "just text", "[]", "{}"])
def test_a_broken_kubeconfig_is_refused_without_its_content(tmp_path, content):
    file = tmp_path / "config"
    file.write_text(content)
    text = message(Access(kubeconfig=str(file)))
    assert str(file) in text
    assert TOKEN not in text


def test_a_login_program_that_fails_is_named_without_its_output(tmp_path):
    program = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
               "args": ["-c", f"echo {TOKEN} >&2; exit 3"], "interactiveMode": "Never"}  # fmt: skip
    text = message(Access(kubeconfig=kubeconfig(tmp_path, 1, exec=program)))
    assert "the login program in it failed" in text
    assert TOKEN not in text


def test_no_certificate_stays_behind_in_a_file(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    file = Path(kubeconfig(tmp_path, 1))
    config = json.loads(file.read_text())
    config["clusters"][0]["cluster"] = {
        "server": "https://127.0.0.1:1",
        "certificate-authority-data": "bm90IGEgY2VydA==",
    }
    file.write_text(json.dumps(config))
    assert "cannot be used" in message(Access(kubeconfig=str(file)))
    assert list(folder.iterdir()) == []


def test_a_server_that_is_away_is_named_without_the_token(tmp_path):
    async def test():
        cluster = await connect(Access(kubeconfig=kubeconfig(tmp_path, 1)))
        try:
            await cluster.kind("pods")
        finally:
            await cluster.close()

    with pytest.raises(ApiAway) as caught:
        asyncio.run(test())
    assert "http://127.0.0.1:1" in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_kinds_go_by_all_their_names_and_an_unknown_one_is_asked_for_again(tmp_path):
    async def test():
        async with api_server() as server:
            cluster = await connect(Access(kubeconfig=kubeconfig(tmp_path, server.port)))
            for name in ("Deployment", "deployment", "deployments", "deploy", "deployments.apps", "apps/v1/Deployment"):
                assert (await cluster.kind(name)).path("shop", "web") == "/apis/apps/v1/namespaces/shop/deployments/web"
            assert server.discoveries == 1
            with pytest.raises(NoSuchKind):
                await cluster.kind("boats")
            assert server.discoveries == 2
            assert await cluster.get(await cluster.kind("po"), "none") is None
            await cluster.close()

    asyncio.run(test())


def test_a_quota_is_no_missing_right():
    text = 'pods "web" is forbidden: exceeded quota: two, requested: pods=1, used: pods=2, limited: pods=2'
    status = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": text}
    error = refusal("create pods web", 403, json.dumps(status).encode())
    assert type(error).__name__ == "ApiRefused"
    assert "exceeded quota" in str(error)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 410, 429, 503])
def test_a_webhook_that_denies_is_a_refusal_with_whatever_code(code):
    text = 'admission webhook "boats.example.org" denied the request: masts must not be negative'
    error = refusal("create boats raft", code, json.dumps({"kind": "Status", "code": code, "message": text}).encode())
    assert type(error).__name__ == "ApiRefused"
    assert "masts must not be negative" in str(error)


def test_a_shared_cluster_has_the_namespace_of_its_context_whoever_asks_first(tmp_path):
    class Keeper:
        async def keep(self, name, make):
            return await make()

    keeper: Any = Keeper()

    async def test():
        cluster = await shared(keeper, Access(kubeconfig=kubeconfig(tmp_path, 1), namespace="of-another-check"))
        assert cluster.namespace == "shop"
        await cluster.close()

    asyncio.run(test())
