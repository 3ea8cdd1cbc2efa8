"""A CloudStack server for tests: its API with signatures, asynchronous jobs and pages, and real machines behind it.

`with CloudStackServer() as server:` simulates the state of machines; `CloudStackServer(PodmanMachines())` creates
containers with an address, an SSH server, data disks and power. `python -m seatrial_stand_ins.cloudstack` is the same
as a command.
"""

from seatrial_stand_ins.cloudstack.plants import Plants
from seatrial_stand_ins.cloudstack.server import CloudStackServer
from seatrial_stand_ins.machines import Disk, MachineFailed, Machines, Unreal, Wanted
from seatrial_stand_ins.machines.podman import PodmanMachines

__all__ = [
    "CloudStackServer",
    "Disk",
    "MachineFailed",
    "Machines",
    "Plants",
    "PodmanMachines",
    "Unreal",
    "Wanted",
]
