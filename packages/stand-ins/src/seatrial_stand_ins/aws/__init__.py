"""A stand-in of Amazon EC2: moto's server answers, and each of its instances is a machine.

moto knows the API, and its instances are nothing but state. Here its server runs as its users start it, behind a proxy
that gives each instance a machine, and the instance the machine's state and address. All other calls go through.

What AWS has and this has not: eventual consistency but the planted one, security groups that let anything be refused,
quotas but the planted refusals (the one of CPUs can be read), prices, metadata service, filters by the state of an
instance.
"""

from __future__ import annotations

from seatrial_stand_ins.aws.plants import Plants
from seatrial_stand_ins.aws.server import AwsServer

__all__ = ["AwsServer", "Plants"]
