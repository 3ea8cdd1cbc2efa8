"""What makes two definitions the same service, and what has a value when it is started."""

from __future__ import annotations

import asyncio
import os
import pwd
import time
from pathlib import Path

import pytest

from seatrial.engine.services import client
from seatrial.engine.services.definition import filled, order
from seatrial.engine.services.home import Home
from seatrial.engine.services.running import make_folder
from seatrial.errors import CannotTell
from seatrial.model.scenario import Location, ServicePlan
from seatrial.model.service import Service, ServiceHealth


def plan(service: Service, folder: str = "/a") -> ServicePlan:
    return ServicePlan(name="pier", service=service, folder=Path(folder), source=Location(file="a"), secrets=())


def test_what_a_command_brings_up_is_another_service_in_another_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def digest(service: Service, folder: str) -> str:
        return str(order(plan(service, folder), {}, {}, {})["digest"])

    cluster = Service(start=("make", "cluster"), stop=("make", "gone"), port=5)
    assert digest(cluster, "/a") != digest(cluster, "/b")
    server = Service(command=("serve", "5"))
    assert digest(server, "/a") == digest(server, "/b")


@pytest.mark.parametrize("health", [{"http": "${{ env.WORD }}"}, {"http": "/", "contains": "${{ env.WORD }}"}])
def test_a_look_for_nothing_is_no_health(
    health: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    made = plan(Service(endpoint="127.0.0.1:7", health=ServiceHealth(**health)))  # type: ignore[arg-type]
    with pytest.raises(CannotTell, match="has no value now"):
        filled(order(made, {"WORD": ""}, {}, {}), port=None, folder="")
    filled(order(made, {"WORD": "/x"}, {}, {}), port=None, folder="")


def test_an_end_that_was_announced_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BEGINS", 0.0)
    home = Home("pier", tmp_path)
    home.write({"ends_by": time.time() + 600})
    assert not client._Patience(home).over
    home.write({"ends_by": time.time() - 1})
    assert client._Patience(home).over


def test_a_needed_service_that_has_ended_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(CannotTell, match="the service tide, which it needs, has ended"):
        asyncio.run(client.hold("tide", by="pier"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")
def test_the_files_of_a_service_s_user_are_the_user_s_with_all_folders_above_them(tmp_path: Path) -> None:
    make_folder(tmp_path / "data", Service(command=("a",), user="nobody", files={"a/b/c": "x", "d": "y"}))
    owners = {str(path.relative_to(tmp_path)): path.stat().st_uid for path in tmp_path.rglob("*")}
    nobody = pwd.getpwnam("nobody").pw_uid
    assert owners == dict.fromkeys(["data", "data/a", "data/a/b", "data/a/b/c", "data/d"], nobody)


def test_other_files_and_another_cluster_make_another_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    config = "contexts: [{name: one, context: {}}, {name: two, context: {}}]\n"
    (tmp_path / "config").write_text(config)
    (tmp_path / "web.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")

    def digest(**more: str) -> str:
        service = Service(manifests=("web.yaml",), kubeconfig="config", **{"context": "one", **more})  # type: ignore[arg-type]
        return str(order(plan(service, str(tmp_path)), {}, {}, {})["digest"])

    first = digest()
    assert digest() == first
    assert digest(context="two") != first
    (tmp_path / "web.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n")
    assert digest() != first
    with pytest.raises(CannotTell, match="has 2 contexts"):
        digest(context="")
