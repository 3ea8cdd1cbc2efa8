"""The cluster of a ledger's record: no other one is taken for it."""

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.acceptance.harness import until

from seatrial.errors import CannotTell, LeftBehind
from seatrial.links.kubernetes.deploying import access, helm
from seatrial.links.kubernetes.deploying.deployment import Deployment
from seatrial.systems.kubernetes import Kubernetes
from seatrial.systems.kubernetes.settings import KubernetesSettings

RECORD = {"kubeconfig": "/k", "context": "staging", "server": "https://one", "identity": ""}


def reached(monkeypatch, record, server, identity):
    @asynccontextmanager
    async def other(place, namespace=""):
        yield SimpleNamespace(server=server)

    async def its_identity(cluster):
        return identity

    async def go():
        async with access.again(record):
            return True

    monkeypatch.setattr(access, "reached", other)
    monkeypatch.setattr(access, "_identity", its_identity)
    return asyncio.run(go())


@pytest.mark.parametrize(
    ("known", "server", "identity"), [("a", "https://one", "a"), ("a", "https://moved", "a"), ("", "https://one", "")]
)
def test_the_same_cluster_is_known_by_its_identity_else_by_its_address(monkeypatch, known, server, identity):
    assert reached(monkeypatch, {**RECORD, "identity": known}, server, identity)


@pytest.mark.parametrize(
    ("known", "server", "identity", "words"),
    [
        ("a", "https://one", "b", "leads to another cluster now"),
        ("", "https://two", "", "whether that is the same cluster cannot be seen"),
        ("a", "https://two", "", "right to get the namespace kube-system"),
    ],
)
def test_another_cluster_is_refused_also_where_nobody_may_see_its_identity(monkeypatch, known, server, identity, words):
    with pytest.raises(LeftBehind, match=words):
        reached(monkeypatch, {**RECORD, "identity": known}, server, identity)


def test_a_helm_that_works_for_another_cluster_is_not_the_trial_s():
    words = ["helm", "-c", "input()", "upgrade", "web", "--kube-context", "theirs", "--namespace", "default"]
    with subprocess.Popen(words, executable=sys.executable, stdin=subprocess.PIPE) as theirs:
        try:
            own = ["--kube-context", "theirs", "--namespace", "default"]
            until(lambda: helm._calls("web", own) == [theirs.pid], "the words of the new process")
            assert helm._calls("web", ["--kube-context", "ours", "--namespace", "default"]) == []
        finally:
            theirs.kill()


def test_a_second_deployment_goes_to_the_cluster_of_the_first(monkeypatch, tmp_path):
    first = access.Place(kubeconfig="/k", context="staging", server="https://one", identity="a")
    system = Kubernetes(KubernetesSettings(manifests=("web.yaml",)), tmp_path)
    system._deployment = Deployment(tmp_path, first, "n", given=False)

    async def init(ctx):
        system._place = replace(first, identity="b")

    monkeypatch.setattr(system, "init", init)
    with pytest.raises(CannotTell, match=r"leads to another cluster now .*: this trial deployed to the first one"):
        asyncio.run(system.deploy(None))  # type: ignore[arg-type]
