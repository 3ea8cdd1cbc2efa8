"""CloudStack's API: what is asked again, what is said of errors, and where the account is read from."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from loopback.calls import named
from seatrial.errors import CannotTell, ExtraMissing
from seatrial.links.cloudstack import Cloud, NoSuchThing, connect
from seatrial_stand_ins.cloudstack import CloudStackServer


@pytest.fixture
def server():
    with CloudStackServer() as running, named(running):
        yield running


def names(server: CloudStackServer) -> list[str]:
    return [command for command, _ in server.cloud.calls]


def test_a_question_without_an_answer_is_asked_again_and_a_command_is_not(server):
    async def scenario():
        cloud = connect()
        server.plants.broken["listZones"] = 2
        assert [one["name"] for one in await cloud.list("listZones", "zone")] == ["zone-1"]
        server.plants.broken["deployVirtualMachine"] = 1
        with pytest.raises(CannotTell, match="is not from CloudStack: HTTP 503"):
            await cloud.do("deployVirtualMachine", deadline=5.0)
        server.plants.broken["*"] = 100
        with pytest.raises(CannotTell, match=r"listZones: .* is not from CloudStack: HTTP 503"):
            await cloud.ask("listZones")

    asyncio.run(scenario())
    assert names(server) == ["listZones"]
    assert server.plants.broken["*"] == 95


def test_an_answer_that_refuses_is_an_answer(server):
    server.plants.refuses["listZones"] = 531, "not for you"
    with pytest.raises(CannotTell, match=r"listZones: CloudStack says \(531\): not for you"):
        asyncio.run(connect().list("listZones", "zone"))
    assert names(server) == ["listZones"]


def test_what_is_not_there_is_told_apart(server):
    with pytest.raises(NoSuchThing, match=r"CloudStack says \(431\)"):
        asyncio.run(connect().do("startVirtualMachine", id="0000", deadline=5.0))


def test_a_wrong_secret_and_a_server_that_is_gone_are_told_without_key_secret_or_signature(server, monkeypatch):
    said = []
    monkeypatch.setenv("CLOUDSTACK_SECRET", "hush-hush-hush")
    with pytest.raises(CannotTell, match="unable to verify user credentials") as refused:
        asyncio.run(connect().list("listZones", "zone"))
    said.append(str(refused.value) + repr(refused.value.__context__))
    monkeypatch.setenv("CLOUDSTACK_ENDPOINT", "http://127.0.0.1:1/client/api")
    with pytest.raises(CannotTell, match=r"is unreachable: .*refused") as gone:
        asyncio.run(connect().do("listZones", deadline=5.0))
    said.append(str(gone.value) + gone.value.evidence)
    for text in said:
        assert not [one for one in ("hush-hush", server.key, "ignature=") if one in text], text


def test_cancelling_waits_for_the_answer_of_what_makes_something(server):
    async def scenario():
        cloud = connect()
        begun = asyncio.ensure_future(cloud.begin("createNetwork", zoneid=next(iter(server.cloud.zones)),
                                                  name="mine", networkofferingid="x"))  # fmt: skip
        await asyncio.sleep(0)
        begun.cancel()
        await asyncio.gather(begun, return_exceptions=True)
        assert begun.cancelled()
        assert "createNetwork" in names(server)

    asyncio.run(scenario())


def ini(folder: Path, text: str) -> str:
    file = folder / "some.ini"
    file.write_text(text)
    return str(file)


def test_the_account_is_read_as_cs_reads_it_and_a_profile_from_its_section(server, tmp_path, monkeypatch):
    def asked(cloud: Cloud) -> str:
        asyncio.run(cloud.list("listZones", "zone"))
        return cloud.endpoint

    assert asked(connect()) == server.url
    told = f"key = {server.key}\nsecret = {server.secret}\n"
    text = f"[cloudstack]\nendpoint = http://127.0.0.1:1/\n{told}[trials]\nendpoint = {server.url}\n{told}"
    monkeypatch.setenv("CLOUDSTACK_CONFIG", ini(tmp_path, text))
    assert asked(connect("trials")) == server.url
    with pytest.raises(CannotTell, match="has no section 'nobody'"):
        connect("nobody")
    monkeypatch.delenv("CLOUDSTACK_ENDPOINT")
    assert connect().endpoint == "http://127.0.0.1:1/"


def test_without_an_account_or_the_client_it_is_said_what_brings_them(tmp_path, monkeypatch):
    for name in ("ENDPOINT", "KEY", "SECRET", "CONFIG"):
        monkeypatch.delenv(f"CLOUDSTACK_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CannotTell, match=r"CloudStack is not configured: .*set CLOUDSTACK_ENDPOINT"):
        connect()
    monkeypatch.setenv("CLOUDSTACK_ENDPOINT", "http://127.0.0.1:1/")
    with pytest.raises(CannotTell, match="has no key and no secret"):
        connect()
    monkeypatch.setitem(sys.modules, "cs", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'seatrial\[cloudstack\]'"):
        connect()
