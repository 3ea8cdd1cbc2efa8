"""Logs and artifacts: where they are, who gets them, and what may be wrong with them."""

from __future__ import annotations

import io
import json
import resource
import zipfile

import httpx
import pytest

from github_server.workflows import REPOSITORY, Client, over
from seatrial_stand_ins.github import (
    ArtifactBomb,
    ArtifactCutOff,
    ArtifactEmpty,
    ArtifactExpired,
    ArtifactHuge,
    ArtifactMissing,
    ArtifactNotJson,
    ArtifactTwice,
    ArtifactWithPaths,
    Fails,
    GitHubServer,
    plants,
)
from seatrial_stand_ins.github.storage import Storage


def listed(server: GitHubServer, client: Client) -> list[dict]:
    """The artifacts of a fresh run, once it has ended."""
    number = client.dispatch()
    over(server, number)
    return client.get(f"/actions/runs/{number}/artifacts")["artifacts"]


def archive(client: Client, artifact: dict) -> bytes:
    """The archive, as a client that follows gets it."""
    answer = client.http.get(artifact["archive_download_url"], follow_redirects=True)
    assert answer.status_code == 200, answer.text
    return answer.content


def files(client: Client, artifact: dict) -> dict[str, str]:
    """What is in it."""
    with zipfile.ZipFile(io.BytesIO(archive(client, artifact))) as zipped:
        return {name: zipped.read(name).decode() for name in zipped.namelist()}


def test_an_artifact_is_downloaded_from_another_origin_that_wants_no_token(
    server: GitHubServer, client: Client
) -> None:
    (artifact,) = listed(server, client)
    assert json.loads(files(client, artifact)["outputs.json"])["web_ip"] == "192.0.2.7"
    assert artifact["size_in_bytes"] == len(archive(client, artifact))
    moved = client.http.get(artifact["archive_download_url"])
    assert (moved.status_code, moved.content) == (302, b"")
    address = httpx.URL(moved.headers["location"])
    assert address.port != httpx.URL(server.url).port
    with httpx.Client(trust_env=False) as elsewhere:
        assert elsewhere.get(address).status_code == 200
        assert elsewhere.get(address, headers={"authorization": "Bearer x"}).status_code == 401
        assert elsewhere.get(address.copy_set_param("sig", "0" * 64)).status_code == 403
        assert elsewhere.get(address.copy_set_param("se", "1.0")).status_code == 403
    client.ask(f"/actions/artifacts/{artifact['id']}/tar", expect=404)
    by_name = client.get("/actions/artifacts?name=provision-output")
    assert (by_name["total_count"], client.get("/actions/artifacts?name=x")["total_count"]) == (1, 0)
    client.ask(f"/actions/artifacts/{artifact['id']}", "DELETE", 204)
    client.ask(f"/actions/artifacts/{artifact['id']}", expect=404)


def test_an_address_holds_only_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage("http://127.0.0.1:1")

    def status(address: str) -> int:
        url = httpx.URL(address)
        return storage.answer(url.path, dict(url.params), {}).status

    assert status(storage.put("a.txt", b"a")) == 200
    monkeypatch.setattr("seatrial_stand_ins.github.storage.HOLDS_FOR", -0.01)
    assert status(storage.put("a.txt", b"a")) == 403


def test_logs_are_the_lines_of_the_steps_as_a_text_and_as_an_archive(server: GitHubServer, client: Client) -> None:
    server.plant(Fails("deploy.yml", step="Build", job="deploy", message="it broke: ☠"))
    number = client.dispatch()
    over(server, number)
    ship = client.get(f"/actions/runs/{number}/jobs")["jobs"][1]
    text = client.http.get(f"{ship['url']}/logs", follow_redirects=True)
    assert text.headers["content-type"].startswith("text/plain")
    said = [line.partition(" ")[2] for line in text.text.splitlines()]
    assert said == ["Current runner version: '2.330.0'", "done", "##[error]it broke: ☠", "Cleaning up orphan processes"]
    answer = client.http.get(f"/repos/{REPOSITORY}/actions/runs/{number}/logs", follow_redirects=True)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as zipped:
        assert {"0_provision.txt", "1_Ship it.txt", "Ship it/2_Build.txt"} <= set(zipped.namelist())
        assert "it broke" in zipped.read("Ship it/2_Build.txt").decode()


@pytest.mark.parametrize("plant, names", [(ArtifactMissing(), []), (ArtifactTwice(), ["provision-output"] * 2)])
def test_an_artifact_may_be_missing_or_there_twice(
    server: GitHubServer, client: Client, plant: plants.Plant, names: list[str]
) -> None:
    server.plant(plant)
    found = listed(server, client)
    assert [one["name"] for one in found] == names
    assert len({json.dumps(files(client, one)) for one in found}) == len(names)


def test_an_artifact_may_hold_nothing_or_what_nobody_wants(server: GitHubServer, client: Client) -> None:
    def spoilt(plant: plants.Plant) -> dict:
        planted = server.plant(plant)
        (artifact,) = listed(server, client)
        planted.remove()
        return artifact

    assert files(client, spoilt(ArtifactEmpty())) == {}
    assert archive(client, spoilt(ArtifactEmpty(archive=False))) == b""
    assert "{not json" in files(client, spoilt(ArtifactNotJson()))["outputs.json"]
    names = set(files(client, spoilt(ArtifactWithPaths())))
    assert {"outputs.json", "../evil.json", "/tmp/evil.json"} <= names
    expired = spoilt(ArtifactExpired())
    assert expired["expired"] is True
    client.ask(f"/actions/artifacts/{expired['id']}/zip", expect=410)
    cut = spoilt(ArtifactCutOff(after=10))
    with pytest.raises(httpx.RemoteProtocolError):
        archive(client, cut)
    bomb = spoilt(ArtifactBomb(size=32 * 1024 * 1024 + 5))
    assert bomb["size_in_bytes"] < 200_000
    with zipfile.ZipFile(io.BytesIO(archive(client, bomb))) as zipped:
        assert zipped.testzip() is None
        assert zipped.infolist()[0].file_size == 32 * 1024 * 1024 + 5


@pytest.mark.parametrize("honest", [True, False])
def test_five_gigabytes_are_sent_as_far_as_they_are_read_and_never_in_memory(
    server: GitHubServer, client: Client, honest: bool
) -> None:
    server.plant(ArtifactHuge(honest=honest))
    (artifact,) = listed(server, client)
    assert artifact["size_in_bytes"] == (5 * 1024**3 if honest else 1000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = 0
    with client.http.stream("GET", artifact["archive_download_url"], follow_redirects=True) as answer:
        assert answer.headers.get("content-length") == (str(5 * 1024**3) if honest else None)
        for block in answer.iter_bytes():
            read += len(block)
            if read > 64 * 1024**2:
                break
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 48 * 1024, "KiB"
    assert client.get("/actions/runs")["total_count"] == 1, "the server goes on"
