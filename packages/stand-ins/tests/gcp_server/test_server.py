"""The server answers as Compute Engine does, to Google's own clients."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from gcp_server.calls import AT, PROJECT, ZONE, Client, instance
from seatrial_stand_ins.gcp import GoogleServer


@pytest.fixture
def server():
    with GoogleServer() as running:
        yield running


@pytest.fixture
def client(server):
    with Client(server) as client:
        yield client


def reason(error: HttpError) -> tuple[int, str]:
    return error.resp.status, error.error_details[0]["reason"]


def test_an_instance_goes_through_its_power_and_away_with_its_disk(client, server):
    made = client.make(labels={"team": "blue"})
    assert (made["status"], made["labels"]) == ("RUNNING", {"team": "blue"})
    assert made["networkInterfaces"][0]["accessConfigs"][0]["natIP"]
    assert client.ask("disks.get", **AT, disk="web1")["users"] == [made["selfLink"]]
    client.do("instances.stop", instance="web1")
    stopped = client.ask("instances.get", **AT, instance="web1")
    assert stopped["status"] == "TERMINATED"
    assert "natIP" not in stopped["networkInterfaces"][0]["accessConfigs"][0]  # it is given back
    assert client.do("instances.reset", instance="web1")["error"]["errors"][0]["code"] == "resourceNotReady"
    client.do("instances.start", instance="web1")
    assert client.ask("instances.get", **AT, instance="web1")["status"] == "RUNNING"
    client.do("instances.delete", instance="web1")
    with pytest.raises(HttpError, match="projects/seatrial-test/zones/europe-west3-a/instances/web1' was not") as gone:
        client.ask("instances.get", **AT, instance="web1")
    assert reason(gone.value) == (404, "notFound")
    assert "items" not in client.ask("disks.list", **AT)
    assert server.wrong == []


def test_a_disk_that_is_not_deleted_with_its_instance_stays_and_a_used_one_is_kept(client):
    (disk,) = instance("web1")["disks"]
    client.make(disks=[{**disk, "autoDelete": False}])
    with pytest.raises(HttpError) as used:
        client.do("disks.delete", disk="web1")
    assert reason(used.value) == (400, "resourceInUseByAnotherResource")
    client.do("instances.delete", instance="web1")
    assert [one["name"] for one in client.ask("disks.list", **AT)["items"]] == ["web1"]
    client.do("disks.delete", disk="web1")
    assert "items" not in client.ask("disks.list", **AT)


def test_a_request_that_is_sent_again_with_its_id_makes_nothing_twice(client, server):
    request = str(uuid.uuid4())
    first, again = (client.ask("instances.insert", **AT, body=instance("web1"), requestId=request) for _ in range(2))
    assert first["name"] == again["name"]
    assert list(server.cloud.instances) == ["web1"]
    with pytest.raises(HttpError) as exists:
        client.ask("instances.insert", **AT, body=instance("web1"), requestId=str(uuid.uuid4()))
    assert reason(exists.value) == (409, "alreadyExists")


def test_lists_are_filtered_and_come_in_pages(client):
    for number in range(5):
        client.make(f"web{number}", labels={"team": "red" if number % 2 else "blue"})
    page = client.ask("instances.list", **AT, maxResults=2)
    following = client.ask("instances.list", **AT, maxResults=2, pageToken=page["nextPageToken"])
    assert [one["name"] for one in page["items"] + following["items"]] == ["web0", "web1", "web2", "web3"]
    for words, names in (
        ("labels.team = red", ["web1", "web3"]),
        ('(labels.team = "blue") AND (name != web0)', ["web2", "web4"]),
        ('labels.team:* name eq "web[01]"', ["web0", "web1"]),
        ("name = web0 OR name = web4", ["web0", "web4"]),
        ("NOT labels.team = red", ["web0", "web2", "web4"]),
        ("labels.nobody:*", []),
    ):
        found = client.ask("instances.list", **AT, filter=words).get("items", [])
        assert [one["name"] for one in found] == names, words
    everywhere = client.ask("instances.aggregatedList", project=PROJECT, filter="labels.team = red")["items"]
    assert len(everywhere[f"zones/{ZONE}"]["instances"]) == 2
    assert everywhere["zones/us-central1-a"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"
    with pytest.raises(HttpError, match="Invalid list filter expression"):
        client.ask("instances.list", **AT, filter="labels.team =")


def test_what_is_not_as_google_describes_it_is_refused(server):
    import httpx

    token = server.credentials.token
    assert token({"grant_type": "password"}, server.root, 60)[0] == 400
    assert httpx.get(f"{server.cloud.url}projects/{PROJECT}").json()["error"]["status"] == "UNAUTHENTICATED"
    with Client(server) as client:
        client.ask("projects.get", project=PROJECT)
        headers: dict[str, str] = {}
        client.compute._http.credentials.apply(headers)
        for query, body, words in (
            ("", {"nmae": "web1"}, "Unknown name \"nmae\" at 'body': Cannot find field."),
            ("", {"disks": {}}, "Invalid value at 'disks' (array)"),
            ("", {"disks": [{"mode": "WRONG"}]}, "Invalid value at 'disks[0].mode' (enum)"),
            ("?wait=true", {}, 'Unknown name "wait": Cannot bind query parameter.'),
            ("", {"name": "Web1"}, "Must be a match of regex"),
            ("", {**instance("web1"), "labels": {"seatrial.run": "x"}}, "violates format constraints"),
        ):
            address = f"{server.cloud.url}projects/{PROJECT}/zones/{ZONE}/instances{query}"
            answer = httpx.post(address, json=body, headers=headers)
            assert answer.status_code == 400
            assert words in answer.json()["error"]["message"]
        server.credentials.expire()
        assert httpx.get(f"{server.cloud.url}projects/{PROJECT}", headers=headers).status_code == 401
        assert client.ask("projects.get", project=PROJECT)["name"] == PROJECT  # with a new token


def test_labels_are_changed_by_who_knows_them(client):
    made = client.make(labels={"team": "blue"})
    stale = {"labels": {"team": "red"}, "labelFingerprint": "AAAA"}
    with pytest.raises(HttpError) as changed:
        client.do("instances.setLabels", instance="web1", body=stale)
    assert reason(changed.value) == (412, "conditionNotMet")
    client.do("instances.setLabels", instance="web1", body={**stale, "labelFingerprint": made["labelFingerprint"]})
    assert client.ask("instances.get", **AT, instance="web1")["labels"] == {"team": "red"}


def test_the_serial_port_and_the_guest_tell_of_a_boot(client):
    client.make(metadata={"items": [{"key": "enable-guest-attributes", "value": "TRUE"}]})
    port = client.ask("instances.getSerialPortOutput", **AT, instance="web1")
    assert "Linux version" in port["contents"]
    client.do("instances.reset", instance="web1")
    after = client.ask("instances.getSerialPortOutput", **AT, instance="web1", start=int(port["next"]))
    assert after["contents"].startswith("SeaBIOS")
    assert "Power down" not in after["contents"]
    asked = client.ask("instances.getGuestAttributes", **AT, instance="web1", queryPath="hostkeys/")
    assert asked["queryValue"]["items"][0]["key"] == "ssh-ed25519"


def test_quota_capacity_and_rights_are_refused_in_googles_words(client, server):
    server.plants.quota = 3
    client.make()
    done = client.do("instances.insert", body=instance("web2"))
    assert done["error"]["errors"][0]["code"] == "QUOTA_EXCEEDED"
    assert done["httpErrorStatusCode"] == 403
    (quota,) = client.ask("regions.get", project=PROJECT, region="europe-west3")["quotas"]
    assert (quota["limit"], quota["usage"]) == (3.0, 2.0)
    server.plants.quota, server.plants.no_capacity = 100, True
    done = client.do("instances.insert", body=instance("web2"))
    assert done["error"]["errors"][0]["code"] == "ZONE_RESOURCE_POOL_EXHAUSTED"
    assert list(server.cloud.instances) == ["web1"]
    server.plants.rights_missing.add("compute.instances.stop")
    with pytest.raises(HttpError, match=r"Required 'compute\.instances\.stop' permission for 'projects/") as missing:
        client.do("instances.stop", instance="web1")
    assert reason(missing.value) == (403, "forbidden")


def test_planted_faults_are_those_of_a_bad_day(client, server):
    client.make()
    for plant, code in (("too_fast", 403), ("too_many", 429), ("broken", 503), ("lost", 502)):
        getattr(server.plants, plant)["instances.get"] = 1
        with pytest.raises(HttpError) as refused:
            client.ask("instances.get", **AT, instance="web1")
        assert refused.value.resp.status == code
    server.plants.never_ends.add("instances.stop")
    begun = client.ask("instances.stop", **AT, instance="web1")
    assert client.ask("zoneOperations.get", **AT, operation=begun["name"])["status"] == "RUNNING"
    server.plants.late = 600.0
    client.make("web2")
    assert [one["name"] for one in client.ask("instances.list", **AT).get("items", [])] == []


def test_the_newer_client_of_google_reads_the_same(server):
    from google.cloud import compute_v1
    from google.oauth2 import service_account

    key = service_account.Credentials.from_service_account_file(str(server.key_file))
    given: dict[str, Any] = {"credentials": key, "client_options": {"api_endpoint": server.root}}
    at: dict[str, Any] = dict(AT)
    with compute_v1.InstancesClient(**given) as instances, compute_v1.ZoneOperationsClient(**given) as operations:
        made = compute_v1.Instance.from_json(json.dumps(instance("web1")))
        begun = instances.insert_unary(**at, instance_resource=made)
        assert operations.wait(**at, operation=begun.name).status == compute_v1.Operation.Status.DONE
        assert [(one.name, one.status) for one in instances.list(**at)] == [("web1", "RUNNING")]
        operations.wait(**at, operation=instances.delete_unary(**at, instance="web1").name)
        assert [zone for zone, found in instances.aggregated_list(project=PROJECT) if found.instances] == []
