"""The sweep and its owners."""

import asyncio
import os
import subprocess
import sys
import time

import pytest

from seatrial.engine.cleanup import Owners, Sweep
from seatrial.engine.leases import Leases
from seatrial.engine.ledger import Ledger
from seatrial.errors import ToolMissing
from seatrial.links.process import process_start
from seatrial.model.resource import Resource
from seatrial.registry import Registry
from seatrial.spi import NoSettings
from seatrial.testing import FakeProvider, World, fake_registry, virtual_time
from seatrial.testing.fakes import FakeSettings


def eventually(look, what, within=30.0):
    deadline = time.monotonic() + within
    while not (answer := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.005)
    return answer


def swept(tmp_path, *resources, registry=None, run=asyncio.run, world=None, **options):
    """What a sweep of these says, and the ledger after it."""
    ledger = Ledger.open(tmp_path / "ledger", "r1")
    for resource in resources:
        ledger.intend(resource)
    settings = FakeSettings(world=world or World())
    owners = Owners(registry or fake_registry(), lambda _: settings, Leases(tmp_path), tmp_path / "run")
    said = []

    def say(kind, /, **data):
        said.append((kind, data))

    result = Sweep(say, **options)
    run(result.remove_entries(ledger, ledger.out(), owners))
    return result, said, ledger


def thing(name, owner="provider:fake", kind="node", **detail):
    return Resource(kind=kind, name=name, owner=owner, run="r1", trial="t1", detail=detail)


def test_the_newest_goes_first_and_all_of_one_kind_together(tmp_path):
    order = []

    async def notes(moment, name):
        order.append((moment, name))
        await asyncio.sleep(1)

    with virtual_time() as clock:
        swept(tmp_path, thing("a"), thing("b"), thing("c"), run=clock.run, world=World(meddle=notes))
        assert clock.now == pytest.approx(2)
    assert [name for _, name in order[:3]] == ["c", "b", "a"]


def test_what_is_to_be_removed_alone_goes_one_after_another(tmp_path):
    order = []

    async def notes(moment, name):
        order.append((moment, name))
        await asyncio.sleep(1)

    with virtual_time() as clock:
        things = [thing(name, alone=True) for name in "abc"]
        swept(tmp_path, *things, run=clock.run, world=World(meddle=notes))
        assert clock.now == pytest.approx(6)
    assert [name for _, name in order] == ["c", "c", "b", "b", "a", "a"]


@pytest.mark.parametrize("owner", ["provider:none", "system:none", "engine:none", "nonsense"])
def test_an_owner_that_is_not_known_is_left_and_keeps_nobody(tmp_path, owner):
    result, said, ledger = swept(tmp_path, thing("a"), thing("odd", owner=owner))
    assert [resource.name for resource, _ in result.left] == ["odd"]
    assert result.given_back == 1
    assert [entry.resource.name for entry in ledger.out()] == ["odd"]
    assert ("resource", "left") in {(kind, data["op"]) for kind, data in said}


def test_a_plugins_owner_is_loaded_from_the_file_that_the_ledger_names(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from pathlib import Path\nfrom seatrial.registry import provider\n"
        "@provider('mine')\nclass Mine:\n    def __init__(self, settings): pass\n"
        "    async def destroy(self, resource): Path(resource.detail['path']).touch()\n"
    )
    ledger = Ledger.open(tmp_path / "ledger", "r1")
    ledger.intend(thing("a", owner="provider:mine", path=str(tmp_path / "seen")), plugin=str(file))
    owners = Owners(Registry(), lambda _: NoSettings(), Leases(tmp_path))
    result = Sweep(lambda kind, /, **data: None)
    asyncio.run(result.remove_entries(ledger, ledger.out(), owners))
    assert result.left == []
    assert (tmp_path / "seen").exists()


