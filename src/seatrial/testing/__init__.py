"""For tests of steps, checks, providers and scenarios: fakes in memory, virtual time, and contract suites.

`virtual_time` runs asyncio code whose waits cost nothing. `Rehearsal` runs suites on the fakes and keeps the events.
`context` gives a step or check all it needs, alone. `ProviderContract` is what every provider must keep.
"""

from seatrial.testing.building import check_plan, doing, flow, looking, step_plan
from seatrial.testing.clock import VirtualLoop, virtual_time
from seatrial.testing.fakes import FakeLink, FakeNode, FakeProvider, FakeSystem, World
from seatrial.testing.provider_contract import Harbour, ProviderContract
from seatrial.testing.rehearsal import Rehearsal, context, fake_registry

__all__ = [
    "FakeLink",
    "FakeNode",
    "FakeProvider",
    "FakeSystem",
    "Harbour",
    "ProviderContract",
    "Rehearsal",
    "VirtualLoop",
    "World",
    "check_plan",
    "context",
    "doing",
    "fake_registry",
    "flow",
    "looking",
    "step_plan",
    "virtual_time",
]
