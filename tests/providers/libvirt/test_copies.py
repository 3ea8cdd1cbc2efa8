"""Copies of images in the pool are made once, and go when nobody uses them; one in use never does."""

import asyncio
import contextlib
import os
import time
from pathlib import Path

import pytest
from tests.backends.machines import daemon

from seatrial.errors import CannotTell
from seatrial.links.libvirt import Hypervisor
from seatrial.loading.provider_settings import settings_from
from seatrial.providers.libvirt import Libvirt, copies, volumes, xml

pytestmark = pytest.mark.backend("libvirt")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SEATRIAL_CACHE_DIR", str(tmp_path / "cache"))


def in_the_pool(libvirtd, folder, scene):
    """Call this with a connection and a pool of the test's own, which are gone afterwards."""

    def act(connection):
        settings = settings_from(Libvirt, {"folder": str(folder)})
        pool = volumes.pool_of(connection, settings)
        try:
            scene(connection, pool)
        finally:
            for name in volumes.look(pool):
                volumes.delete(pool, name)
            pool.destroy()
            pool.undefine()

    async def whole():
        hypervisor = Hypervisor(libvirtd)
        await hypervisor.call("the scene", act)
        await hypervisor.close()

    asyncio.run(whole())


def image(folder, name):
    path = folder / name
    path.write_bytes(bytes(510) + b"\x55\xaa" + bytes(2**20 - 512))
    return path


def age(libvirtd, path, seconds):
    """Make a copy look as if it was last used then."""
    then = time.time() - seconds
    for name in (path, f"{path}.whole"):
        with contextlib.suppress(FileNotFoundError):
            os.utime(f"/proc/{daemon(libvirtd)}/root{name}", (then, then))


def test_a_copy_that_nobody_used_for_long_goes_and_no_other(libvirtd, tmp_path):
    def scene(connection, pool):
        path = {
            one: copies.cached(connection, pool, image(tmp_path, f"{one}.img"))
            for one in ("old", "machine", "disk", "fresh", "again")
        }
        machine = xml.Machine(name="aged", kvm=False, memory_mib=32, disks=[xml.Disk(path=path["machine"])])
        connection.defineXML(xml.domain(machine, settings_from(Libvirt, {})))
        try:
            text = xml.volume("theirs.qcow2", 2**20, "qcow2", backing=path["disk"], backing_format="raw")
            volumes.create(pool, text)
            for one in ("old", "machine", "disk", "again"):
                age(libvirtd, path[one], copies.UNUSED + 60)
            copies.cached(connection, pool, tmp_path / "again.img")
            assert copies.prune(connection, pool) == [Path(path["old"]).name]
            kept = {Path(path[one]).name for one in ("machine", "disk", "fresh", "again")}
            assert set(volumes.look(pool)) == {*kept, *(f"{name}.whole" for name in kept), "theirs.qcow2"}
        finally:
            connection.lookupByName("aged").undefine()

    in_the_pool(libvirtd, tmp_path / "pool", scene)


def test_one_that_is_being_made_at_this_moment_stays_and_one_that_was_never_whole_goes(libvirtd, tmp_path):
    def scene(connection, pool):
        path = copies.cached(connection, pool, image(tmp_path, "a.img"))
        volumes.delete(pool, f"{Path(path).name}.whole")
        age(libvirtd, path, copies.UNUSED + 60)
        with copies.locked(copies._lock(pool, copies.COPY.findall(Path(path).name)[0])):
            assert copies.prune(connection, pool) == []
        assert copies.prune(connection, pool) == [Path(path).name]
        assert volumes.look(pool) == []

    in_the_pool(libvirtd, tmp_path / "pool", scene)


def test_room_for_a_new_copy_is_made_by_those_that_are_idle(libvirtd, tmp_path, monkeypatch):
    def scene(connection, pool):
        path = copies.cached(connection, pool, image(tmp_path, "a.img"))
        asked = []

        def room(_pool, _needed, what):
            asked.append(what)
            if Path(path).name in volumes.look(pool):
                raise CannotTell("no disk space")

        monkeypatch.setattr(volumes, "room", room)
        with pytest.raises(CannotTell, match="no disk space"):
            copies.cached(connection, pool, image(tmp_path, "b.img"))
        age(libvirtd, path, copies.IDLE + 60)
        copies.cached(connection, pool, tmp_path / "b.img")
        assert Path(path).name not in volumes.look(pool)
        assert len(asked) == 3

    in_the_pool(libvirtd, tmp_path / "pool", scene)
