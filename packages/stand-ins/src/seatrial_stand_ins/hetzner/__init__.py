"""A Hetzner Cloud for tests: API v1 with actions, labels, pages, limits, and real machines behind it.

`with HetznerServer() as server:` simulates the state of servers; `HetznerServer(PodmanMachines())` makes containers
with an address, an SSH server and power. `python -m seatrial_stand_ins.hetzner` is the same as a command.
"""

from seatrial_stand_ins.hetzner.server import HetznerServer
from seatrial_stand_ins.machines import Unreal
from seatrial_stand_ins.machines.podman import PodmanMachines

__all__ = ["HetznerServer", "PodmanMachines", "Unreal"]
