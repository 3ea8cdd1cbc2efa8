"""The vendors' Go clients, which nobody here wrote, create, power and delete a machine of the stand-ins."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from seatrial_stand_ins.clouds.server import CloudServer
from seatrial_stand_ins.digitalocean import DigitalOceanServer
from seatrial_stand_ins.hetzner import HetznerServer

PROGRAM = Path(__file__).parent / "program"
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


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("go") is None, reason="the vendors' clients are Go programs, and Go is not installed")
def test_the_vendors_go_clients_see_their_cloud(tmp_path):
    built = tmp_path / "clients"
    done = subprocess.run(["go", "build", "-o", built, "."], cwd=PROGRAM, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: tuple[tuple[str, type[CloudServer], str], ...] = (
        ("hetzner", HetznerServer, HETZNER),
        ("digitalocean", DigitalOceanServer, DIGITALOCEAN),
    )
    for name, kind, expected in told:
        with kind() as server:
            more = {"CLOUD_TOKEN": server.token, "CLOUD_KEY": KEY, "SSL_CERT_FILE": server.authority}
            environment = {**os.environ, **more}
            argv = [str(built), name, server.url]
            seen = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert seen.stdout == expected, seen.stderr
