"""A CloudStack to test against: its API with signatures, asynchronous jobs and pages, and real machines behind it.

`with CloudStackServer() as server:` answers with machines that are no more than their state;
`CloudStackServer(PodmanMachines())` makes containers that have an address, an SSH server, data disks and power.
`python -m seatrial.testing.cloudstack` is the same as a command.
"""

from seatrial.testing.cloudstack.machines import Disk, MachineFailed, Machines, Unreal, Wanted
from seatrial.testing.cloudstack.plants import Plants
from seatrial.testing.cloudstack.podman import PodmanMachines
from seatrial.testing.cloudstack.server import CloudStackServer

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