def test_a_stubborn_thing_has_a_minute_and_ten_seconds_in_a_hurry(tmp_path):
    async def hangs(moment, name):
        await asyncio.Event().wait()

    for hurried, seconds in ((False, 60), (True, 10)):
        with virtual_time() as clock:
            result, _, ledger = swept(
                tmp_path / str(hurried), thing("a"), run=clock.run, world=World(meddle=hangs), hurry=lambda h=hurried: h
            )
            assert clock.now == pytest.approx(seconds)
        assert f"within {seconds} s" in result.left[0][1]
        assert len(ledger.out()) == 1


def test_a_second_signal_draws_in_the_patience_of_what_is_waited_for(tmp_path):
    async def hangs(moment, name):
        await asyncio.Event().wait()

    with virtual_time() as clock:
        result, _, _ = swept(
            tmp_path, thing("a"), run=clock.run, world=World(meddle=hangs), hurry=lambda: clock.now > 5
        )
        assert 15 <= clock.now <= 15.5
    assert "within 15 s" in result.left[0][1]


def test_a_timeout_of_the_owners_own_is_told_as_such(tmp_path):
    async def gives_up(moment, name):
        raise TimeoutError("the API did not answer")

    result, _, _ = swept(tmp_path, thing("a"), world=World(meddle=gives_up))
    assert result.left[0][1] == "TimeoutError: the API did not answer"


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
def test_an_owner_that_would_end_the_process_keeps_nobody_standing(tmp_path, error):
    async def ends(moment, name):
        if name == "a":
            raise error

    result, _, _ = swept(tmp_path, thing("a"), thing("b"), world=World(meddle=ends))
    assert [resource.name for resource, _ in result.left] == ["a"]
    assert result.given_back == 1


def test_folders_go_and_what_is_outside_stays(tmp_path):
    inside, outside = tmp_path / "run" / "state", tmp_path / "precious"
    (inside / "deep").mkdir(parents=True)
    outside.mkdir()
    (tmp_path / "run" / "link").symlink_to(outside)
    within = str(tmp_path / "run")
    everywhere = str(tmp_path)  # what a record allows does not count
    result, _, _ = swept(
        tmp_path,
        thing("a", "engine:path", "path", path=str(inside), within=within),
        thing("b", "engine:path", "path", path=str(outside), within=everywhere),
        thing("c", "engine:path", "path", path=within, within=within),
        thing("d", "engine:path", "path", path=f"{within}/../precious", within=within),
        thing("e", "engine:path", "path", path=f"{within}/link", within=within),
        thing("f", "engine:path", "path", path=f"{within}/never", within=within),
    )
    assert {resource.name for resource, _ in result.left} == {"b", "c", "d", "e"}
    assert not inside.exists()
    assert outside.exists()


