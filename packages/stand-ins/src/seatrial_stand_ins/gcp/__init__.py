"""A Google Compute Engine for tests: instances, disks, networks, operations, tokens, and real machines behind it.

`with GoogleServer() as server:` keeps instances as a state; `GoogleServer(PodmanMachines())` makes containers with an
address, an SSH server and power. Every request and every answer is checked against Google's own description.
"""

from seatrial_stand_ins.gcp.plants import Plants
from seatrial_stand_ins.gcp.server import GoogleServer

__all__ = ["GoogleServer", "Plants"]
