"""The commands of the API that the server knows."""

from seatrial.testing.cloudstack.commands import catalog, disks, extras, virtual_machines
from seatrial.testing.cloudstack.commands.calling import COMMANDS, Call

__all__ = ["COMMANDS", "Call", "catalog", "disks", "extras", "virtual_machines"]
