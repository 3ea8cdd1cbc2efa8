"""The connection to libvirt, on its own test driver: it needs no daemon and no privilege."""

import asyncio
import threading
import time

import pytest

from seatrial.errors import CannotTell, ExtraMissing, ToolMissing
from seatrial.links.libvirt import Forbidden, Gone, Hypervisor, judged, library, threaded

libvirt = pytest.importorskip("libvirt")

TEST = "test:///default"


def running(connection):
    """The test driver's own machine, switched on: connections of one process share it."""
    domain = connection.lookupByName("test")
    if not domain.isActive():
        domain.create()


def state(connection):
    return connection.lookupByName("test").state()[0]


def test_an_event_ends_a_wait():
    async def scene():
        hypervisor = Hypervisor(TEST)
        told = []
        hypervisor.listen(lambda domain, event: told.append((domain, event)))
        await hypervisor.call("switching on", running)
        seen = hypervisor.seen("test")
        waiting = asyncio.ensure_future(hypervisor.changed("test", seen, 60))
        began = time.monotonic()
        await hypervisor.call("ending it", lambda connection: connection.lookupByName("test").destroy())
        await waiting
        assert time.monotonic() - began < 30, "no event came"
        assert told[-1] == ("test", "stopped")
        await hypervisor.close()

    asyncio.run(scene())


def test_a_wait_ends_with_the_answer_that_an_event_brings():
    async def scene():
        hypervisor = Hypervisor(TEST)
        await hypervisor.call("switching on", running)

        def off(connection):
            return True if state(connection) == libvirt.VIR_DOMAIN_SHUTOFF else None

        waiting = asyncio.ensure_future(hypervisor.until("test", off, "the end", 30))
        await hypervisor.call("ending it", lambda connection: connection.lookupByName("test").destroy())
        assert await waiting
        await hypervisor.close()

    asyncio.run(scene())


def test_a_wait_that_is_not_met_names_what_it_waited_for():
    async def scene():
        hypervisor = Hypervisor(TEST)
        with pytest.raises(TimeoutError, match=r"timed out after 0\.2 s waiting for the flood"):
            await hypervisor.until("test", lambda _: None, "the flood", 0.2)
        await hypervisor.close()

    asyncio.run(scene())


def test_what_does_not_exist_is_told_apart():
    async def scene():
        hypervisor = Hypervisor(TEST)
        with pytest.raises(Gone, match="asking for it"):
            await hypervisor.call("asking for it", lambda connection: connection.lookupByName("nobody"))
        await hypervisor.close()

    asyncio.run(scene())


def test_no_daemon_says_what_brings_one(tmp_path):
    async def scene():
        with pytest.raises(ToolMissing, match="apt-get install libvirt-daemon-system"):
            await Hypervisor(f"qemu+unix:///system?socket={tmp_path}/none").call("anything", lambda _: None)

    asyncio.run(scene())


class Refusal(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code, self.text = code, text

    def get_error_code(self):
        return self.code

    def get_error_message(self):
        return self.text


@pytest.mark.parametrize(
    "code, text, kind, advice",
    [
        (libvirt.VIR_ERR_AUTH_UNAVAILABLE, "no agent", Forbidden, "usermod -aG libvirt"),
        (38, "Failed to connect socket to '/run/x': Permission denied", Forbidden, "usermod -aG libvirt"),
        (38, "Failed to connect socket to '/run/x': No such file or directory", ToolMissing, "systemctl start"),
        (1, "cannot write data: No space left on device", CannotTell, "free some"),
        (1, "Could not open '/root/x': Permission denied", CannotTell, "QEMU runs as its own user"),
        (1, "Cannot find 'dnsmasq' in path", ToolMissing, "dnsmasq-base"),
        (1, "the moon is full", CannotTell, "libvirt says: the moon is full"),
    ],
)
def test_errors_say_what_to_do(code, text, kind, advice):
    told = judged(library(), Refusal(code, text), "making it", "qemu:///system")
    assert type(told) is kind
    assert advice in str(told)


def test_a_call_that_hangs_costs_no_more_than_its_deadline():
    async def scene():
        let_go = threading.Event()
        with pytest.raises(CannotTell, match=r"sleeping: libvirt did not answer within 0\.1 s"):
            await threaded(lambda: let_go.wait(20), "sleeping", 0.1)
        let_go.set()

    asyncio.run(scene())


def test_a_cancelled_caller_waits_for_what_is_being_made():
    async def scene():
        began, made = threading.Event(), []

        def make():
            began.set()
            time.sleep(0.2)
            made.append("it")

        task = asyncio.ensure_future(threaded(make, "making", 5))
        while not began.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert made == ["it"]

    asyncio.run(scene())


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "libvirt", None)
    with pytest.raises(ExtraMissing, match=r"apt-get install libvirt-dev.* && pip install 'seatrial\[libvirt\]'"):
        library()
