"""The NoCloud seed says the same to cloud-init and to an init of a few lines."""

import io
import json

import pytest

from seatrial.errors import ExtraMissing
from seatrial.providers.libvirt import seed

pycdlib = pytest.importorskip("pycdlib")

WHO = {
    "instance": "t1-n11",
    "hostname": "n11",
    "user": "root",
    "authorized": "ssh-ed25519 AAAA seatrial",
    "host_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n",
    "host_public": "ssh-ed25519 BBBB",
    "address": "10.64.7.11",
    "gateway": "10.64.7.1",
    "mac": "52:54:00:01:02:03",
}


def files(**more):
    return seed.files(seed.Identity(**{**WHO, **more}))


def test_every_fact_is_a_plain_file_too():
    made = files()
    plain = {name.removeprefix("seatrial/"): text for name, text in made.items() if name.startswith("seatrial/")}
    assert plain["address"] == "10.64.7.11/24\n"
    assert plain["gateway"] == "10.64.7.1\n"
    assert plain["hostname"] == "n11\n"
    assert plain["authorized_keys"] == "ssh-ed25519 AAAA seatrial\n"
    assert plain["ssh_host_ed25519_key"] == WHO["host_key"]
    assert plain["resolv.conf"] == "search seatrial.test\nnameserver 10.64.7.1\n"


def test_cloud_init_is_told_the_user_the_keys_and_the_address():
    made = files()
    assert json.loads(made["meta-data"]) == {"instance-id": "t1-n11", "local-hostname": "n11"}
    head, _, body = made["user-data"].partition("\n")
    said = json.loads(body)
    assert head == "#cloud-config"
    assert said["users"] == [{"name": "root", "ssh_authorized_keys": [WHO["authorized"]]}]
    assert said["disable_root"] is False
    assert said["ssh_keys"] == {"ed25519_private": WHO["host_key"], "ed25519_public": "ssh-ed25519 BBBB"}
    card = json.loads(made["network-config"])["config"][0]
    assert card["mac_address"] == WHO["mac"]
    assert card["subnets"][0]["address"] == "10.64.7.11/24"
    assert "gateway" not in card["subnets"][0], "an isolated network leads nowhere"


def test_another_user_than_root_may_become_root():
    user = json.loads(files(user="debian")["user-data"].partition("\n")[2])["users"][0]
    assert user["sudo"] == "ALL=(ALL) NOPASSWD:ALL"


def test_the_iso_has_the_label_and_the_names_that_guests_look_for():
    made = files()
    disc = pycdlib.PyCdlib()
    disc.open_fp(io.BytesIO(seed.iso(made)))
    assert disc.pvd.volume_identifier.strip() == b"cidata"
    for path, text in made.items():
        for names in ("rr_path", "joliet_path"):
            got = io.BytesIO()
            disc.get_file_from_iso_fp(got, **{names: f"/{path}"})
            assert got.getvalue().decode() == text, f"{path} by {names}"
    disc.close()


def test_without_pycdlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pycdlib", None)
    with pytest.raises(ExtraMissing, match=r"seatrial\[libvirt\]"):
        seed.iso({})
