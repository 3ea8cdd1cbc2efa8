"""The supported commands of the API."""

from seatrial_stand_ins.cloudstack.commands import catalog, disks, extras, virtual_machines
from seatrial_stand_ins.cloudstack.commands.calling import COMMANDS, Call

__all__ = ["COMMANDS", "Call", "catalog", "disks", "extras", "virtual_machines"]
