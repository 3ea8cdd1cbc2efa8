"""An Azure for tests: its Resource Manager with groups, machines, disks, networks, operations and tokens, over TLS.

`with AzureServer() as server:` simulates the state of machines; `AzureServer(PodmanMachines())` makes containers with
an address, an SSH server and power. Every body is checked against the models of Azure's own SDK (`pip install
azure-mgmt-compute azure-mgmt-network azure-mgmt-resource`). `python -m seatrial_stand_ins.azure` is a command of it.
"""

from seatrial_stand_ins.azure.server import AzureServer
from seatrial_stand_ins.machines import Unreal
from seatrial_stand_ins.machines.podman import PodmanMachines

__all__ = ["AzureServer", "PodmanMachines", "Unreal"]