SLEEPS = "import time; print('up', flush=True); time.sleep(100)"
LEAVES_A_CHILD = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {SLEEPS!r}], start_new_session=True, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
"""


def started(program, tag):
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "SEATRIAL_STEP_TAG": tag},
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    return child, child.stdout.readline().strip()


def test_a_process_and_its_children_that_left_its_group_are_killed(tmp_path):
    tag = f"tag-{os.getpid()}-a"
    child, grandchild = started(LEAVES_A_CHILD + "import time; time.sleep(100)", tag)
    try:
        detail = {"pid": child.pid, "started": process_start(child.pid)}
        result, _, _ = swept(tmp_path, thing(tag, "engine:process", "process", **detail))
        assert result.left == []
        assert process_start(int(grandchild)) == ""
    finally:
        child.kill()
        child.communicate()
    assert child.returncode == -9


def test_children_that_outlived_their_process_are_killed_too(tmp_path):
    tag = f"tag-{os.getpid()}-b"
    child, grandchild = started(LEAVES_A_CHILD, tag)
    begun = process_start(child.pid) or "1"
    child.communicate()
    assert process_start(int(grandchild)), "the grandchild lives on"
    swept(tmp_path, thing(tag, "engine:process", "process", pid=child.pid, started=begun))
    assert eventually(lambda: process_start(int(grandchild)) == "", "the grandchild is gone")


def test_a_process_that_has_our_old_pid_is_left_alone(tmp_path):
    child, _ = started(SLEEPS, "another")
    try:
        result, _, _ = swept(tmp_path, thing("tag-none", "engine:process", "process", pid=child.pid, started="1"))
        assert result.left == []
        assert child.poll() is None
    finally:
        child.kill()
        child.communicate()


def test_a_ledger_on_a_full_disk_does_not_stop_the_sweep(tmp_path, monkeypatch):
    def full(self, record, *, sync):
        if record["op"] == "given_back":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ledger, "_append", full)
    result, said, _ = swept(tmp_path, thing("a"), thing("b"))
    assert result.given_back == 2
    assert "No space left on device" in next(data["text"] for kind, data in said if kind == "log")


# What providers list


def found(world_of, *, hurry=lambda: False, **options):
    """A sweep of what providers list, by name; how it ended, and what was said."""
    said = []

    def say(kind, /, **data):
        said.append((kind, data))

    async def work():
        sweep = Sweep(say, hurry)
        await sweep.remove_found("r1", [], world_of, **options)
        return sweep

    return work(), said


def lists(*resources, meddle=None, finds=None):
    """A provider that lists these, in their order."""
    world = World(meddle=meddle)

    class Lists(FakeProvider):
        async def find(self, run):
            if finds is not None:
                await finds()
            return [one for one in resources if run in ("*", one.run)]

    return Lists(FakeSettings(world=world))


def test_what_providers_list_goes_kind_after_kind_and_all_of_one_kind_together():
    order = []

    async def notes(moment, name):
        if moment == "before destroy":
            order.append(name)
            await asyncio.sleep(1)

    listed = [thing("n1"), thing("v1", kind="volume"), thing("n2"), thing("net", kind="network")]
    with virtual_time() as clock:
        work, said = found({"one": lists(*listed, meddle=notes), "two": lists(thing("m1"), meddle=notes)})
        result = clock.run(work)
        assert clock.now == pytest.approx(3)
    assert [name for name in order if name != "m1"] == ["n1", "n2", "v1", "net"]
    assert result.given_back == 5
    texts = [data["text"] for kind, data in said if kind == "log"]
    assert "found volume v1 of this run, missing from the ledger" in texts


def test_a_stubborn_found_thing_has_a_minute_ten_seconds_in_a_hurry_and_keeps_nobody():
    async def hangs(moment, name):
        if name == "n1" and moment == "before destroy":
            await asyncio.Event().wait()

    for hurried, seconds in ((False, 60), (True, 10)):
        with virtual_time() as clock:
            provider = lists(thing("n1"), thing("net", kind="network"), meddle=hangs)
            result = clock.run(found({"fake": provider}, hurry=lambda h=hurried: h)[0])
            assert clock.now == pytest.approx(seconds)
        assert [(one.name, why) for one, why in result.left] == [("n1", f"was not removed within {seconds} s")]
        assert result.given_back == 1


def test_a_list_that_hangs_is_left_unread_and_the_other_providers_are_asked():
    with virtual_time() as clock:
        result = clock.run(found({"fake": lists(finds=asyncio.Event().wait), "two": lists(thing("n1"))})[0])
        assert clock.now == pytest.approx(60)
    assert [one.kind for one, _ in result.left] == ["list"]
    assert result.given_back == 1


def test_an_engine_that_is_not_installed_has_nothing():
    async def missing():
        raise ToolMissing("podman is not there")

    assert asyncio.run(found({"fake": lists(finds=missing)})[0]).left == []


def test_what_is_spared_stays():
    provider = lists(thing("n1"))
    result = asyncio.run(found({"fake": provider}, spared=["t1"])[0])
    assert (result.given_back, result.found, provider.world.calls) == (0, [], [])
