"""For tests of steps, checks, providers and scenarios: fakes in memory, virtual time, and contract suites.

`virtual_time` runs asyncio code without real waits. `FakeRun` runs suites on the fakes and keeps the events. `context`
gives a step or check all it needs, alone. `ProviderContract` has the promises of every provider.
"""

from seatrial.testing.builders import check_plan, doing, flow, looking, step_plan
from seatrial.testing.clock import VirtualLoop, virtual_time
from seatrial.testing.contract_fixture import ContractFixture
from seatrial.testing.fake_run import FakeRun, context, fake_registry
from seatrial.testing.fakes import FakeLink, FakeNode, FakeProvider, FakeSystem, World
from seatrial.testing.provider_contract import ProviderContract

__all__ = [
    "ContractFixture", "FakeLink", "FakeNode", "FakeProvider", "FakeRun", "FakeSystem", "ProviderContract",
    "VirtualLoop", "World", "check_plan", "context", "doing", "fake_registry", "flow", "looking", "step_plan",
    "virtual_time",
]  # fmt: skip
