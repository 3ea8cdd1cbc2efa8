"""Instances that are containers: reached by SSH with the key that Google told, and cut off by a reset."""

from __future__ import annotations

import subprocess

import pytest

from gcp_server.calls import AT, Client
from seatrial_stand_ins.gcp import GoogleServer
from seatrial_stand_ins.machines.podman import PodmanMachines

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman")]


def test_an_instance_is_reached_by_ssh_as_its_metadata_says_and_a_reset_boots_it_anew(tmp_path, podman):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = key.with_suffix(".pub").read_text().strip()
    items = [{"key": "ssh-keys", "value": f"deck:{public}"}, {"key": "enable-guest-attributes", "value": "TRUE"}]
    with GoogleServer(PodmanMachines(folder=tmp_path)) as server, Client(server) as client:
        address = client.make(metadata={"items": items})["networkInterfaces"][0]["networkIP"]
        told = client.ask("instances.getGuestAttributes", **AT, instance="web1", queryPath="hostkeys/")
        (entry,) = told["queryValue"]["items"]
        (tmp_path / "known").write_text(f"{address} {entry['key']} {entry['value']}\n")

        def run(command: str) -> str:
            options = [f"UserKnownHostsFile={tmp_path / 'known'}", "StrictHostKeyChecking=yes", "LogLevel=ERROR"]
            argv = ["ssh", "-F", "none", "-i", str(key), *(word for one in options for word in ("-o", one))]
            argv += [f"deck@{address}", command]
            return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout

        began = "id -un; cut -d' ' -f22 /proc/1/stat"
        first = run(began)
        assert first.startswith("deck\n")
        client.do("instances.reset", instance="web1")
        assert run(began) != first
        client.do("instances.stop", instance="web1")
        assert client.ask("instances.get", **AT, instance="web1")["status"] == "TERMINATED"
