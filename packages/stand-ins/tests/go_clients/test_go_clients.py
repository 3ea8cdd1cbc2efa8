"""The vendors' Go clients, which nobody here wrote, create, power and delete a machine of the stand-ins."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from seatrial_stand_ins.azure import AzureServer, cloud
from seatrial_stand_ins.clouds.server import CloudServer
from seatrial_stand_ins.digitalocean import DigitalOceanServer
from seatrial_stand_ins.hetzner import HetznerServer

PROGRAM = Path(__file__).parent / "program"
AZURES = Path(__file__).parent / "azure"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFFVJvY6vGRgLtQF0t8Vl2pQDkBzC5sRkTq4kVQ7cS6p us"

HETZNER = """created running
address true cx23 debian-12
poweroff off
poweron running
reset running
reboot running
shutdown off
selected run=go 1
selected run!=go 0
selected run in (a,go) 1
selected !run 0
unique true
left 0 0
"""

DIGITALOCEAN = """rate 5000
created active
address true s-1vcpu-1gb debian-12-x64
power_off off
power_on active
power_cycle active
reboot active
shutdown off
selected 1
gone 404
left 0
"""

AZURE = """group shop Succeeded
created web1 Succeeded 1
power PowerState/running
crash PowerState/stopped
start PowerState/running
restart PowerState/running
deallocate PowerState/deallocated
missing 404 ResourceNotFound
no group 404 ResourceGroupNotFound
wrong size 400 InvalidParameter
twice 412 PreconditionFailed
failed 200 action_failed
listed [web1 web2 web3 web4 web5] in pages: 3
statuses 10
selected 1
disks 0
left false
"""

NEEDS_GO = pytest.mark.skipif(
    shutil.which("go") is None, reason="the vendors' clients are Go programs, and Go is not installed"
)


def build(program: Path, to: Path) -> str:
    done = subprocess.run(["go", "build", "-o", to, "."], cwd=program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return str(to)


@pytest.mark.slow
@NEEDS_GO
def test_azures_go_client_sees_its_cloud(tmp_path, monkeypatch):
    monkeypatch.setattr(cloud, "PAGE", 2)
    built = build(AZURES, tmp_path / "azure")
    with AzureServer() as server:
        server.plants.operation_fails["redeploy"] = "no such luck"
        environment = {**os.environ, **server.environment, "CLOUD_KEY": KEY, "SSL_CERT_FILE": server.authority}
        seen = subprocess.run([built], env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert seen.stdout == AZURE, seen.stderr
        assert server.wrong == []


@pytest.mark.slow
@NEEDS_GO
def test_the_vendors_go_clients_see_their_cloud(tmp_path):
    built = build(PROGRAM, tmp_path / "clients")
    told: tuple[tuple[str, type[CloudServer], str], ...] = (
        ("hetzner", HetznerServer, HETZNER),
        ("digitalocean", DigitalOceanServer, DIGITALOCEAN),
    )
    for name, kind, expected in told:
        with kind() as server:
            more = {"CLOUD_TOKEN": server.token, "CLOUD_KEY": KEY, "SSL_CERT_FILE": server.authority}
            environment = {**os.environ, **more}
            argv = [built, name, server.url]
            seen = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert seen.stdout == expected, seen.stderr
