"""A DigitalOcean for tests: API v2 with actions, tags, pages, limits, and real machines behind it; over TLS.

`with DigitalOceanServer() as server:` simulates the state of droplets; `DigitalOceanServer(PodmanMachines())` makes
containers with an address, an SSH server and power. `python -m seatrial_stand_ins.digitalocean` is a command of it.
"""

from seatrial_stand_ins.digitalocean.server import DigitalOceanServer
from seatrial_stand_ins.machines import Unreal
from seatrial_stand_ins.machines.podman import PodmanMachines

__all__ = ["DigitalOceanServer", "PodmanMachines", "Unreal"]
